// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

/// The one door to zlib: streams that are inflated piece by piece, from their beginning or from a
/// block within (deflate.h is for pieces that fit into memory, and faster).
namespace v2vfs {

/// What a deflate stream may refer back to.
constexpr std::size_t kInflateWindow = 32 << 10;

/// One stream at a time. Not thread safe.
class InflateStream {
 public:
  enum class Format {
    gzip,  // RFC 1952, one member; header, CRC and length are checked
    raw,   // RFC 1951
  };

  explicit InflateStream(Format format);
  InflateStream(InflateStream&&) noexcept;
  InflateStream& operator=(InflateStream&&) noexcept;
  ~InflateStream();

  /// Between two deflate blocks, or before the first.
  struct Boundary {
    unsigned bits = 0;  // of the last byte that was taken, that belong to what follows
  };
  struct Step {
    std::size_t taken = 0;
    std::size_t made = 0;
    bool ended = false;                // the stream's last byte was taken; `taken` is exact
    std::optional<Boundary> boundary;  // only where stop_at_blocks
  };
  /// Takes from `in`, makes into `out`. With neither taken nor made it wants more of one of them.
  /// nullopt: the stream is damaged.
  std::optional<Step> step(std::span<const std::byte> in, std::span<std::byte> out,
                           bool stop_at_blocks = false);

  /// Another stream.
  void restart(Format format);

  using Window = std::array<std::byte, kInflateWindow>;
  /// Goes on in a stream at a boundary: `last` is the byte before the next one that is taken,
  /// `window` what was made before. `format` raw from there on: a gzip trailer is not taken.
  void restart_within(Boundary boundary, std::byte last, std::span<const std::byte> window);
  /// At a boundary: what was made before, at most 32 KiB; the bytes written to `out`.
  std::size_t window(Window& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace v2vfs
