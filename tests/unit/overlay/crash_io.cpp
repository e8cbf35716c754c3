// SPDX-License-Identifier: MIT
#include "tests/unit/overlay/crash_io.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr std::uint64_t kSector = 512;
using Sector = std::array<std::byte, kSector>;
using Bytes = std::vector<std::byte>;

std::uint64_t sectors_for(std::uint64_t bytes) { return (bytes + kSector - 1) / kSector; }

Sector sector_of(const Bytes& bytes, std::uint64_t index) {
  Sector sector{};
  const std::uint64_t at = index * kSector;
  if (at < bytes.size())
    std::memcpy(sector.data(), bytes.data() + at,
                std::min<std::uint64_t>(kSector, bytes.size() - at));
  return sector;
}

}  // namespace

struct CrashIo::Inode {
  // What a sector or the size got since the disk last had it; the last one is what the cache has.
  struct Changes {
    std::vector<Sector> contents;
    bool is_dirty = true;
  };

  std::shared_ptr<Bytes> cache = std::make_shared<Bytes>();  // sectors; as long as it must be
  std::uint64_t size = 0;
  Bytes disk;
  std::uint64_t disk_size = 0;
  std::map<std::uint64_t, Changes> changes;
  std::vector<std::uint64_t> sizes;
  bool is_size_dirty = false;
  std::vector<bool> has_room;
  std::uint64_t mapped_bytes = 0;

  void hold(std::uint64_t bytes) {
    const std::uint64_t wanted = sectors_for(bytes) * kSector;
    if (cache->size() >= wanted) return;
    if (mapped_bytes) std::abort();  // the mapping would be left behind: map more from the start
    cache->resize(wanted);
  }
  void set_size(std::uint64_t bytes) {
    if (size == bytes) return;
    size = bytes;
    sizes.push_back(bytes);
    is_size_dirty = true;
  }
  void touched(std::uint64_t first_byte, std::uint64_t end_byte) {
    for (std::uint64_t s = first_byte / kSector; s < sectors_for(end_byte); ++s) {
      Changes& c = changes[s];
      c.contents.push_back(sector_of(*cache, s));
      c.is_dirty = true;
    }
  }
  void write(std::uint64_t offset, std::span<const std::byte> in) {
    if (in.empty()) return;
    hold(offset + in.size());
    std::memcpy(cache->data() + offset, in.data(), in.size());
    touched(offset, offset + in.size());
    if (offset + in.size() > size) set_size(offset + in.size());
  }
  void zero(std::uint64_t offset, std::uint64_t end) {
    end = std::min<std::uint64_t>(end, cache->size());
    if (offset >= end) return;
    std::memset(cache->data() + offset, 0, end - offset);
    touched(offset, end);
  }
  void truncate(std::uint64_t bytes) {
    if (bytes < size) zero(bytes, size);
    hold(bytes);
    set_size(bytes);
    if (has_room.size() > sectors_for(bytes)) has_room.resize(sectors_for(bytes));
  }
  bool room_for(std::uint64_t sector) const { return sector < has_room.size() && has_room[sector]; }
  void take_room(std::uint64_t sector) {
    if (sector >= has_room.size()) has_room.resize(sector + 1);
    has_room[sector] = true;
  }
  void sync() {
    if (mapped_bytes) touched(0, std::min(size, mapped_bytes));
    disk.resize(std::max(disk.size(), cache->size()));
    for (auto it = changes.begin(); it != changes.end();) {
      if (!it->second.is_dirty) {
        ++it;
        continue;
      }
      std::memcpy(disk.data() + it->first * kSector, it->second.contents.back().data(), kSector);
      it = changes.erase(it);
    }
    if (is_size_dirty) {
      disk_size = size;
      sizes.clear();
      is_size_dirty = false;
    }
  }
  void sync_failed() {
    for (auto& [index, c] : changes) c.is_dirty = false;
    is_size_dirty = false;
  }
  void power_cut(Dice& dice) {
    if (mapped_bytes) touched(0, std::min(size, mapped_bytes));
    // One cut in four leaves all at the old or all at the new end, to reach the far corners.
    const std::uint64_t mood = dice.below(8);
    const auto pick = [&](std::uint64_t count) {
      return mood == 0 ? 0 : mood == 1 ? count : dice.below(count + 1);
    };
    disk.resize(std::max(disk.size(), cache->size()));
    for (auto& [index, c] : changes) {
      const std::uint64_t which = pick(c.contents.size());
      if (which > 0)
        std::memcpy(disk.data() + index * kSector, c.contents[which - 1].data(), kSector);
    }
    const std::uint64_t which = pick(sizes.size());
    if (which > 0) disk_size = sizes[which - 1];
    if (disk.size() > disk_size) std::memset(disk.data() + disk_size, 0, disk.size() - disk_size);
    disk.resize(sectors_for(disk_size) * kSector);
    cache = std::make_shared<Bytes>(disk);
    size = disk_size;
    changes.clear();
    sizes.clear();
    is_size_dirty = false;
    mapped_bytes = 0;
  }
};

class CrashIo::File final : public IoFile {
 public:
  File(CrashIo& io, std::shared_ptr<Inode> inode, std::string path)
      : io_(io), inode_(std::move(inode)), path_(std::move(path)), life_(io.life_) {}

  std::size_t pread(std::uint64_t offset, std::span<std::byte> out) override {
    enter();
    fail_if_asked(offset);
    if (offset >= inode_->size) return 0;
    const std::size_t n = std::min<std::uint64_t>(out.size(), inode_->size - offset);
    std::memcpy(out.data(), inode_->cache->data() + offset, n);
    return n;
  }

  void pwrite(std::uint64_t offset, std::span<const std::byte> in) override {
    enter();
    const auto part = [&] {
      const std::uint64_t sectors = sectors_for(offset + in.size()) - offset / kSector;
      const std::uint64_t end = (offset / kSector + io_.dice_.below(sectors)) * kSector;
      if (end > offset) inode_->write(offset, in.first(end - offset));
    };
    if (std::exchange(io_.fail_now_, false)) {
      part();
      throw file_error(io_.fail_with_, path_, offset, "told to fail");
    }
    io_.step([&] { write_where_room(offset, in); }, part);
  }

  std::uint64_t bytes() override {
    enter();
    fail_if_asked(0);
    return inode_->size;
  }
  void truncate(std::uint64_t bytes) override {
    enter();
    fail_if_asked(bytes);
    io_.step([&] { inode_->truncate(bytes); });
  }
  void allocate(std::uint64_t bytes) override {
    enter();
    fail_if_asked(bytes);
    io_.step([&] {
      for (std::uint64_t s = 0; s < sectors_for(bytes); ++s) {
        if (io_.full_ && !inode_->room_for(s)) throw file_error(ENOSPC, path_, bytes, "full");
        inode_->take_room(s);
      }
      if (bytes > inode_->size) inode_->truncate(bytes);
    });
  }
  bool punch(std::uint64_t offset, std::uint64_t length) override {
    enter();
    fail_if_asked(offset);
    if (!io_.can_punch_) return false;
    io_.step([&] {
      inode_->zero(offset, std::min(inode_->size, offset + length));
      for (std::uint64_t s = sectors_for(offset); s < (offset + length) / kSector; ++s)
        if (s < inode_->has_room.size()) inode_->has_room[s] = false;
    });
    return true;
  }

  void fdatasync() override {
    enter();
    if (std::exchange(io_.fail_now_, false)) {
      inode_->sync_failed();
      throw file_error(io_.fail_with_, path_, 0, "fdatasync told to fail");
    }
    const bool hook_first = io_.dice_.one_in(4);
    if (hook_first) run_hook();
    io_.step([&] { inode_->sync(); });
    if (!hook_first) run_hook();
  }

  std::unique_ptr<IoMapping> map_shared(std::uint64_t bytes) override {
    enter();
    fail_if_asked(0);
    struct Mapping final : IoMapping {
      explicit Mapping(std::shared_ptr<Bytes> b) : memory(std::move(b)) {}
      std::byte* data() override { return memory->data(); }
      std::shared_ptr<Bytes> memory;
    };
    inode_->mapped_bytes = 0;
    inode_->hold(bytes);
    inode_->mapped_bytes = bytes;
    return std::make_unique<Mapping>(inode_->cache);
  }

 private:
  void enter() {
    if (life_ != io_.life_) std::abort();  // a file of a dead process
    io_.call();
  }
  void fail_if_asked(std::uint64_t offset) {
    if (std::exchange(io_.fail_now_, false))
      throw file_error(io_.fail_with_, path_, offset, "told to fail");
  }
  void run_hook() {
    if (!io_.during_sync || io_.in_hook_) return;
    struct Mark {
      explicit Mark(bool& f) : flag(f) { flag = true; }
      ~Mark() { flag = false; }
      bool& flag;
    } mark(io_.in_hook_);
    io_.during_sync();
  }
  void write_where_room(std::uint64_t offset, std::span<const std::byte> in) {
    for (std::uint64_t s = offset / kSector; s < sectors_for(offset + in.size()); ++s) {
      if (io_.full_ && !inode_->room_for(s)) {
        if (s * kSector > offset) inode_->write(offset, in.first(s * kSector - offset));
        throw file_error(ENOSPC, path_, s * kSector, "the disk is full");
      }
      inode_->take_room(s);
    }
    inode_->write(offset, in);
  }

  CrashIo& io_;
  std::shared_ptr<Inode> inode_;
  std::string path_;
  std::uint64_t life_;
};

void CrashIo::call() {
  if (dead_) throw Crash{};
  fail_now_ = fail_call_ && calls_ == *fail_call_;
  ++calls_;
}

template <typename Whole, typename Part>
void CrashIo::step(Whole&& whole, Part&& part) {
  const bool crash_here = crash_step_ && steps_ == *crash_step_;
  ++steps_;
  if (crash_here && crash_point_ == CutPoint::torn) part();
  if (crash_here && crash_point_ != CutPoint::after) die();
  whole();
  if (crash_here) die();
}

template <typename Whole>
void CrashIo::step(Whole&& whole) {
  step(whole, [] {});
}

void CrashIo::die() {
  detach_mappings();  // what the dying process still does reaches nobody
  dead_ = true;
  throw Crash{};
}

void CrashIo::detach_mappings() {
  for (auto& [name, inode] : names_)
    if (inode->mapped_bytes) inode->cache = std::make_shared<Bytes>(*inode->cache);
}

void CrashIo::process_death() {
  detach_mappings();
  for (auto& [name, inode] : names_) {
    if (!inode->mapped_bytes) continue;
    inode->touched(0, std::min(inode->size, inode->mapped_bytes));
    inode->mapped_bytes = 0;
  }
  dead_ = false;
  ++life_;
}

void CrashIo::power_cut() {
  detach_mappings();
  const bool prefix = dice_.one_in(2);
  std::uint64_t kept = dice_.below(name_changes_.size() + 1);
  for (const NameChange& change : name_changes_) {
    const bool reaches_disk = prefix ? kept > 0 : dice_.one_in(2);
    if (prefix && kept > 0) --kept;
    if (reaches_disk) apply(durable_names_, change);
  }
  name_changes_.clear();
  names_ = durable_names_;
  for (auto& [name, inode] : names_) inode->power_cut(dice_);
  dead_ = false;
  ++life_;
  ++boot_;
}

void CrashIo::apply(Names& names, const NameChange& change) {
  if (change.inode)
    names[change.set] = change.inode;
  else
    names.erase(change.set);
  const auto old = names.find(change.cleared);
  if (old != names.end() && old->second == change.inode) names.erase(old);
}

void CrashIo::change_names(NameChange change) {
  apply(names_, change);
  name_changes_.push_back(std::move(change));
}

std::unique_ptr<IoFile> CrashIo::open(const std::string& path) {
  call();
  if (std::exchange(fail_now_, false)) throw Error(fail_with_, "{}: told to fail", path);
  const auto it = names_.find(path);
  if (it == names_.end()) return nullptr;
  return std::make_unique<File>(*this, it->second, path);
}

std::unique_ptr<IoFile> CrashIo::create(const std::string& path) {
  call();
  if (std::exchange(fail_now_, false)) throw Error(fail_with_, "{}: told to fail", path);
  if (full_) throw Error(ENOSPC, "{}: the disk is full", path);
  if (names_.count(path)) throw Error(EEXIST, "{}", path);
  step([&] { change_names({path, std::make_shared<Inode>(), ""}); });
  return std::make_unique<File>(*this, names_[path], path);
}

void CrashIo::rename(const std::string& from, const std::string& to) {
  call();
  if (std::exchange(fail_now_, false)) throw Error(fail_with_, "{}: told to fail", from);
  if (!names_.count(from)) throw Error(ENOENT, "{}", from);
  step([&] { change_names({to, names_[from], from}); });
}

void CrashIo::remove(const std::string& path) {
  call();
  if (std::exchange(fail_now_, false)) throw Error(fail_with_, "{}: told to fail", path);
  if (!names_.count(path)) return;
  step([&] { change_names({path, nullptr, ""}); });
}

void CrashIo::sync_folder(const std::string& folder) {
  call();
  if (std::exchange(fail_now_, false)) {
    for (NameChange& change : name_changes_) change.lost = true;
    throw Error(fail_with_, "{}: told to fail", folder);
  }
  step([&] {
    std::vector<NameChange> still_lost;
    for (NameChange& change : name_changes_) {
      if (change.lost) {
        still_lost.push_back(std::move(change));
        continue;
      }
      apply(durable_names_, change);
      std::erase_if(still_lost, [&](const NameChange& old) {  // a later one of that name wins
        return old.set == change.set || old.set == change.cleared;
      });
    }
    name_changes_ = std::move(still_lost);
  });
}

/// Names are paths here: a folder is there as soon as something is in it.
void CrashIo::make_folder(const std::string& path) {
  call();
  if (std::exchange(fail_now_, false)) throw Error(fail_with_, "{}: told to fail", path);
  step([] {});
}

void CrashIo::remove_folder(const std::string& path) {
  call();
  if (std::exchange(fail_now_, false)) throw Error(fail_with_, "{}: told to fail", path);
  std::vector<std::string> inside;
  for (const auto& [name, inode] : names_) {
    if (name.starts_with(path + "/")) inside.push_back(name);
  }
  for (const std::string& name : inside) step([&] { change_names({name, nullptr, ""}); });
}

void CrashIo::random(std::span<std::byte> out) {
  for (std::byte& b : out) b = static_cast<std::byte>(dice_.next());
}

CrashIo::Names CrashIo::save() const {
  Names copy;
  for (const auto& [name, inode] : names_) {
    auto twin = std::make_shared<Inode>(*inode);
    twin->cache = std::make_shared<Bytes>(*inode->cache);
    copy[name] = std::move(twin);
  }
  return copy;
}

void CrashIo::restore(const Names& names) {
  CrashIo twin(0);
  twin.names_ = names;
  names_ = twin.save();
  durable_names_ = names_;
  name_changes_.clear();
  ++life_;
  ++boot_;
}

void CrashIo::flip_bit(const std::string& path, std::uint64_t bit) {
  Inode& inode = *names_.at(path);
  const auto mask = static_cast<std::byte>(1 << bit % 8);
  (*inode.cache)[bit / 8] ^= mask;
  inode.disk[bit / 8] ^= mask;
}

std::uint64_t CrashIo::file_bytes(const std::string& path) const { return names_.at(path)->size; }

bool CrashIo::has_unbacked_mapping() const {
  for (const auto& [name, inode] : names_)
    for (std::uint64_t s = 0; s < sectors_for(inode->mapped_bytes); ++s)
      if (!inode->room_for(s) && sector_of(*inode->cache, s) != Sector{}) return true;
  return false;
}

}  // namespace v2vfs::fs
