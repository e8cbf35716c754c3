// SPDX-License-Identifier: MIT
#include "convert/disk/grain_check.h"

#include <algorithm>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

constexpr std::size_t kBits = 64;

/// Damage is counted; a file that cannot be read is not damage of a grain, but is reported the same
/// way.
void verify_grain(const SparseExtent& extent, std::uint64_t index, const Grain& grain,
                  std::span<std::byte> buffer, VerifyReport& report) {
  if (grain.kind == GrainKind::hole || grain.kind == GrainKind::zero) return;
  const bool is_deflated = extent.header().compressed;
  if (grain.kind == GrainKind::stored && !is_deflated) return;
  ++report.grains_checked;
  try {
    if (grain.kind == GrainKind::stored) return extent.inflate(grain.sector, index, buffer);
    extent.read(index * extent.header().grain_bytes(), buffer.first(1));
  } catch (const Error& error) {
    if (report.grains_damaged++ == 0) report.first_damage = error.sentence();
  }
}

}  // namespace

GrainCheck::GrainCheck(const SparseExtent& extent, const StoredGrains& grains)
    : extent_(extent), grains_(grains), good_(ceil_div(grains.size(), kBits)) {}

bool GrainCheck::is_good(std::size_t rank) const {
  return good_[rank / kBits].load(std::memory_order_relaxed) >> (rank % kBits) & 1;
}

void GrainCheck::check(std::size_t rank) {
  thread_local std::vector<std::byte> buffer;
  buffer.resize(extent_.header().grain_bytes());
  extent_.inflate(grains_.start(rank), std::nullopt, buffer);
  good_[rank / kBits].fetch_or(std::uint64_t{1} << (rank % kBits), std::memory_order_relaxed);
}

void GrainCheck::require(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t first = offset / kSectorBytes;
  const StoredGrains::Ranks ranks =
      grains_.touching(first, ceil_div(offset + length, kSectorBytes));
  std::size_t hint = ranks.begin;
  for (std::size_t rank = ranks.begin; rank < ranks.end; ++rank) {
    if (is_good(rank) || grains_.is_hidden(rank)) continue;
    const std::uint64_t end = grains_.start(rank) + grains_.sectors_of(grains_.start(rank), hint);
    if (end > first) check(rank);
  }
}

void verify_extent(const SparseExtent& extent, const std::function<bool()>& stop,
                   VerifyReport& report) {
  std::vector<std::byte> buffer(extent.header().grain_bytes());
  const std::uint64_t per_table = extent.header().entries_per_table;
  std::vector<Grain> grains(per_table);
  const std::uint64_t count = extent.header().grain_count();
  for (std::uint64_t first = 0; first < count; first += per_table) {
    grains.resize(std::min(per_table, count - first));
    extent.tables().grains(first, grains);
    for (std::size_t i = 0; i < grains.size(); ++i) {
      if (stop && stop()) return;
      verify_grain(extent, first + i, grains[i], buffer, report);
    }
  }
}

}  // namespace v2vfs::convert
