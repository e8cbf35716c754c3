// SPDX-License-Identifier: MIT
#include "inspect/source/deflated_stream.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inspect/base/deflate.h"
#include "inspect/base/error.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kMostInflated = 64ULL << 40;
constexpr std::size_t kInputBytes = 256 << 10;
constexpr std::size_t kMadeBytes = 256 << 10;
constexpr std::size_t kTrailerBytes = 8;  // of a gzip member: CRC and length
constexpr std::uint64_t kMostForHead = 4 << 20;

constexpr std::string_view kDamaged = "the compressed stream is damaged here";
constexpr std::string_view kCutShort =
    "the file ends within the compressed stream: it is cut short, copy it again";

/// What is stored, in order, in pieces.
class Input {
 public:
  explicit Input(const SourceFile& file) : file_(file), buffer_(kInputBytes) {}

  std::uint64_t position() const { return position_; }
  bool at_end() const { return position_ == file_.length(); }
  /// The byte before position(), which is not 0.
  std::byte last() const { return last_; }

  /// What comes next; empty only at the end.
  std::span<const std::byte> next() {
    if (used_ == filled_) {
      filled_ = std::min<std::uint64_t>(buffer_.size(), file_.length() - position_);
      file_.read(position_, std::span(buffer_).first(filled_));
      used_ = 0;
    }
    return std::span<const std::byte>(buffer_).subspan(used_, filled_ - used_);
  }

  void take(std::size_t bytes) {
    if (bytes == 0) return;
    last_ = buffer_[used_ + bytes - 1];
    used_ += bytes;
    position_ += bytes;
  }

 private:
  const SourceFile& file_;
  std::vector<std::byte> buffer_;
  std::size_t used_ = 0;
  std::size_t filled_ = 0;
  std::uint64_t position_ = 0;
  std::byte last_{};
};

bool is_gzip_magic(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

/// From the first byte to the last.
class Pass {
 public:
  Pass(const DeflatedStream& stream, const std::string& folder, const std::function<bool()>& stop)
      : stream_(stream),
        input_(stream.stored),
        inflate_(stream.format()),
        stop_(stop),
        points_(folder),
        made_(kMadeBytes) {}

  AccessPoints run() {
    if (stream_.zip_member) points_.add(0, 0, 0, {});
    while (!inflate_member()) {
    }
    check_zip_member();
    points_.finish(offset_);
    return std::move(points_);
  }

 private:
  [[noreturn]] void fail(std::string_view sentence) const {
    throw file_error(EIO, stream_.stored.name(), input_.position(), sentence);
  }

  /// True at the end of the last.
  bool inflate_member() {
    for (;;) {
      const std::span<const std::byte> in = input_.next();
      const auto step = inflate_.step(in, made_, true);
      if (!step) fail(kDamaged);
      input_.take(step->taken);
      if (stream_.zip_member) crc_ = crc32(std::span(made_).first(step->made), crc_);
      offset_ += step->made;
      if (offset_ > kMostInflated) fail("the compressed stream holds more than 64 TiB");
      if (step->boundary) maybe_add(*step->boundary);
      if (step->ended) return input_.at_end() || !has_next_member();
      if (in.empty() && step->made == 0) fail(kCutShort);
      ask_for_stop();
    }
  }

  void maybe_add(InflateStream::Boundary boundary) {
    if (!points_.points().empty() && offset_ - points_.points().back().offset < points_.spacing()) {
      return;
    }
    InflateStream::Window window;
    const std::size_t bytes = inflate_.window(window);
    points_.add(input_.position(), offset_, boundary.bits, std::span(window).first(bytes));
  }

  /// RFC 1952 2.2: members follow each other. Tapes and block devices leave zeros behind.
  bool has_next_member() {
    if (stream_.zip_member) fail("bytes that belong to no stream follow the compressed stream");
    const std::span<const std::byte> next = input_.next();
    if (is_gzip_magic(next) || (next.size() == 1 && next[0] == std::byte{0x1f})) {
      inflate_.restart(InflateStream::Format::gzip);
      return true;
    }
    while (!input_.at_end()) {
      const std::span<const std::byte> rest = input_.next();
      const auto odd = std::ranges::find_if(rest, [](std::byte b) { return b != std::byte{0}; });
      if (odd != rest.end()) {
        fail("bytes that are no gzip stream follow the compressed stream; cut them off");
      }
      input_.take(rest.size());
      ask_for_stop();
    }
    return false;
  }

  void check_zip_member() const {
    if (!stream_.zip_member) return;
    if (stream_.zip_member->length != offset_ || stream_.zip_member->crc != crc_) {
      fail("the compressed stream does not hold what the archive's directory says");
    }
  }

  void ask_for_stop() {
    if (input_.position() - asked_at_ < (1 << 20) && offset_ - asked_from_ < (64 << 20)) return;
    asked_at_ = input_.position();
    asked_from_ = offset_;
    if (stop_()) throw Error(EINTR, "{}: reading it was ended", stream_.stored.name());
  }

  const DeflatedStream& stream_;
  Input input_;
  InflateStream inflate_;
  const std::function<bool()>& stop_;
  AccessPoints points_;
  std::vector<std::byte> made_;
  std::uint64_t offset_ = 0;
  std::uint32_t crc_ = 0;
  std::uint64_t asked_at_ = 0;
  std::uint64_t asked_from_ = 0;
};

}  // namespace

AccessPoints find_access_points(const DeflatedStream& stream, const std::string& folder,
                                const std::function<bool()>& stop) {
  return Pass(stream, folder, stop).run();
}

std::string inflate_head(const DeflatedStream& stream, std::size_t most) {
  const SourceFile& file = stream.stored;
  Input input(file);
  InflateStream inflate(stream.format());
  std::string head(most, '\0');
  std::size_t made = 0;
  bool ended = false;
  while (made < most && !ended && input.position() < kMostForHead) {
    const std::span<const std::byte> in = input.next();
    const auto step = inflate.step(in, std::as_writable_bytes(std::span(head)).subspan(made));
    if (!step) throw file_error(EIO, file.name(), input.position(), kDamaged);
    if (in.empty() && step->made == 0 && !step->ended) {
      throw file_error(EIO, file.name(), input.position(), kCutShort);
    }
    input.take(step->taken);
    made += step->made;
    ended = step->ended;
  }
  head.resize(made);
  return head;
}

InflateCursor::InflateCursor(const DeflatedStream& stream)
    : stream_(stream), inflate_(stream.format()) {
  made_.reserve(kMadeBytes);
}

void InflateCursor::fail(std::string_view sentence) const {
  throw file_error(EIO, stream_.stored.name(), stored_ - (input_.size() - input_used_), sentence);
}

bool InflateCursor::is_behind(std::uint64_t offset, std::uint64_t point) const {
  return made_start_ <= offset && point <= made_start_ + made_.size();
}

void InflateCursor::go_to(const AccessPoints& points, const AccessPoints::Point& point) {
  InflateStream::Window window;
  const std::size_t bytes = points.read_window(point, window);
  std::byte last{};
  if (point.bits > 0 && point.stored > 0) stream_.stored.read(point.stored - 1, {&last, 1});
  inflate_.restart_within({point.bits}, last, std::span(window).first(bytes));
  has_trailer_ = !stream_.zip_member;
  stored_ = point.stored;
  input_.clear();
  input_used_ = 0;
  made_start_ = point.offset;
  made_.clear();
}

void InflateCursor::fill_input() {
  if (input_used_ < input_.size()) return;
  input_.resize(std::min<std::uint64_t>(kInputBytes, stream_.stored.length() - stored_));
  stream_.stored.read(stored_, input_);
  stored_ += input_.size();
  input_used_ = 0;
}

void InflateCursor::read(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    if (offset >= made_start_ + made_.size()) {
      make_more();
      continue;
    }
    const std::size_t within = offset - made_start_;
    const std::size_t bytes = std::min(made_.size() - within, out.size());
    std::memcpy(out.data(), made_.data() + within, bytes);
    out = out.subspan(bytes);
    offset += bytes;
  }
}

/// Replaces what was made by what follows it.
void InflateCursor::make_more() {
  made_start_ += made_.size();
  made_.resize(kMadeBytes);
  std::size_t made = 0;
  while (made == 0) {
    fill_input();
    const auto in = std::span<const std::byte>(input_).subspan(input_used_);
    const auto step = inflate_.step(in, made_);
    if (!step) fail(kDamaged);
    if (in.empty() && step->made == 0) fail(kCutShort);
    input_used_ += step->taken;
    made = step->made;
    if (step->ended) next_member();
  }
  made_.resize(made);
}

/// What a member holds was checked by the pass; here only its trailer has to be stepped over.
void InflateCursor::next_member() {
  for (std::size_t left = has_trailer_ ? kTrailerBytes : 0; left > 0;) {
    fill_input();
    const std::size_t bytes = std::min(left, input_.size() - input_used_);
    if (bytes == 0) fail(kCutShort);
    input_used_ += bytes;
    left -= bytes;
  }
  has_trailer_ = false;
  inflate_.restart(InflateStream::Format::gzip);
}

}  // namespace v2vfs::inspect
