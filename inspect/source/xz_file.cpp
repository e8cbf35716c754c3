// SPDX-License-Identifier: MIT
#include "inspect/source/xz_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/xz_stream.h"
#include "inspect/source/cursor_pool.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kMostInBlock = 192 << 20;
constexpr std::size_t kInputBytes = 256 << 10;
constexpr std::size_t kMadeBytes = 256 << 10;
constexpr std::uint64_t kMostForHead = 4 << 20;
constexpr std::string_view kDamaged = "the compressed stream is damaged here";

using Blocks = std::vector<XzBlock>;

/// Where somebody reads in an .xz file. Not thread safe.
class XzCursor {
 public:
  XzCursor(const SourceFile& stored, const Blocks& blocks) : stored_(stored), blocks_(blocks) {}

  bool is_behind(std::uint64_t offset, std::uint64_t point) const {
    return stream_ && made_start_ <= offset && point <= made_start_ + made_.size();
  }

  void go_to(std::size_t block) {
    block_ = block;
    made_.clear();
    made_start_ = blocks_[block].offset;
    stored_at_ = blocks_[block].stored;
    input_.clear();
    input_used_ = 0;
    begin_block();
  }

  void read(std::uint64_t offset, std::span<std::byte> out) {
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

 private:
  [[noreturn]] void fail(std::string_view sentence) const {
    throw file_error(EIO, stored_.name(), stored_at_ - (input_.size() - input_used_), sentence);
  }

  std::uint64_t block_end() const { return blocks_[block_].stored + blocks_[block_].stored_bytes; }

  void begin_block() {
    std::vector<std::byte> head(
        std::min<std::uint64_t>(kXzBlockHead, blocks_[block_].stored_bytes));
    stored_.read(blocks_[block_].stored, head);
    std::size_t taken = 0;
    stream_ = XzBlockStream::begin(blocks_[block_], head, taken);
    if (!stream_) fail(kDamaged);
    stored_at_ = blocks_[block_].stored + taken;
    input_.clear();
    input_used_ = 0;
    is_block_over_ = false;
  }

  void make_more() {
    made_start_ += made_.size();
    made_.resize(kMadeBytes);
    std::size_t made = 0;
    while (made == 0) {
      if (is_block_over_) next_block();
      fill_input();
      const auto in = std::span<const std::byte>(input_).subspan(input_used_);
      const auto step = stream_->step(in, made_);
      if (!step || (in.empty() && step->made == 0 && !step->ended)) fail(kDamaged);
      input_used_ += step->taken;
      made = step->made;
      is_block_over_ = step->ended;
    }
    made_.resize(made);
  }

  void next_block() {
    if (++block_ == blocks_.size()) fail("the compressed stream is shorter than its index says");
    begin_block();
  }

  void fill_input() {
    if (input_used_ < input_.size()) return;
    input_.resize(std::min<std::uint64_t>(kInputBytes, block_end() - stored_at_));
    stored_.read(stored_at_, input_);
    stored_at_ += input_.size();
    input_used_ = 0;
  }

  const SourceFile& stored_;
  const Blocks& blocks_;
  std::optional<XzBlockStream> stream_;
  std::size_t block_ = 0;
  bool is_block_over_ = false;   // all of it is made
  std::uint64_t stored_at_ = 0;  // behind what is in input_
  std::vector<std::byte> input_;
  std::size_t input_used_ = 0;
  std::uint64_t made_start_ = 0;
  std::vector<std::byte> made_;
};

class XzContent : public SourceContent {
 public:
  XzContent(SourceFile stored, Blocks blocks)
      : stored_(std::move(stored)), blocks_(std::move(blocks)) {
    if (!blocks_.empty()) length_ = blocks_.back().offset + blocks_.back().bytes;
  }

  std::uint64_t length() const override { return length_; }
  std::string head(std::size_t most) const override { return xz_head(stored_, most); }
  std::vector<SourceFile> stored_files() const override { return stored_.stored_files(); }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    const auto next = std::ranges::upper_bound(blocks_, offset, {}, &XzBlock::offset);
    const auto block = static_cast<std::size_t>(std::distance(blocks_.begin(), next)) - 1;
    cursors_.with(offset, blocks_[block].offset, [&](XzCursor& cursor) {
      if (!cursor.is_behind(offset, blocks_[block].offset)) cursor.go_to(block);
      cursor.read(offset, out);
    });
  }

 private:
  const SourceFile stored_;
  const Blocks blocks_;
  std::uint64_t length_ = 0;
  mutable CursorPool<XzCursor> cursors_{
      [this] { return std::make_unique<XzCursor>(stored_, blocks_); }};
};

}  // namespace

SourceFile xz_file(SourceFile stored, std::string name, const UnpackFolder& unpack,
                   const std::function<bool()>& stop) {
  const auto blocks = read_xz_index(
      stored.length(),
      [&](std::uint64_t offset, std::span<std::byte> out) { stored.read(offset, out); });
  if (!blocks) {
    throw file_error(EIO, stored.name(), stored.length(),
                     "the index at the end of the xz file is damaged: it may be cut short, copy it "
                     "again");
  }
  const auto large = std::ranges::find_if(
      *blocks, [](const XzBlock& block) { return block.bytes > kMostInBlock; });
  if (large != blocks->end() && !unpack) {
    throw Error(EOPNOTSUPP,
                "{}: it is one xz stream of {} bytes, in which nothing can be found without "
                "unpacking all of it; mount with -o unpack, or unpack it with unxz(1)",
                stored.name(), large->bytes);
  }
  const bool is_large = large != blocks->end();
  SourceFile file(std::make_shared<const XzContent>(std::move(stored), *blocks), std::move(name));
  return is_large ? unpacked_file(file, unpack, stop) : file;
}

std::string xz_head(const SourceFile& stored, std::size_t most) {
  XzStream stream(XzStream::Format::xz);
  std::string head(most, '\0');
  std::vector<std::byte> buffer(64 << 10);
  std::size_t made = 0;
  for (std::uint64_t at = 0; made < most && at < std::min(stored.length(), kMostForHead);) {
    const std::size_t bytes = std::min<std::uint64_t>(buffer.size(), stored.length() - at);
    stored.read(at, std::span(buffer).first(bytes));
    const auto step = stream.step(std::span<const std::byte>(buffer).first(bytes),
                                  std::as_writable_bytes(std::span(head)).subspan(made));
    if (!step) throw file_error(EIO, stored.name(), at, kDamaged);
    at += step->taken;
    made += step->made;
    if (step->ended || (step->taken == 0 && step->made == 0)) break;
  }
  head.resize(made);
  return head;
}

}  // namespace v2vfs::inspect
