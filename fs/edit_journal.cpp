// SPDX-License-Identifier: MIT
#include "fs/edit_journal.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <span>

#include "inspect/base/digest.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kIndex = "index";
constexpr const char* kNewIndex = "index.new";
constexpr std::size_t kLargestIndex = 64 << 20;
constexpr std::size_t kMostApplied = 256;
/// One change writes at most so many contents.
constexpr std::uint64_t kMostOrphans = 8;

std::int64_t now_ns() {
  using std::chrono::nanoseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<nanoseconds>(now).count();
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// Nobody would notice if it were not there.
bool says_nothing(const JournalEntry& entry) {
  const bool there = entry.replaced.there || (entry.over_run && entry.over_there);
  return entry.wanted.kind == convert::EditKind::absent && !there;
}

std::set<std::uint64_t> slots_of(const EditIndex& index) {
  std::set<std::uint64_t> slots;
  for (const auto& [path, entry] : index.edits) {
    if (entry.content) slots.insert(entry.content->slot);
  }
  return slots;
}

}  // namespace

EditJournal::EditJournal(std::string folder, Io& io, Limits limits)
    : folder_(std::move(folder)), io_(io), limits_(limits) {
  try {
    load();
  } catch (const Error& error) {
    damage_ = error;
  }
}

/// A crash may have left a new index that is not in force, and contents that none names.
void EditJournal::load() {
  io_.remove(file(kNewIndex));
  if (const std::unique_ptr<IoFile> in = io_.open(file(kIndex))) {
    const std::uint64_t bytes = in->bytes();
    if (bytes > kLargestIndex) throw Error(EIO, "{}: the list of edits is damaged", file(kIndex));
    std::string text(bytes, '\0');
    text.resize(in->pread(0, std::as_writable_bytes(std::span(text))));
    index_ = parse_edit_index(text, file(kIndex));
  }
  const std::set<std::uint64_t> used = slots_of(index_);
  for (std::uint64_t slot = 0; slot < index_.slots + kMostOrphans; ++slot) {
    if (!used.contains(slot)) io_.remove(content_file(slot));
  }
  written_ = used;
}

std::string EditJournal::content_file(std::uint64_t slot) const {
  return file("content-" + std::to_string(slot));
}

std::optional<JournalEntry> EditJournal::find(const std::string& path) const {
  const std::lock_guard lock(mutex_);
  const auto found = index_.edits.find(path);
  if (found == index_.edits.end()) return std::nullopt;
  return found->second;
}

std::vector<JournalEntry> EditJournal::children(const std::string& folder) const {
  const std::string prefix = folder == "/" ? folder : folder + "/";
  const std::lock_guard lock(mutex_);
  std::vector<JournalEntry> found;
  for (auto it = index_.edits.lower_bound(prefix); it != index_.edits.end(); ++it) {
    if (!it->first.starts_with(prefix)) break;
    if (parent_of(it->first) == folder) found.push_back(it->second);
  }
  return found;
}

std::vector<JournalEntry> EditJournal::all() const {
  const std::lock_guard lock(mutex_);
  std::vector<JournalEntry> entries;
  for (const auto& [path, entry] : index_.edits) entries.push_back(entry);
  return entries;
}

std::vector<std::string> EditJournal::applied() const {
  const std::lock_guard lock(mutex_);
  return index_.applied;
}

std::optional<Error> EditJournal::damage() const {
  const std::lock_guard lock(mutex_);
  return damage_;
}

std::uint64_t EditJournal::generation() const {
  const std::lock_guard lock(mutex_);
  return generation_;
}

EditIndex EditJournal::copy() const {
  const std::lock_guard lock(mutex_);
  return index_;
}

/// A slot is only given anew once it is in no index, so what is open stays what it is.
std::string EditJournal::content(const JournalEntry& entry) const {
  std::unique_ptr<IoFile> in;
  {
    const std::lock_guard lock(mutex_);
    const auto found = index_.edits.find(entry.path);
    if (!entry.content || found == index_.edits.end() || found->second.content != entry.content) {
      throw Error(ENOENT, "this edit of {} is gone", clean_text(entry.path));
    }
    in = io_.open(content_file(entry.content->slot));
  }
  if (!in) throw Error(EIO, "{}: an edit is lost", content_file(entry.content->slot));
  return read_content(*in, *entry.content);
}

std::string EditJournal::read_content(IoFile& in, const KeptContent& kept) const {
  if (kept.bytes > convert::kLargestEdit) throw Error(EFBIG, "an edit is larger than 16 MiB");
  std::string text(kept.bytes, '\0');
  const std::size_t got = in.pread(0, std::as_writable_bytes(std::span(text)));
  if (got != text.size() || Digest().add(text).hex() != kept.sha256) {
    throw Error(EIO, "{}: an edit is damaged; `echo discard-edits > ctl` forgets all edits",
                content_file(kept.slot));
  }
  return text;
}

void EditJournal::save(std::vector<Change> changes) {
  const std::lock_guard lock(save_mutex_);
  if (const auto damaged = damage()) throw *damaged;
  if (poison_) throw *poison_;
  EditIndex index = copy();
  try {
    for (Change& change : changes) put(index, std::move(change));
    check_limits(index);
    commit(std::move(index));
  } catch (const Error&) {
    if (!poison_) remove_unused();
    throw;
  }
  remove_unused();
}

void EditJournal::put(EditIndex& index, Change change) {
  JournalEntry& entry = change.entry;
  const auto old = index.edits.find(entry.path);
  entry.run = entry.over_run = 0;
  entry.saved_ns = now_ns();
  if (old != index.edits.end()) {
    entry.replaced = old->second.replaced;
    entry.over_run = old->second.run ? old->second.run : old->second.over_run;
    entry.over_there = old->second.run ? old->second.wanted.kind != convert::EditKind::absent
                                       : old->second.over_there;
  }
  if (change.content) entry.content = write_content(index, *change.content);
  if (!entry.wanted.has_content) entry.content.reset();
  if (says_nothing(entry)) {
    if (old != index.edits.end()) index.edits.erase(old);
  } else {
    index.edits[entry.path] = std::move(entry);
  }
}

KeptContent EditJournal::write_content(EditIndex& index, const std::string& content) {
  if (content.size() > convert::kLargestEdit) {
    throw Error(EFBIG, "a file that is edited here has at most 16 MiB");
  }
  std::uint64_t kept = content.size();
  for (const auto& [path, entry] : index.edits) kept += entry.content ? entry.content->bytes : 0;
  if (kept > limits_.bytes) throw Error(ENOSPC, "the edits that wait take {} bytes", limits_.bytes);
  const std::uint64_t slot = free_slot();
  index.slots = std::max(index.slots, slot + 1);
  written_.insert(slot);
  write_file("content-" + std::to_string(slot), content);
  return {slot, content.size(), Digest().add(content).hex()};
}

std::uint64_t EditJournal::free_slot() const {
  std::uint64_t slot = 0;
  while (written_.contains(slot)) ++slot;
  return slot;
}

void EditJournal::check_limits(const EditIndex& index) const {
  if (index.edits.size() > limits_.edits) {
    throw Error(ENOSPC, "more than {} edits would wait", limits_.edits);
  }
  for (const auto& [path, entry] : index.edits) {
    std::size_t bytes = 0;
    for (const auto& xattr : entry.wanted.xattrs) bytes += xattr.name.size() + xattr.value.size();
    if (bytes > limits_.xattr_bytes) {
      throw Error(ENOSPC, "{}: too many extended attributes", clean_text(path));
    }
  }
}

/// A new file under that name, durable but for the name. Only contents that no index names, and an
/// index that is not in force, are written, so a failure has changed nothing.
void EditJournal::write_file(const std::string& name, std::string_view text) {
  io_.remove(file(name));
  const std::unique_ptr<IoFile> out = io_.create(file(name));
  if (!text.empty()) out->pwrite(0, std::as_bytes(std::span(text)));
  out->fdatasync();
}

/// What fails from the renaming on leaves the disk with one index or the other; which one, only the
/// next start can tell. Nothing is written any more, or contents that the disk's index names would
/// be.
void EditJournal::commit(EditIndex index) {
  io_.sync_folder(folder_);
  write_file(kNewIndex, to_text(index));
  try {
    io_.rename(file(kNewIndex), file(kIndex));
    io_.sync_folder(folder_);
  } catch (const Error& error) {
    poison_ = Error(EIO, "no edit can be saved until the next mount: {}", error.sentence());
    throw *poison_;
  }
  const std::lock_guard lock(mutex_);
  index_ = std::move(index);
  ++generation_;
}

/// Files that cannot be removed now are when the journal is opened next.
void EditJournal::remove_unused() {
  const std::set<std::uint64_t> used = slots_of(copy());
  for (auto it = written_.begin(); it != written_.end();) {
    if (used.contains(*it) || held_.contains(*it)) {
      ++it;
      continue;
    }
    try {
      io_.remove(content_file(*it));
      it = written_.erase(it);
    } catch (const Error&) {
      ++it;
    }
  }
}

std::vector<convert::GuestEdit> EditJournal::take(std::uint64_t run) {
  const std::lock_guard lock(save_mutex_);
  if (const auto damaged = damage()) throw *damaged;
  if (poison_) throw *poison_;
  EditIndex index = copy();
  std::vector<convert::GuestEdit> taken;
  for (auto& [path, entry] : index.edits) {
    if (entry.run == 0) entry.run = run;
    if (entry.run != run) continue;
    convert::GuestEdit edit{path, entry.wanted, entry.replaced, {}};
    if (const auto kept = entry.content) {
      held_[kept->slot] = run;
      edit.content = [this, kept] {
        const std::unique_ptr<IoFile> in = io_.open(content_file(kept->slot));
        if (!in) throw Error(EIO, "{}: an edit is lost", content_file(kept->slot));
        return read_content(*in, *kept);
      };
    }
    taken.push_back(std::move(edit));
  }
  if (!taken.empty()) commit(std::move(index));
  return taken;
}

void EditJournal::applied_by(std::uint64_t run) {
  const std::lock_guard lock(save_mutex_);
  if (poison_) throw *poison_;
  EditIndex index = copy();
  for (auto& [path, entry] : index.edits) {
    if (entry.run == run) {
      std::erase(index.applied, path);
      index.applied.push_back(path);
    } else if (entry.over_run == run) {
      entry.replaced = {};
      entry.replaced.there = entry.over_there;
      entry.over_run = 0;
    }
  }
  std::erase_if(index.edits, [&](const auto& item) {
    return item.second.run == run || says_nothing(item.second);
  });
  if (index.applied.size() > kMostApplied) {
    index.applied.erase(index.applied.begin(), index.applied.end() - kMostApplied);
  }
  end_run(run, std::move(index));
}

void EditJournal::release(std::uint64_t run) {
  const std::lock_guard lock(save_mutex_);
  if (poison_) throw *poison_;
  EditIndex index = copy();
  for (auto& [path, entry] : index.edits) {
    if (entry.run == run) entry.run = 0;
    if (entry.over_run == run) entry.over_run = 0;
  }
  std::erase_if(index.edits, [](const auto& item) { return says_nothing(item.second); });
  end_run(run, std::move(index));
}

void EditJournal::end_run(std::uint64_t run, EditIndex index) {
  commit(std::move(index));
  std::erase_if(held_, [&](const auto& item) { return item.second == run; });
  remove_unused();
}

std::set<std::uint64_t> EditJournal::open_runs() const {
  const std::lock_guard lock(mutex_);
  std::set<std::uint64_t> runs;
  for (const auto& [path, entry] : index_.edits) {
    if (entry.run) runs.insert(entry.run);
    if (entry.over_run) runs.insert(entry.over_run);
  }
  return runs;
}

void EditJournal::discard() {
  const std::lock_guard lock(save_mutex_);
  if (poison_) throw *poison_;
  if (!open_runs().empty()) throw Error(EBUSY, "edits are being applied");
  EditIndex index = copy();
  index.edits.clear();
  commit(std::move(index));
  {
    const std::lock_guard state_lock(mutex_);
    damage_.reset();
  }
  remove_unused();
}

}  // namespace v2vfs::fs
