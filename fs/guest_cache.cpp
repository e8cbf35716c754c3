// SPDX-License-Identifier: MIT
#include "fs/guest_cache.h"

#include <algorithm>
#include <cerrno>

#include "fs/guest_paths.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr int kMostTries = 3;
/// The listing that has the root itself.
constexpr const char* kAboveRoot = "";

using Listing = GuestTree::Listing;

bool by_name(const inspect::FileEntry& a, const inspect::FileEntry& b) { return a.name < b.name; }

std::shared_ptr<const Listing> list_sorted(inspect::Guest& guest, const std::string& path) {
  Listing listing = guest.list(path);
  std::erase_if(listing, [](const auto& entry) { return !is_file_name(entry.name); });
  std::sort(listing.begin(), listing.end(), by_name);
  const auto same = [](const auto& a, const auto& b) { return a.name == b.name; };
  listing.erase(std::unique(listing.begin(), listing.end(), same), listing.end());
  return std::make_shared<const Listing>(std::move(listing));
}

std::shared_ptr<const Listing> root_alone(inspect::Guest& guest) {
  return std::make_shared<const Listing>(Listing{{"", guest.stat("/"), ""}});
}

const inspect::FileEntry* find_in(const Listing& listing, const std::string& name) {
  const auto less = [](const inspect::FileEntry& e, const std::string& n) { return e.name < n; };
  const auto found = std::lower_bound(listing.begin(), listing.end(), name, less);
  return found == listing.end() || found->name != name ? nullptr : &*found;
}

}  // namespace

GuestCache::GuestCache(Ask ask, Limits limits)
    : ask_(std::move(ask)),
      listings_(limits.entries),
      xattrs_(limits.xattr_bytes),
      contents_(limits.content_bytes) {}

/// What is kept, or the question asked and then what is kept. Tried again where others pushed the
/// answer out at once.
template <typename Value>
Value GuestCache::get(RecentlyUsed<Value>& kept, const std::string& key,
                      std::function<std::pair<Value, std::size_t>(inspect::Guest&)> question) {
  for (int tries = 0; tries < kMostTries; ++tries) {
    std::uint64_t generation = 0;
    {
      const std::lock_guard lock(mutex_);
      if (const Value* found = kept.find(key)) return *found;
      generation = generation_;
    }
    ask_([this, &kept, key, generation, question](inspect::Guest& guest) {
      auto [value, weight] = question(guest);
      const std::lock_guard lock(mutex_);
      if (generation == generation_) kept.put(key, std::move(value), weight + key.size() / 64);
    });
  }
  throw Error(EAGAIN, "the guest's disks keep changing");
}

std::optional<inspect::FileEntry> GuestCache::find(const std::string& path) {
  if (path != "/") {
    const auto folder = find(parent_path(path));
    if (!folder || folder->stat.kind != inspect::FileKind::directory) return std::nullopt;
  }
  const auto listing = list(path == "/" ? kAboveRoot : parent_path(path));
  const inspect::FileEntry* entry = find_in(*listing, file_name(path));
  if (!entry) return std::nullopt;
  return *entry;
}

std::shared_ptr<const Listing> GuestCache::list(const std::string& path) {
  return get<std::shared_ptr<const Listing>>(listings_, path, [path](inspect::Guest& guest) {
    auto listing = path == kAboveRoot ? root_alone(guest) : list_sorted(guest, path);
    const std::size_t weight = listing->size() + 1;
    return std::pair(std::move(listing), weight);
  });
}

std::string GuestCache::piece(const std::string& path, std::uint64_t index) {
  using Piece = std::shared_ptr<const std::string>;
  const std::string key = path + '\0' + std::to_string(index);
  return *get<Piece>(contents_, key, [path, index](inspect::Guest& guest) {
    Piece bytes =
        std::make_shared<const std::string>(guest.read(path, index * kPieceBytes, kPieceBytes));
    const std::size_t weight = bytes->size() + 1;
    return std::pair(std::move(bytes), weight);
  });
}

std::string GuestCache::read(const std::string& path, std::uint64_t offset, std::size_t length) {
  std::string text;
  while (text.size() < length) {
    const std::uint64_t at = offset + text.size();
    const std::string bytes = piece(path, at / kPieceBytes);
    const std::size_t from = at % kPieceBytes;
    if (from >= bytes.size()) break;
    text += bytes.substr(from, length - text.size());
    if (bytes.size() < kPieceBytes) break;
  }
  return text;
}

std::vector<inspect::Xattr> GuestCache::xattrs(const std::string& path) {
  return get<std::vector<inspect::Xattr>>(xattrs_, path, [path](inspect::Guest& guest) {
    auto xattrs = guest.xattrs(path);
    std::size_t weight = 100;
    for (const auto& xattr : xattrs) weight += xattr.name.size() + xattr.value.size();
    return std::pair(std::move(xattrs), weight);
  });
}

std::uint64_t GuestCache::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

void GuestCache::forget() {
  const std::lock_guard lock(mutex_);
  ++generation_;
  listings_.clear();
  xattrs_.clear();
  contents_.clear();
}

}  // namespace v2vfs::fs
