// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cerrno>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"

// Making a store, and finding out what is true when one is opened.
//
// A store exists once `head` does; all else is durable before. At open the durable map is the newer
// slot plus the journal records that carry its number. Then:
//   `live` of this boot   The process died (or left), the page cache lives: the live map is true,
//   and
//                         knows more than the durable one. The data it speaks of is synced, then
//                         kept.
//   none, or another boot The power was cut: the durable map is all there is, and a new live map
//   says so.
// Either way a checkpoint follows, so that the journal begins empty: a record of a torn barrier
// that lies behind the torn place can never come alive behind new ones. All of it can be cut off at
// any point and done again.
namespace v2vfs::fs {
namespace {

constexpr std::array<const char*, 7> kFilesButHead = {"/head.tmp", "/data", "/map.A",   "/map.B",
                                                      "/journal",  "/live", "/live.tmp"};

void write_head(Io& io, const std::string& folder, const Head& head, const StoreRules& rules) {
  const std::string unfinished = folder + "/head.tmp";
  auto file = io.create(unfinished);
  file->pwrite(0, encode_head(head));
  if (rules.sync_head_before_name) file->fdatasync();
  io.rename(unfinished, folder + "/head");
}

std::unique_ptr<IoFile> open_data(Io& io, const std::string& folder) {
  auto file = io.open(folder + "/data");
  if (!file)
    throw Error(EIO,
                "{}/data: not there; the store is damaged. Put the file back from a backup, or "
                "reset the VM",
                folder);
  return file;
}

}  // namespace

std::optional<Head> JournaledStore::read_head(Io& io, const std::string& folder,
                                              const StoreRules& rules) {
  const std::string name = folder + "/head";
  auto file = io.open(name);
  if (!file) return std::nullopt;
  std::vector<std::byte> bytes(file->bytes());
  bytes.resize(file->pread(0, bytes));
  return decode_head(bytes, name, rules);
}

std::unique_ptr<JournaledStore> JournaledStore::create(Io& io, const std::string& folder,
                                                       std::shared_ptr<BaseImage> base,
                                                       const OverlayIdentity& identity,
                                                       const StoreGeometry& geometry,
                                                       const StoreRules& rules) {
  if (io.open(folder + "/head")) throw Error(EEXIST, "{}: there is an overlay already", folder);
  for (const char* name : kFilesButHead)
    io.remove(folder + name);  // of a create() that was cut off
  Head head;
  io.random(head.uuid);
  head.geometry = geometry;
  head.base_bytes = base->bytes();
  head.identity = identity;
  if (head.base_bytes > geometry.max_bytes)
    throw Error(EFBIG, "{}: an overlay holds no more than 64 TiB", folder);

  io.create(folder + "/data");
  CheckpointMap::make(io, folder, head, rules);
  Journal::make(io, folder, head, rules);
  if (rules.sync_folder_before_head) io.sync_folder(folder);
  write_head(io, folder, head, rules);
  try {
    return open(io, folder, std::move(base), rules);
  } catch (const std::exception&) {
    // After a failed fsync a later one proves nothing (R8): the name goes, so that all is made
    // anew.
    if (rules.unmake_failed_store) io.remove(folder + "/head");
    throw;
  }
}

std::unique_ptr<JournaledStore> JournaledStore::open(Io& io, const std::string& folder,
                                                     std::shared_ptr<BaseImage> base,
                                                     const StoreRules& rules) {
  std::optional<Head> head = read_head(io, folder, rules);
  if (!head) return nullptr;
  // The process that made the store may have died before its name was durable.
  if (rules.sync_folder_at_open) io.sync_folder(folder);
  if (head->base_bytes != base->bytes())
    throw Error(ESTALE,
                "{}: made over a file of {} bytes, but it has {} now; put the source back or "
                "reset the VM",
                folder, head->base_bytes, base->bytes());
  return std::unique_ptr<JournaledStore>(
      new JournaledStore(io, folder, std::move(base), std::move(*head), rules));
}

JournaledStore::JournaledStore(Io& io, const std::string& folder, std::shared_ptr<BaseImage> base,
                               Head head, const StoreRules& rules)
    : rules_(rules),
      folder_(folder),
      base_(std::move(base)),
      head_(std::move(head)),
      io_(io),
      data_(open_data(io, folder)),
      durable_(io, folder, head_, rules),
      journal_(io, folder, head_, rules) {
  replay();
  live_ = LiveMap::attach(io_, folder_, head_, rules_);
  const bool same_boot = live_ != nullptr;
  if (!same_boot) live_ = LiveMap::make(io_, folder_, head_, durable_, rules_);
  if (live_->is_poisoned()) {
    poison_ = live_->poison();
    poisoned_ = true;
  } else {
    settle(same_boot);
  }
  count_allocated();
}

// R5
void JournaledStore::replay() {
  for (const JournalRecord& r : journal_.replay(durable_.checkpoint())) {
    const std::uint64_t limit =
        r.kind == RecordKind::extent ? head_.geometry.max_bytes : head_.geometry.max_blocks();
    const bool sane = r.kind == RecordKind::extent
                          ? r.first <= limit && r.count <= r.first
                          : r.kind <= RecordKind::hole && range_fits(r.first, r.count, limit);
    if (!sane)
      throw Error(EIO,
                  "{}/journal: a record that makes no sense; the store is damaged. Put the file "
                  "back from a backup, or reset the VM",
                  folder_);
    if (r.kind == RecordKind::extent)
      durable_.set_extent({r.first, r.count});
    else
      durable_.set({r.first, r.count,
                    r.kind == RecordKind::present ? BlockState::present : BlockState::hole});
  }
}

void JournaledStore::settle(bool same_boot) {
  if (rules_.cut_off_at_open) cut_off();  // the rest of a shrink, or of a write past the end
  durable_.reserve(blocks_for(live_->bytes()));
  try {
    keep(same_boot);
  } catch (const Error& error) {
    set_poison(error.sentence());  // R8: the next open of this boot could take clean for durable
  }
}

void JournaledStore::keep(bool same_boot) {
  if (same_boot) {
    if (rules_.sync_data_at_open) data_->fdatasync();
    const std::uint64_t words = ceil_div(live_->covered_blocks(), kBlocksPerWord);
    for (std::uint64_t i = 0; i < words; ++i) durable_.set_word(i, live_->word(i));
    durable_.set_extent(live_->extent());
  }
  if (!same_boot && !rules_.checkpoint_at_open) return;
  if (rules_.sync_slot_at_open) durable_.sync();
  durable_.write();
  journal_.reset();
}

}  // namespace v2vfs::fs
