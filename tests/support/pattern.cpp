// SPDX-License-Identifier: MIT
#include "tests/support/pattern.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "tests/support/output_file.h"

namespace v2vfs::test {
namespace {

std::uint64_t mix(std::uint64_t x) {  // splitmix64's finalizer
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Pattern : public Content {
 public:
  Pattern(std::uint64_t bytes, std::uint64_t seed) : bytes_(bytes), seed_(seed) {
    const std::uint64_t blocks = (bytes + kBlock - 1) / kBlock;
    if (blocks == 0) return;
    written_ = {0, blocks - 1};
    const bool is_dense = blocks <= 4096;
    for (std::uint64_t i = 0; i < (is_dense ? blocks : kFew); ++i) {
      const std::uint64_t draw = mix(seed ^ mix(i));
      if (!is_dense) written_.insert(draw % blocks);
      if (is_dense && draw % 8 < 5) written_.insert(i);
    }
  }

  std::uint64_t bytes() const override { return bytes_; }

  bool has_data(std::uint64_t offset, std::uint64_t length) const override {
    const auto block = written_.lower_bound(offset / kBlock);
    return block != written_.end() && *block * kBlock < offset + length;
  }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    while (!out.empty()) {
      const std::uint64_t block = offset / kBlock;
      const std::uint64_t skip = offset % kBlock;
      const std::size_t count = std::min<std::uint64_t>(kBlock - skip, out.size());
      const std::lock_guard lock(mutex_);
      if (block != made_ || made_bytes_.empty()) {  // small grains ask for a block many times
        made_bytes_ = block_bytes(block);
        made_ = block;
      }
      std::memcpy(out.data(), made_bytes_.data() + skip, count);
      out = out.subspan(count);
      offset += count;
    }
  }

 private:
  std::vector<std::byte> block_bytes(std::uint64_t block) const {
    std::vector<std::byte> bytes(kBlock);
    if (!written_.contains(block)) return bytes;
    const std::uint64_t kind = mix(seed_ + block) % 8;
    const bool is_end = block == 0 || (block + 1) * kBlock >= bytes_;
    if (kind == 0 && !is_end) return bytes;  // written zeros
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      std::uint64_t word = mix(seed_ ^ mix(block * kBlock + i));
      if (kind < 5) word = 0x2061206b636f6c62 + word % 7;  // text
      std::memcpy(bytes.data() + i, &word, 8);
    }
    return bytes;
  }

  std::uint64_t bytes_;
  std::uint64_t seed_;
  std::set<std::uint64_t> written_;
  mutable std::mutex mutex_;
  mutable std::uint64_t made_ = 0;             // guarded by mutex_: the block that was read last
  mutable std::vector<std::byte> made_bytes_;  // guarded by mutex_
};

class FileContent : public Content {
 public:
  explicit FileContent(const std::string& path) : file_(path, OutputFile::Open::read) {
    bytes_ = file_.length();
  }
  std::uint64_t bytes() const override { return bytes_; }
  bool has_data(std::uint64_t offset, std::uint64_t length) const override {
    std::vector<std::byte> bytes(std::min(length, bytes_ - offset));
    file_.read(offset, bytes);
    return std::ranges::any_of(bytes, [](std::byte b) { return b != std::byte{0}; });
  }
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    const std::size_t there = offset < bytes_ ? std::min(out.size(), bytes_ - offset) : 0;
    file_.read(offset, out.first(there));
    std::memset(out.data() + there, 0, out.size() - there);
  }

 private:
  OutputFile file_;
  std::uint64_t bytes_;
};

}  // namespace

std::unique_ptr<Content> pattern(std::uint64_t bytes, std::uint64_t seed) {
  return std::make_unique<Pattern>(bytes, seed);
}

std::unique_ptr<Content> file_content(const std::string& path) {
  return std::make_unique<FileContent>(path);
}

void write_raw(const Content& content, const std::string& path) {
  OutputFile out(path, OutputFile::Open::create);
  write_flat(content, 0, content.bytes(), out);
}

void write_flat(const Content& content, std::uint64_t begin, std::uint64_t end, OutputFile& out) {
  out.resize(end - begin);
  // Long holes are skipped by halves, so that disks of terabytes are written at once.
  std::uint64_t step = Content::kBlock;
  std::vector<std::byte> bytes(Content::kBlock);
  for (std::uint64_t at = begin; at < end; at += step) {
    step = Content::kBlock;
    if (!content.has_data(at, std::min(step, end - at))) {
      while (step < (end - at) / 2 && !content.has_data(at, step * 2)) step *= 2;
      continue;
    }
    const std::size_t count = std::min(step, end - at);
    content.read(at, std::span(bytes).first(count));
    out.write(at - begin, std::span(bytes).first(count));
  }
}

}  // namespace v2vfs::test
