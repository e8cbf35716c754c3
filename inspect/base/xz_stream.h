// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

/// The one door to liblzma. What needs more than 160 MiB to decode is refused (Error ENOMEM).
namespace v2vfs {

/// A whole stream, of .xz or of its forerunner .lzma, piece by piece. Not thread safe.
class XzStream {
 public:
  enum class Format { xz, lzma };
  explicit XzStream(Format format);
  XzStream(XzStream&&) noexcept;
  XzStream& operator=(XzStream&&) noexcept;
  ~XzStream();

  struct Step {
    std::size_t taken = 0;
    std::size_t made = 0;
    bool ended = false;  // `taken` is exact
  };
  /// nullopt: the stream is damaged.
  std::optional<Step> step(std::span<const std::byte> in, std::span<std::byte> out);

 private:
  friend class XzBlockStream;
  struct State;
  std::unique_ptr<State> state_;
};

/// A block of an .xz file (The .xz File Format 1.1.0, 3.): it is decoded without those before it.
struct XzBlock {
  std::uint64_t stored = 0;        // where it begins in the file
  std::uint64_t stored_bytes = 0;  // with its padding
  std::uint64_t unpadded_bytes = 0;
  std::uint64_t offset = 0;  // where its content begins in that of the file
  std::uint64_t bytes = 0;
  std::uint32_t check = 0;  // lzma_check
};

/// All blocks of a file of `file_bytes`, by the indexes at the ends of its streams; `read` fills a
/// span from an offset and may throw. nullopt: it is damaged or cut short.
std::optional<std::vector<XzBlock>> read_xz_index(
    std::uint64_t file_bytes, const std::function<void(std::uint64_t, std::span<std::byte>)>& read);

/// Decodes one block, piece by piece. Not thread safe.
class XzBlockStream {
 public:
  /// `head` holds the first 1,024 bytes of the block, or all of it. nullopt: the block is damaged.
  /// `taken` gets the bytes of its header.
  static std::optional<XzBlockStream> begin(const XzBlock& block, std::span<const std::byte> head,
                                            std::size_t& taken);
  /// Checks the content at the block's end.
  std::optional<XzStream::Step> step(std::span<const std::byte> in, std::span<std::byte> out);

 private:
  explicit XzBlockStream(XzStream stream) : stream_(std::move(stream)) {}
  XzStream stream_;
};

constexpr std::size_t kXzBlockHead = 1024;

}  // namespace v2vfs
