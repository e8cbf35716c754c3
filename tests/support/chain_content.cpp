// SPDX-License-Identifier: MIT
#include "tests/support/chain_content.h"

#include <algorithm>
#include <cstring>

namespace v2vfs::test {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kBlockSectors = Content::kBlock / kSector;

class Changed : public Content {
 public:
  Changed(const Content& before, std::uint64_t seed)
      : before_(before), own_(pattern(before.bytes(), seed)), seed_(seed) {}

  std::uint64_t bytes() const override { return before_.bytes(); }

  bool has_data(std::uint64_t offset, std::uint64_t length) const override {
    const std::uint64_t end = offset + length;
    // Long stretches without data of its own are skipped by doubling steps.
    std::uint64_t step = kBlock;
    for (std::uint64_t at = offset / kBlock * kBlock; at < end; at += step) {
      const Piece piece = piece_of(at / kBlock);
      if (piece.begin < end && piece.end > offset) return true;
      step = kBlock;
      if (own_->has_data(at, kBlock)) continue;
      while (step < end - at && !own_->has_data(at, step * 2)) step *= 2;
    }
    return false;
  }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    before_.read(offset, out);
    const std::uint64_t end = offset + out.size();
    for (std::uint64_t block = offset / kBlock; block * kBlock < end; ++block) {
      const Piece piece = piece_of(block);
      const std::uint64_t from = std::max(piece.begin, offset);
      const std::uint64_t to = std::min(piece.end, end);
      if (from < to) own_->read(from, out.subspan(from - offset, to - from));
    }
  }

 private:
  struct Piece {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  /// The bytes of a block that were written: a third of the blocks not at all, a third wholly.
  Piece piece_of(std::uint64_t block) const {
    const std::uint64_t start = block * kBlock;
    const std::uint64_t whole = std::min(kBlock, bytes() - start);
    std::uint64_t draw = (block + seed_ * 7919) * 0x9e3779b97f4a7c15;
    draw ^= draw >> 29;
    if (!own_->has_data(start, whole) || draw % 3 == 0) return {};
    if (draw % 3 == 1) return {start, start + whole};
    const std::uint64_t first = (draw >> 8) % kBlockSectors;
    const std::uint64_t count = 1 + (draw >> 20) % (kBlockSectors - first);
    return {start + std::min(first * kSector, whole),
            start + std::min((first + count) * kSector, whole)};
  }

  const Content& before_;
  std::unique_ptr<Content> own_;
  std::uint64_t seed_;
};

}  // namespace

bool Whole::has_data(std::uint64_t offset, std::uint64_t length) const {
  for (std::size_t i = 0; i <= level_; ++i) {
    if (contents_[i]->has_data(offset, length)) return true;
  }
  return false;
}

std::vector<std::unique_ptr<Content>> chain_contents(std::uint64_t bytes, std::uint64_t seed,
                                                     std::size_t count) {
  std::vector<std::unique_ptr<Content>> contents;
  contents.push_back(pattern(bytes, seed));
  while (contents.size() < count) {
    contents.push_back(std::make_unique<Changed>(*contents.back(), seed + contents.size()));
  }
  return contents;
}

}  // namespace v2vfs::test
