// SPDX-License-Identifier: MIT
#include "fs/overlay/checkpoint_map.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr std::array<const char*, 2> kSlotNames = {"/map.A", "/map.B"};
constexpr const char* kWayOut =
    "; the store is damaged. Put the file back from a backup, or reset the VM";

std::uint64_t page_offset(std::uint64_t index) { return kMapPagesStart + index * kMapPageBytes; }

std::uint64_t slot_bytes(std::uint64_t blocks) {
  return page_offset(ceil_div(blocks, kBlocksPerMapPage));
}

std::uint64_t pages_in(IoFile& file) {
  const std::uint64_t bytes = file.bytes();
  return bytes <= kMapPagesStart ? 0 : (bytes - kMapPagesStart) / kMapPageBytes;
}

bool is_blank(const MapPage& page) {
  const auto bytes = bytes_of(page);
  return bytes[0] == std::byte{0} && std::memcmp(&bytes[0], &bytes[1], bytes.size() - 1) == 0;
}

void make_slot(Io& io, const std::string& name, const MapHeader& header, std::uint64_t blocks,
               const StoreRules& rules) {
  auto file = io.create(name);
  if (rules.preallocate) file->allocate(slot_bytes(blocks));
  for (std::uint64_t copy = 0; copy < kMapHeaderCopies; ++copy)
    file->pwrite(copy * kMapPageBytes, bytes_of(header));
  if (rules.sync_new_map) file->fdatasync();
}

}  // namespace

MapHeader CheckpointMap::header_of(const Head& head, std::uint64_t checkpoint,
                                   const Extent& extent) {
  MapHeader header{};
  header.magic = kMapMagic;
  header.version = kFormatVersion;
  header.uuid = head.uuid;
  header.checkpoint = checkpoint;
  header.extent = extent;
  return header;
}

void CheckpointMap::make(Io& io, const std::string& folder, const Head& head,
                         const StoreRules& rules) {
  const std::uint64_t blocks = ceil_div(head.base_bytes, head.geometry.block_bytes) + 1;
  for (std::size_t i = 0; i < kSlotNames.size(); ++i) {
    MapHeader header = header_of(head, kSlotNames.size() - i, {head.base_bytes, head.base_bytes});
    seal(header);
    make_slot(io, folder + kSlotNames[i], header, blocks, rules);
  }
}

CheckpointMap::CheckpointMap(Io& io, const std::string& folder, const Head& head,
                             const StoreRules& rules)
    : rules_(rules), head_(head) {
  std::array<MapHeader, 2> headers{};
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].name = folder + kSlotNames[i];
    slots_[i].file = io.open(slots_[i].name);
    if (!slots_[i].file) throw Error(EIO, "{}: not there{}", slots_[i].name, kWayOut);
    newest_header(slots_[i], headers[i]);
  }
  current_ = headers[1].checkpoint > headers[0].checkpoint ? 1 : 0;
  load(slots_[current_], headers[current_]);
}

// Either copy will do: a write of the header that was torn leaves one of them, and so does a
// flipped bit. A slot with neither is damage, for it could have been the one that counts.
std::uint64_t CheckpointMap::newest_header(Slot& slot, MapHeader& newest) const {
  const std::uint64_t copies = rules_.mirror_map_header ? kMapHeaderCopies : 1;
  bool found = false;
  for (std::uint64_t copy = 0; copy < copies; ++copy) {
    MapHeader header{};
    if (slot.file->pread(copy * kMapPageBytes, writable_bytes_of(header)) != sizeof header)
      continue;
    if (header.magic != kMapMagic || header.version != kFormatVersion ||
        header.uuid != head_.uuid || (rules_.check_map_header_crc && !is_sealed(header)))
      continue;
    if (found && header.checkpoint <= newest.checkpoint) continue;
    newest = header;
    found = true;
  }
  if (!found) throw file_error(EIO, slot.name, 0, std::string("no valid header") + kWayOut);
  return newest.checkpoint;
}

void CheckpointMap::load(Slot& slot, const MapHeader& header) {
  checkpoint_ = header.checkpoint;
  extent_ = header.extent;
  const std::uint64_t limit = ceil_div(head_.geometry.max_blocks(), kBlocksPerMapPage);
  const std::uint64_t count = std::min(pages_in(*slot.file), limit);
  auto page = std::make_unique<MapPage>();
  for (std::uint64_t i = 0; i < count; ++i) {
    if (slot.file->pread(page_offset(i), writable_bytes_of(*page)) != kMapPageBytes) break;
    if (is_blank(*page)) continue;
    if (rules_.check_map_page_crc && (page->index != i || !is_sealed(*page)))
      throw file_error(EIO, slot.name, page_offset(i),
                       std::string("a page has a wrong checksum") + kWayOut);
    page_for(i) = *page;
  }
  if (rules_.check_map_page_crc && used_pages() != header.used_pages)
    throw file_error(EIO, slot.name, 0, std::string("pages are missing") + kWayOut);
  // An unfinished checkpoint may have left anything in the other slot: all of it is written anew.
  Slot& other = slots_[1 - current_];
  if (rules_.first_write_renews_slot) mark_used_stale(other, limit, *page);
  for (std::uint64_t i = 0; i < pages_.size(); ++i)
    if (pages_[i]) mark_stale(i);
  slot.stale.clear();
}

void CheckpointMap::mark_used_stale(Slot& slot, std::uint64_t limit, MapPage& buffer) const {
  slot.stale.assign(std::min(pages_in(*slot.file), limit), false);
  for (std::uint64_t i = 0; i < slot.stale.size(); ++i) {
    const std::size_t got = slot.file->pread(page_offset(i), writable_bytes_of(buffer));
    slot.stale[i] = got != kMapPageBytes || !is_blank(buffer);
  }
}

MapPage& CheckpointMap::page_for(std::uint64_t index) {
  if (index >= pages_.size()) pages_.resize(index + 1);
  if (!pages_[index]) pages_[index] = std::make_unique<MapPage>(MapPage{});
  return *pages_[index];
}

void CheckpointMap::mark_stale(std::uint64_t page) {
  for (Slot& slot : slots_) {
    if (slot.stale.size() <= page) slot.stale.resize(page + 1);
    slot.stale[page] = true;
  }
}

std::uint64_t CheckpointMap::word(std::uint64_t index) const {
  const std::uint64_t page = index / kMapPageWords;
  if (page >= pages_.size() || !pages_[page]) return 0;
  return pages_[page]->words[index % kMapPageWords];
}

void CheckpointMap::set_word(std::uint64_t index, std::uint64_t value) {
  if (word(index) == value) return;
  const std::uint64_t page = index / kMapPageWords;
  page_for(page).words[index % kMapPageWords] = value;
  mark_stale(page);
}

void CheckpointMap::set(const BlockRun& run) {
  const std::uint64_t end = run.first + run.count;
  for (std::uint64_t block = run.first; block < end; ++block) {
    const unsigned shift = 2 * (block % kBlocksPerWord);
    const std::uint64_t old = word(block / kBlocksPerWord);
    const std::uint64_t bits = static_cast<std::uint64_t>(run.state) << shift;
    set_word(block / kBlocksPerWord, (old & ~(3ULL << shift)) | bits);
  }
}

void CheckpointMap::reserve(std::uint64_t blocks) {
  if (!rules_.preallocate) return;
  for (Slot& slot : slots_) slot.file->allocate(slot_bytes(blocks + 1));
}

void CheckpointMap::write() {
  const std::size_t target = rules_.alternate_slots ? 1 - current_ : current_;
  Slot& slot = slots_[target];
  MapHeader header = header_of(head_, checkpoint_ + 1, extent_);
  header.used_pages = used_pages();
  seal(header);

  if (!rules_.map_pages_before_header) {
    write_header(slot, header);
    slot.file->fdatasync();
  }
  write_pages(slot);
  if (rules_.sync_map_pages) slot.file->fdatasync();
  if (rules_.map_pages_before_header) write_header(slot, header);
  if (rules_.sync_map_header) slot.file->fdatasync();
  slot.stale.clear();
  current_ = target;
  ++checkpoint_;
}

std::uint64_t CheckpointMap::used_pages() const {
  return static_cast<std::uint64_t>(std::count_if(
      pages_.begin(), pages_.end(), [](const auto& page) { return page && !is_blank(*page); }));
}

void CheckpointMap::write_pages(Slot& slot) {
  constexpr MapPage kBlank{};
  for (std::uint64_t i = 0; i < slot.stale.size(); ++i) {
    if (!slot.stale[i]) continue;
    MapPage* page = i < pages_.size() ? pages_[i].get() : nullptr;
    if (page) {
      page->index = i;
      seal(*page);
    }
    slot.file->pwrite(page_offset(i), bytes_of(page ? *page : kBlank));
  }
}

void CheckpointMap::write_header(Slot& slot, const MapHeader& header) {
  for (std::uint64_t copy = 0; copy < kMapHeaderCopies; ++copy)
    slot.file->pwrite(copy * kMapPageBytes, bytes_of(header));
}

}  // namespace v2vfs::fs
