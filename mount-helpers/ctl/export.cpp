// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/export.h"

#include <fmt/core.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/export_vm.h"
#include "mount-helpers/ctl/human.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

using std::chrono::steady_clock;

std::uint64_t free_bytes(const std::string& folder) {
  struct statvfs status {};
  if (::statvfs(folder.c_str(), &status) != 0) throw errno_error(folder);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

/// Before anything is written, as far as that can be known: others write to that disk, too.
void check_space(const std::string& destination, std::uint64_t needed) {
  const std::uint64_t free = free_bytes(destination);
  if (free >= needed) return;
  throw Error(ENOSPC, "{} has {} free, and {} are needed: make room, or choose another DEST",
              destination, bytes_text(free), bytes_text(needed));
}

/// What a full disk is to a person.
[[noreturn]] void throw_full(const Error& e, const std::string& destination) {
  throw Error(
      e.error_number(),
      "{}: {} is full. What was copied is kept as .part: make room and run the same command "
      "again, it goes on there",
      e.sentence(), destination);
}

void run_one(const Place& vm, VmExport& job, ExportRun& shared, const std::string& destination) {
  const auto start = steady_clock::now();
  const std::uint64_t done = shared.counters.done_bytes, skipped = shared.counters.skipped_bytes;
  try {
    job.run(shared);
  } catch (const Error& e) {
    shared.line.clear();
    if (e.error_number() == ENOSPC || e.error_number() == EDQUOT) throw_full(e, destination);
    throw;
  }
  shared.line.clear();
  if (shared.quiet) return;
  const std::chrono::duration<double> seconds = steady_clock::now() - start;
  const std::uint64_t copied = shared.counters.done_bytes - done;
  const std::uint64_t there = shared.counters.skipped_bytes - skipped;
  std::printf("%s: %s in %.1f s%s%s -> %s/%s/domain.xml\n", vm.vm.c_str(),
              bytes_text(shared.verify ? copied / 2 : copied).c_str(), seconds.count(),
              there ? fmt::format(", of which {} were there", bytes_text(there)).c_str() : "",
              shared.verify ? ", read again and found right" : "", destination.c_str(),
              vm.vm.c_str());
  std::fflush(stdout);
}

struct Job {
  Place vm;
  std::unique_ptr<VmExport> work;
};

/// All that can be refused is refused before the first byte is copied.
std::vector<Job> prepare(const std::vector<Place>& vms, const std::string& destination,
                         ExportRun& shared) {
  std::vector<Job> jobs;
  std::uint64_t needed = 0;
  for (const Place& vm : vms) {
    for (const Job& other : jobs) {
      if (other.vm.vm == vm.vm) {
        throw Error(EINVAL, "{} and {} would both be {}/{}: copy one of them elsewhere",
                    other.vm.folder(), vm.folder(), destination, vm.vm);
      }
    }
    jobs.push_back({vm, std::make_unique<VmExport>(vm, destination)});
    shared.total_bytes += jobs.back().work->data_bytes();
    needed += jobs.back().work->missing_bytes();
  }
  check_space(destination, needed);
  if (shared.verify) shared.total_bytes *= 2;
  return jobs;
}

}  // namespace

int export_vms(const ExportOptions& options) {
  if (options.words.size() < 2) {
    throw Error(EINVAL,
                "name the VMs, or a mount for all in it, and then the folder to copy them to");
  }
  if (options.words.back().empty()) throw Error(EINVAL, "the folder to copy to has no name");
  catch_interrupts();
  const std::vector<Place> vms = places_of({options.words.begin(), options.words.end() - 1});
  const std::string destination = absolute_destination(options.words.back());
  const MadeFolder made(destination);
  ExportRun shared(options.quiet);
  shared.verify = options.verify;
  std::vector<Job> jobs = prepare(vms, destination, shared);
  auto job = jobs.begin();
  return for_each_vm(vms,
                     [&](const Place& vm) { run_one(vm, *(job++)->work, shared, destination); });
}

}  // namespace v2vfs::ctl
