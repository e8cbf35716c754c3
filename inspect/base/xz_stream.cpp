// SPDX-License-Identifier: MIT
#include "inspect/base/xz_stream.h"

#include <lzma.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

#include "inspect/base/error.h"

namespace v2vfs {
namespace {

constexpr std::uint64_t kMostMemory = 160 << 20;
constexpr std::uint64_t kMostIndexMemory = 16 << 20;
constexpr std::size_t kPiece = 16 << 10;

[[noreturn]] void refuse_memory() {
  throw Error(ENOMEM, "its xz stream needs more memory than is given to it");
}

struct FreeFilters {
  std::array<lzma_filter, LZMA_FILTERS_MAX + 1> filters{};
  FreeFilters() { filters[0].id = LZMA_VLI_UNKNOWN; }
  FreeFilters(const FreeFilters&) = delete;
  FreeFilters& operator=(const FreeFilters&) = delete;
  ~FreeFilters() { ::lzma_filters_free(filters.data(), nullptr); }
};

}  // namespace

struct XzStream::State {
  lzma_stream stream = LZMA_STREAM_INIT;
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ::lzma_end(&stream); }
  // A block's, which liblzma refers to while it decodes it.
  lzma_block block{};
};

XzStream::XzStream(Format format) : state_(std::make_unique<State>()) {
  const lzma_ret result = format == Format::lzma
                              ? ::lzma_alone_decoder(&state_->stream, kMostMemory)
                              : ::lzma_stream_decoder(&state_->stream, kMostMemory, 0);
  if (result != LZMA_OK) throw std::bad_alloc();
}
XzStream::XzStream(XzStream&&) noexcept = default;
XzStream& XzStream::operator=(XzStream&&) noexcept = default;
XzStream::~XzStream() = default;

std::optional<XzStream::Step> XzStream::step(std::span<const std::byte> in,
                                             std::span<std::byte> out) {
  lzma_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
  stream.avail_in = in.size();
  stream.next_out = reinterpret_cast<std::uint8_t*>(out.data());
  stream.avail_out = out.size();
  const lzma_ret result = ::lzma_code(&stream, LZMA_RUN);
  if (result == LZMA_MEMLIMIT_ERROR) refuse_memory();
  if (result == LZMA_MEM_ERROR) throw std::bad_alloc();
  const bool ended = result == LZMA_STREAM_END;
  if (result != LZMA_OK && !ended && result != LZMA_BUF_ERROR) return std::nullopt;
  return Step{in.size() - stream.avail_in, out.size() - stream.avail_out, ended};
}

namespace {

std::vector<XzBlock> blocks_of(const lzma_index* index) {
  std::vector<XzBlock> blocks;
  lzma_index_iter iter;
  ::lzma_index_iter_init(&iter, index);
  while (!::lzma_index_iter_next(&iter, LZMA_INDEX_ITER_NONEMPTY_BLOCK)) {
    blocks.push_back({iter.block.compressed_file_offset, iter.block.total_size,
                      iter.block.unpadded_size, iter.block.uncompressed_file_offset,
                      iter.block.uncompressed_size,
                      static_cast<std::uint32_t>(iter.stream.flags->check)});
  }
  return blocks;
}

}  // namespace

std::optional<std::vector<XzBlock>> read_xz_index(
    std::uint64_t file_bytes,
    const std::function<void(std::uint64_t, std::span<std::byte>)>& read) {
  lzma_stream stream = LZMA_STREAM_INIT;
  lzma_index* index = nullptr;
  if (::lzma_file_info_decoder(&stream, &index, kMostIndexMemory, file_bytes) != LZMA_OK) {
    throw std::bad_alloc();
  }
  const std::unique_ptr<lzma_stream, decltype(&::lzma_end)> end(&stream, &::lzma_end);
  std::vector<std::byte> buffer(kPiece);
  std::uint64_t offset = 0;
  for (;;) {
    if (stream.avail_in == 0) {
      const std::size_t bytes = std::min<std::uint64_t>(buffer.size(), file_bytes - offset);
      read(offset, std::span(buffer).first(bytes));
      stream.next_in = reinterpret_cast<const std::uint8_t*>(buffer.data());
      stream.avail_in = bytes;
      offset += bytes;
    }
    const lzma_ret result = ::lzma_code(&stream, LZMA_RUN);
    if (result == LZMA_SEEK_NEEDED) {
      if (stream.seek_pos > file_bytes) return std::nullopt;
      offset = stream.seek_pos;
      stream.avail_in = 0;
    } else if (result == LZMA_STREAM_END) {
      break;
    } else if (result == LZMA_MEMLIMIT_ERROR) {
      refuse_memory();
    } else if (result != LZMA_OK) {
      return std::nullopt;
    }
  }
  std::vector<XzBlock> blocks = blocks_of(index);
  ::lzma_index_end(index, nullptr);
  return blocks;
}

std::optional<XzBlockStream> XzBlockStream::begin(const XzBlock& block,
                                                  std::span<const std::byte> head,
                                                  std::size_t& taken) {
  XzStream stream(XzStream::Format::xz);
  lzma_block& state = stream.state_->block;
  FreeFilters owned;
  state.version = 1;
  state.check = static_cast<lzma_check>(block.check);
  state.filters = owned.filters.data();
  if (head.empty() || head[0] == std::byte{0}) return std::nullopt;  // 0 begins an index
  state.header_size = lzma_block_header_size_decode(std::to_integer<std::uint32_t>(head[0]));
  if (state.header_size > head.size()) return std::nullopt;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(head.data());
  if (::lzma_block_header_decode(&state, nullptr, bytes) != LZMA_OK) return std::nullopt;
  if (::lzma_block_compressed_size(&state, block.unpadded_bytes) != LZMA_OK) return std::nullopt;
  if (::lzma_raw_decoder_memusage(owned.filters.data()) > kMostMemory) refuse_memory();
  const lzma_ret result = ::lzma_block_decoder(&stream.state_->stream, &state);
  if (result == LZMA_MEM_ERROR) throw std::bad_alloc();
  if (result != LZMA_OK) return std::nullopt;
  taken = state.header_size;
  return XzBlockStream(std::move(stream));
}

std::optional<XzStream::Step> XzBlockStream::step(std::span<const std::byte> in,
                                                  std::span<std::byte> out) {
  return stream_.step(in, out);
}

}  // namespace v2vfs
