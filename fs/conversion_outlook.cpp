// SPDX-License-Identifier: MIT
#include "fs/conversion_outlook.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "convert/guest/linux_traces.h"
#include "fs/durable_file.h"
#include "fs/guest_bytes.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kRecordFile = "conversion";

/// What cannot be read decides nothing: the guest is looked at again.
std::optional<std::string> read_record(const std::string& folder) try {
  return read_small_file(folder, kRecordFile);
} catch (const Error& e) {
  log::warning("{}", e.sentence());
  return std::nullopt;
}

/// A disk that cannot be served holds nothing for anybody; of one that cannot be read here nobody
/// knows.
bool may_hold_linux(Disk& disk) try {
  if (!disk.failure().empty()) return false;
  GuestBytes bytes(
      [&](std::uint64_t offset, std::span<std::byte> out) {
        if (disk.read(offset, out) != out.size())
          throw Error(EIO, "the file is shorter than it was");
      },
      disk.bytes());
  return convert::may_hold_linux(
      {bytes.bytes(),
       [&](std::uint64_t offset, std::span<std::byte> out) { bytes.read(offset, out); }});
} catch (const Error& e) {
  log::info("{} is left to the appliance: {}", disk.file_name(), e.sentence());
  return true;
}

}  // namespace

void ConversionOutlook::attach(const StateFolder& folder, std::string key, Disks disks) {
  const std::optional<std::string> text = read_record(folder.path());
  const std::lock_guard lock(mutex_);
  folder_ = folder;
  key_ = std::move(key);
  disks_ = std::move(disks);
  record_ = text ? conversion_record_from_json(*text, key_) : ConversionRecord{};
  may_hold_linux_.reset();
}

void ConversionOutlook::forget() {
  const std::lock_guard lock(mutex_);
  if (folder_) remove_durably(folder_->path(), kRecordFile);
  record_ = {};
  may_hold_linux_.reset();
}

ConversionRecord ConversionOutlook::record() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

void ConversionOutlook::change(const std::function<void(ConversionRecord&)>& change) {
  const std::lock_guard lock(mutex_);
  ConversionRecord next = record_;
  change(next);
  if (next == record_) return;
  if (folder_) {
    write_durably(folder_->to_write_in(), kRecordFile, conversion_record_to_json(next, key_));
  }
  record_ = std::move(next);
}

void ConversionOutlook::decide(ConversionRecord::Decision decision, const std::string& conversion) {
  change([&](ConversionRecord& record) {
    record.decision = decision;
    record.conversion = conversion;
    if (decision == ConversionRecord::Decision::serve) record.promised = false;
  });
}

void ConversionOutlook::promise() {
  change([](ConversionRecord& record) { record.promised = true; });
}

/// Nobody holds the lock meanwhile: a disk may take its time.
bool ConversionOutlook::look() {
  Disks disks;
  {
    const std::lock_guard lock(mutex_);
    if (may_hold_linux_) return *may_hold_linux_;
    disks = disks_;
  }
  const bool found =
      std::ranges::any_of(disks, [](const auto& disk) { return fs::may_hold_linux(*disk); });
  const std::lock_guard lock(mutex_);
  if (disks == disks_) may_hold_linux_ = found;
  return found;
}

void ConversionOutlook::when_known(std::function<void(bool)> then) {
  if (!glances_) return then(true);
  glances_->add([this, then = std::move(then)] { then(look()); });
}

std::optional<bool> ConversionOutlook::may_hold_linux_as_known() const {
  const std::lock_guard lock(mutex_);
  return may_hold_linux_;
}

bool ConversionOutlook::may_hold_linux() {
  if (!glances_) return true;
  const std::lock_guard lock(mutex_);
  if (may_hold_linux_) return *may_hold_linux_;
  if (!looking_) {
    looking_ = std::make_shared<Event>();
    when_known([this](bool) {
      std::shared_ptr<Event> done;
      {
        const std::lock_guard again(mutex_);
        done = std::exchange(looking_, nullptr);
      }
      done->happen();
    });
  }
  throw NotYet{looking_};
}

}  // namespace v2vfs::fs
