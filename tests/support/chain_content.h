// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tests/support/pattern.h"

namespace v2vfs::test {

/// What a disk holds after each of `count` snapshots: the first one is `pattern(bytes, seed)`, and
/// each other says of has_data() what was written since the one before it, in pieces of sectors
/// that begin and end anywhere in blocks, some of them zeros. Each refers to the one before.
std::vector<std::unique_ptr<Content>> chain_contents(std::uint64_t bytes, std::uint64_t seed,
                                                     std::size_t count);

/// All that the disk `level` holds, for a file that has no parent: has_data() is of all levels.
class Whole : public Content {
 public:
  Whole(const std::vector<std::unique_ptr<Content>>& contents, std::size_t level)
      : contents_(contents), level_(level) {}
  std::uint64_t bytes() const override { return contents_[level_]->bytes(); }
  bool has_data(std::uint64_t offset, std::uint64_t length) const override;
  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    contents_[level_]->read(offset, out);
  }

 private:
  const std::vector<std::unique_ptr<Content>>& contents_;
  std::size_t level_;
};

}  // namespace v2vfs::test
