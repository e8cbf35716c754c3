// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/pull.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/domain_file.h"
#include "mount-helpers/ctl/each_vm.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/human.h"
#include "mount-helpers/ctl/libvirt_host.h"
#include "mount-helpers/ctl/progress.h"
#include "mount-helpers/ctl/target_folder.h"
#include "mount-helpers/ctl/vm_status.h"
#include "mount-helpers/ctl/waiting.h"

namespace v2vfs::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenLooks{300};

LibvirtDomain running_domain(const LibvirtHost& host, const Place& vm) {
  const std::string xml = read_text_of(vm, vm.folder() + "/domain.xml");
  std::optional<LibvirtDomain> domain = host.find(parse_domain(xml).uuid);
  if (!domain || !domain->is_active()) {
    throw Error(ENOENT,
                "{} does not run in libvirt. What does not run is copied by: v2vfsctl export "
                "{} DEST",
                vm.vm, vm.folder());
  }
  if (!domain->is_persistent()) {
    throw Error(
        EOPNOTSUPP,
        "{} runs without a definition, so nothing would say where its disks are at its next "
        "start. Define it first: v2vfsctl define {}",
        vm.vm, vm.folder());
  }
  return *domain;
}

class Pull {
 public:
  Pull(const LibvirtHost& host, LibvirtDomain domain, const Place& vm,
       const std::string& destination, bool quiet);
  ~Pull();

  void run();
  std::size_t disks() const { return disks_.size(); }

 private:
  struct Disk {
    std::string target, from, to;
    bool started = false, moved = false;
  };
  void start();
  bool all_are_same();
  void wait();
  void move();
  void redefine();

  const LibvirtHost& host_;
  LibvirtDomain domain_;
  const Place vm_;
  const TargetFolder target_;
  std::vector<Disk> disks_;
  ProgressLine line_;
  const steady_clock::time_point started_ = steady_clock::now();
};

std::vector<std::string> disk_files(const Place& vm) {
  std::vector<std::string> files;
  for (const DiskStatus& disk : read_vm_status(vm.mountpoint, vm.vm).disks) {
    files.push_back(disk.file);
  }
  return files;
}

Pull::Pull(const LibvirtHost& host, LibvirtDomain domain, const Place& vm,
           const std::string& destination, bool quiet)
    : host_(host),
      domain_(std::move(domain)),
      vm_(vm),
      target_(destination, vm, disk_files(vm)),
      line_(quiet) {
  for (const DomainDisk& disk : parse_domain(domain_.running_xml()).disks) {
    if (!disk.file.starts_with(vm.folder() + "/")) continue;
    const std::string name = disk.file.substr(vm.folder().size() + 1);
    disks_.push_back({disk.target, disk.file, target_.file(name)});
  }
  if (disks_.empty()) {
    throw Error(ENOENT, "{} runs, but none of its disks is in {}: there is nothing to copy", vm.vm,
                vm.mountpoint);
  }
}

/// What did not come to its end leaves no half of a disk, and the machine where it was.
Pull::~Pull() {
  for (const Disk& disk : disks_) {
    if (!disk.started || disk.moved) continue;
    domain_.stop_copy(disk.target);
    ::unlink(disk.to.c_str());
  }
}

void Pull::start() {
  for (Disk& disk : disks_) {
    domain_.start_copy(disk.target, disk.to);
    disk.started = true;
  }
}

bool Pull::all_are_same() {
  Progress progress{
      vm_.vm, 0, 0, 0,
      std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - started_)};
  bool all = true;
  for (const Disk& disk : disks_) {
    const auto state = domain_.copy_state(disk.target);
    if (!state) {
      throw Error(
          EIO,
          "the copy of {} ended before it was whole; the log of libvirt says why. {} runs on "
          "as before",
          disk.target, vm_.vm);
    }
    all &= state->both_are_same;
    progress.done_bytes += state->done_bytes;
    progress.total_bytes += state->total_bytes;
  }
  line_.show(progress);
  return all;
}

void Pull::wait() {
  while (!all_are_same()) {
    if (interrupted()) {
      throw Error(EINTR, "interrupted; {} runs on from the mount, and its copy is removed", vm_.vm);
    }
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

void Pull::move() {
  for (Disk& disk : disks_) {
    while (!domain_.pivot(disk.target)) std::this_thread::sleep_for(kBetweenLooks);
    disk.moved = true;
  }
}

/// Also when only some of its disks have moved: then the definition says so.
void Pull::redefine() {
  std::map<std::string, std::string> moved;
  for (const Disk& disk : disks_) {
    if (disk.moved) moved[disk.from] = disk.to;
  }
  if (moved.empty()) return;
  const auto file_for = [&](const std::string& file) -> std::optional<std::string> {
    const auto found = moved.find(file);
    return found == moved.end() ? std::nullopt : std::optional(found->second);
  };
  host_.define(with_disk_files(domain_.saved_xml(), file_for));
}

void Pull::run() {
  start();
  wait();
  try {
    move();
  } catch (const Error&) {
    redefine();
    throw;
  }
  redefine();
  line_.clear();
}

}  // namespace

int pull_vm(const PullOptions& options) {
  catch_interrupts();
  const Place vm = find_vm(options.vm);
  const LibvirtHost host(options.uri);
  LibvirtDomain domain = running_domain(host, vm);
  const std::string destination = absolute_destination(options.destination);
  const MadeFolder made(destination);
  Pull pull(host, domain, vm, destination, options.quiet);
  pull.run();
  if (!options.quiet) {
    std::printf("%s: runs on %s in %s/%s now, and does not need the mount any more\n",
                vm.vm.c_str(), pull.disks() == 1 ? "its disk" : "its disks", destination.c_str(),
                vm.vm.c_str());
  }
  return exit_ok;
}

}  // namespace v2vfs::ctl
