// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/export_vm.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "inspect/base/digest.h"
#include "inspect/base/error.h"
#include "mount-helpers/ctl/domain_file.h"
#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/processes.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kHeadBytes = 8 << 20;
constexpr int kMostReopenings = 3;
constexpr std::chrono::seconds kBetweenChecks{1};

std::vector<std::string> names_of(const std::vector<DiskStatus>& disks) {
  std::vector<std::string> names;
  for (const DiskStatus& disk : disks) names.push_back(disk.file);
  return names;
}

/// 0 where there is no such file.
std::uint64_t allocated_bytes(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

struct stat stat_of(int fd, const std::string& name) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw errno_error(name);
  return status;
}

std::string head_digest(int fd, std::uint64_t bytes) {
  std::vector<std::byte> head(std::min(kHeadBytes, bytes));
  Digest digest;
  for (std::size_t at = 0; at < head.size();) {
    const ssize_t got = ::pread(fd, head.data() + at, head.size() - at, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw errno_error(got < 0 ? errno : ESTALE, "reading the disk's header");
    at += static_cast<std::size_t>(got);
  }
  return digest.add(head).hex();
}

/// The first access to content, for which edits are applied and the like; the middle of the file is
/// neither in the part that programs look at nor in the tail (SEMANTICS.md). 0, or an errno.
int bind(int fd, std::uint64_t bytes) {
  char byte = 0;
  return ::pread(fd, &byte, 1, static_cast<off_t>(bytes / 2)) < 0 ? errno : 0;
}

void refuse_writers(const Place& vm, const VmStatus& status) {
  const std::vector<pid_t> writers = status.writers();
  if (writers.empty()) return;
  throw Error(EBUSY,
              "{}: {} writes to its disks, and a copy would be a mixture. Shut it down, or copy it "
              "while it runs: v2vfsctl pull {} DEST",
              vm.vm, processes_text(writers), vm.folder());
}

VmStatus status_to_copy(const Place& vm) {
  VmStatus status = read_vm_status(vm.mountpoint, vm.vm);
  refuse_writers(vm, status);
  if (status.state == "unusable" || status.state == "stale" || status.state == "failed") {
    throw_failure_of(vm, vm.vm + " cannot be copied", EIO);
  }
  if (status.integrity == "damaged") {
    std::fprintf(stderr, "v2vfsctl: %s: its source is damaged, and so is the copy: %s\n",
                 vm.vm.c_str(), status.integrity_what.c_str());
  }
  return status;
}

}  // namespace

VmExport::VmExport(const Place& vm, const std::string& destination)
    : vm_(vm), status_(status_to_copy(vm)), target_(destination, vm, names_of(status_.disks)) {
  for (const DiskStatus& disk : status_.disks) {
    const std::uint64_t bytes = allocated_bytes(vm.folder() + "/" + disk.file);
    const std::uint64_t there = std::max(allocated_bytes(target_.part(disk.file)),
                                         allocated_bytes(target_.file(disk.file)));
    data_bytes_ += bytes;
    missing_bytes_ += bytes > there ? bytes - there : 0;
  }
}

/// Nobody holds off who wants to write meanwhile; but what they do is seen.
void VmExport::check_unchanged() {
  status_ = read_vm_status(vm_.mountpoint, vm_.vm);
  refuse_writers(vm_, status_);
  if (is_bound_ && status_.written_bytes() != written_before_) {
    throw Error(EBUSY, "{}: somebody wrote to its disks while they were copied; run it again",
                vm_.vm);
  }
}

void VmExport::tick(const std::string& what, ExportRun& shared) {
  if (interrupted()) {
    throw Error(EINTR, "interrupted; the same command goes on where it stopped");
  }
  if (const auto now = steady_clock::now(); now - last_check_ > kBetweenChecks) {
    check_unchanged();
    last_check_ = now;
  }
  shared.line.show({vm_.vm + "/" + what, shared.counters.done_bytes, shared.total_bytes,
                    shared.counters.skipped_bytes,
                    std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() -
                                                                          shared.started)});
}

/// A handle that was there before the disk changed its shape is of no use (ESTALE).
UniqueFd VmExport::open_source(const DiskStatus& disk, bool quiet) {
  const std::string path = vm_.folder() + "/" + disk.file;
  const Waiting waiting(vm_, "its disks are made ready", quiet);
  for (int i = 0;; ++i) {
    UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) throw_failure_of(vm_, "cannot open " + path, errno);
    const int error_number =
        bind(file.get(), static_cast<std::uint64_t>(stat_of(file.get(), path).st_size));
    if (error_number == 0) return file;
    if (error_number != ESTALE || i == kMostReopenings) {
      throw_failure_of(vm_, "cannot read " + path, error_number);
    }
  }
}

UniqueFd VmExport::open_part(const std::string& name, mode_t permissions) const {
  // All of a VM's disks were whole when an earlier run was stopped while it gave them their names.
  if (::access(target_.file(name).c_str(), F_OK) == 0) {
    target_.rename(target_.file(name), target_.part(name));
  }
  UniqueFd part(::open(target_.part(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, permissions));
  if (!part) throw errno_error(target_.part(name));
  return part;
}

void VmExport::copy_disk(const DiskStatus& disk, ExportRun& shared) {
  const UniqueFd from = open_source(disk, shared.quiet);
  if (!is_bound_) {
    written_before_ = read_vm_status(vm_.mountpoint, vm_.vm).written_bytes();
    is_bound_ = true;
  }
  const struct stat status = stat_of(from.get(), disk.file);
  const auto bytes = static_cast<std::uint64_t>(status.st_size);
  const DiskIdentity identity{bytes, status.st_mtim.tv_sec * 1'000'000'000 + status.st_mtim.tv_nsec,
                              written_before_, head_digest(from.get(), bytes)};
  const UniqueFd to = open_part(disk.file, status.st_mode & 0777);
  auto record = PartRecord::open(target_.record(disk.file), identity);
  const bool resumed = record.has_value();
  if (!resumed) {
    if (::ftruncate(to.get(), 0) != 0) throw errno_error(target_.part(disk.file));
    record.emplace(target_.record(disk.file), identity);
  }
  DiskCopy copy({vm_.folder() + "/" + disk.file, target_.part(disk.file), from.get(), to.get()},
                bytes, *record, {resumed, written_before_ == 0}, shared.counters);
  copy.run([&] { tick(disk.file, shared); });
  if (shared.verify) copy.verify([&] { tick(disk.file + " again", shared); });
}

void VmExport::run(ExportRun& shared) {
  for (const DiskStatus& disk : std::vector(status_.disks)) copy_disk(disk, shared);
  check_unchanged();
  finish();
}

/// Whoever finds domain.xml finds all of it.
void VmExport::finish() {
  const std::vector<std::string> names = names_of(status_.disks);
  const std::string domain = with_disk_files(read_text_of(vm_, vm_.folder() + "/domain.xml"),
                                             moved_to(target_.path(), vm_.vm, names));
  for (const std::string& name : names) target_.rename(target_.part(name), target_.file(name));
  target_.sync();
  target_.write_text("domain.xml", domain);
  // Whether that is durable is of no matter: with records or without, it is whole.
  for (const std::string& name : names) ::unlink(target_.record(name).c_str());
}

}  // namespace v2vfs::ctl
