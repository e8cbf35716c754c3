// SPDX-License-Identifier: MIT
#include "tests/unit/overlay/disk_model.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "fs/overlay/overlay_store.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::uint64_t kSector = 512;

std::uint64_t sectors_for(std::uint64_t bytes) { return (bytes + kSector - 1) / kSector; }

std::string first_difference(const Bytes& got, const Bytes& wanted) {
  if (got.size() != wanted.size())
    return fmt::format("the size is {}, not {}", got.size(), wanted.size());
  const auto at = std::mismatch(got.begin(), got.end(), wanted.begin());
  if (at.first == got.end()) return {};
  return fmt::format("byte {} is {:#x}, not {:#x}", at.first - got.begin(),
                     static_cast<int>(*at.first), static_cast<int>(*at.second));
}

}  // namespace

Bytes contents_of(OverlayStore& store) {
  Bytes all(store.bytes());
  try {
    all.resize(store.read(0, all));
  } catch (const Error&) {
    all.resize(store.read(0, all));  // one call was told to fail, and said so
  }
  return all;
}

DiskModel::DiskModel(Bytes base) : now_(std::move(base)) {
  sizes_ = {now_.size()};
  push_changes({});
}

DiskModel::Sector DiskModel::sector(const Bytes& bytes, std::uint64_t index) {
  Sector s{};
  const std::uint64_t at = index * kSector;
  if (at < bytes.size())
    std::memcpy(s.data(), bytes.data() + at, std::min(kSector, bytes.size() - at));
  return s;
}

// A sector that either size covers gets a value; one past both has none.
void DiskModel::push_changes(const Bytes& old) {
  const std::uint64_t count = sectors_for(std::max(old.size(), now_.size()));
  if (sectors_.size() < count) sectors_.resize(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const Sector value = sector(now_, i);
    std::vector<Sector>& values = sectors_[i].values;
    if (values.empty() || values.back() != value) values.push_back(value);
  }
  if (sizes_.back() != now_.size()) sizes_.push_back(now_.size());
}

void DiskModel::begin() {
  before_ = now_;
  in_flight_ = true;
}

// An extending write that was cut off may have got as far as the old end.
void DiskModel::write(std::uint64_t offset, std::span<const std::byte> in) {
  begin();
  const std::uint64_t inside = offset < now_.size() ? std::min(in.size(), now_.size() - offset) : 0;
  const auto at = [&] { return now_.begin() + static_cast<std::ptrdiff_t>(offset); };
  if (inside > 0) std::copy_n(in.begin(), inside, at());
  push_changes(before_);
  if (inside == in.size()) return;
  now_.resize(offset + in.size());
  std::copy(in.begin(), in.end(), at());
  push_changes(before_);
}

void DiskModel::punch(std::uint64_t offset, std::uint64_t length) {
  begin();
  const std::uint64_t end = std::min<std::uint64_t>(now_.size(), offset + length);
  if (offset < end) std::memset(now_.data() + offset, 0, end - offset);
  push_changes(before_);
}

void DiskModel::resize(std::uint64_t bytes) {
  begin();
  now_.resize(bytes);
  push_changes(before_);
}

void DiskModel::barrier_begins() {
  marks_.assign(sectors_.size(), 0);
  for (std::size_t i = 0; i < sectors_.size(); ++i) marks_[i] = sectors_[i].values.size();
  size_mark_ = sizes_.size();
}

void DiskModel::barrier_succeeded() {
  for (std::size_t i = 0; i < marks_.size(); ++i) {
    auto& values = sectors_[i].values;
    if (marks_[i] > 1)
      values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(marks_[i] - 1));
  }
  sizes_.erase(sizes_.begin(), sizes_.begin() + static_cast<std::ptrdiff_t>(size_mark_ - 1));
  marks_.clear();
}

std::string DiskModel::check_exact(OverlayStore& store) const {
  return first_difference(contents_of(store), now_);
}

std::string DiskModel::check_process_death(OverlayStore& store) {
  const Bytes got = contents_of(store);
  if (!in_flight_) return first_difference(got, now_);
  if (got.size() != now_.size() && got.size() != before_.size())
    return fmt::format("the size is {}, neither {} nor {}", got.size(), before_.size(),
                       now_.size());
  Bytes before = before_, after = now_;
  before.resize(got.size());
  after.resize(got.size());
  for (std::uint64_t i = 0; i < sectors_for(got.size()); ++i) {
    const Sector value = sector(got, i);
    const bool is_old = value == sector(before, i) && i < sectors_for(before_.size());
    if (!is_old && value != sector(after, i))
      return fmt::format("sector {} is neither what it was nor what was being written", i);
  }
  return {};
}

std::string DiskModel::check_power_cut(OverlayStore& store) {
  const Bytes got = contents_of(store);
  if (std::find(sizes_.begin(), sizes_.end(), got.size()) == sizes_.end())
    return fmt::format("the size is {}, which it never was since the barrier", got.size());
  for (std::uint64_t i = 0; i < sectors_for(got.size()); ++i) {
    const Sector value = sector(got, i);
    const std::uint64_t visible = std::min(kSector, got.size() - i * kSector);
    const auto& values = sectors_[i].values;
    const bool known = std::any_of(values.begin(), values.end(), [&](const Sector& v) {
      return std::memcmp(v.data(), value.data(), visible) == 0;
    });
    if (!known) return fmt::format("sector {} holds none of its {} values", i, values.size());
  }
  return {};
}

void DiskModel::adopt(OverlayStore& store, bool durable) {
  const Bytes old = std::exchange(now_, contents_of(store));
  in_flight_ = false;
  marks_.clear();
  if (durable) {
    sectors_.clear();
    sizes_ = {now_.size()};
    push_changes({});
  } else {
    push_changes(old);
  }
}

}  // namespace v2vfs::fs
