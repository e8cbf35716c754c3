// SPDX-License-Identifier: MIT
#include "inspect/base/inflate_stream.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

namespace v2vfs {
namespace {

constexpr std::size_t kMostPiece = std::numeric_limits<uInt>::max();

int window_bits(InflateStream::Format format) {
  return format == InflateStream::Format::gzip ? MAX_WBITS + 16 : -MAX_WBITS;
}

}  // namespace

struct InflateStream::State {
  z_stream stream{};
  explicit State(Format format) {
    if (::inflateInit2(&stream, window_bits(format)) != Z_OK) throw std::bad_alloc();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { ::inflateEnd(&stream); }
};

InflateStream::InflateStream(Format format) : state_(std::make_unique<State>(format)) {}
InflateStream::InflateStream(InflateStream&&) noexcept = default;
InflateStream& InflateStream::operator=(InflateStream&&) noexcept = default;
InflateStream::~InflateStream() = default;

std::optional<InflateStream::Step> InflateStream::step(std::span<const std::byte> in,
                                                       std::span<std::byte> out,
                                                       bool stop_at_blocks) {
  in = in.first(std::min(in.size(), kMostPiece));
  out = out.first(std::min(out.size(), kMostPiece));
  z_stream& stream = state_->stream;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(in.data()));
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = ::inflate(&stream, stop_at_blocks ? Z_BLOCK : Z_NO_FLUSH);
  if (result == Z_MEM_ERROR) throw std::bad_alloc();
  if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return std::nullopt;
  Step step{in.size() - stream.avail_in, out.size() - stream.avail_out, result == Z_STREAM_END, {}};
  // zlib.h, inflate(): 128 right behind a block or the header, 64 in the last block.
  const bool is_boundary = (stream.data_type & 128) != 0 && (stream.data_type & 64) == 0;
  if (stop_at_blocks && is_boundary && !step.ended) {
    step.boundary = Boundary{static_cast<unsigned>(stream.data_type & 7)};
  }
  return step;
}

void InflateStream::restart(Format format) {
  ::inflateReset2(&state_->stream, window_bits(format));
}

void InflateStream::restart_within(Boundary boundary, std::byte last,
                                   std::span<const std::byte> window) {
  restart(Format::raw);
  const auto bits = static_cast<int>(boundary.bits);
  if (bits > 0) ::inflatePrime(&state_->stream, bits, std::to_integer<int>(last) >> (8 - bits));
  if (window.empty()) return;
  ::inflateSetDictionary(&state_->stream, reinterpret_cast<const Bytef*>(window.data()),
                         static_cast<uInt>(window.size()));
}

std::size_t InflateStream::window(Window& out) {
  uInt bytes = 0;
  ::inflateGetDictionary(&state_->stream, reinterpret_cast<Bytef*>(out.data()), &bytes);
  return bytes;
}

}  // namespace v2vfs
