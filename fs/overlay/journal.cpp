// SPDX-License-Identifier: MIT
#include "fs/overlay/journal.h"

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

std::string name_in(const std::string& folder) { return folder + "/journal"; }

}  // namespace

void Journal::make(Io& io, const std::string& folder, const Head& head, const StoreRules& rules) {
  auto file = io.create(name_in(folder));
  if (rules.preallocate) file->allocate(head.geometry.journal_bytes);
}

Journal::Journal(Io& io, const std::string& folder, const Head& head, const StoreRules& rules)
    : rules_(rules),
      file_(io.open(name_in(folder))),
      capacity_(head.geometry.journal_bytes / 2 / sizeof(JournalRecord)) {
  if (!file_)
    throw Error(
        EIO,
        "{}: not there; the store is damaged. Put the file back from a backup, or reset the VM",
        name_in(folder));
  // The room that was made at creation need not have outlived a power cut.
  if (rules.preallocate) file_->allocate(head.geometry.journal_bytes);
}

bool Journal::is_valid(const JournalRecord& record, std::uint64_t checkpoint) const {
  if (rules_.check_journal_crc && !is_sealed(record)) return false;
  return record.kind != RecordKind{} &&
         (record.checkpoint == checkpoint || !rules_.check_journal_checkpoint);
}

std::vector<JournalRecord> Journal::replay(std::uint64_t checkpoint) {
  std::vector<JournalRecord> copies[2];
  for (std::size_t i = 0; i < 2; ++i) {
    copies[i].resize(capacity_);
    const auto bytes = std::as_writable_bytes(std::span(copies[i]));
    file_->pread(i * bytes.size(), bytes);
  }
  std::vector<JournalRecord>& records = copies[0];
  for (used_ = 0; used_ < capacity_; ++used_) {
    if (is_valid(records[used_], checkpoint)) continue;
    if (!rules_.mirror_journal || !is_valid(copies[1][used_], checkpoint)) break;
    records[used_] = copies[1][used_];
  }
  records.resize(used_);
  return std::move(records);
}

void Journal::append(std::span<JournalRecord> records, std::uint64_t checkpoint) {
  for (JournalRecord& record : records) {
    record.checkpoint = checkpoint;
    seal(record);
  }
  const std::uint64_t offset = used_ * sizeof(JournalRecord);
  file_->pwrite(offset, std::as_bytes(records));
  file_->pwrite(capacity_ * sizeof(JournalRecord) + offset, std::as_bytes(records));
  if (rules_.sync_journal) file_->fdatasync();
  used_ += records.size();
}

}  // namespace v2vfs::fs
