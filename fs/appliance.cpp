// SPDX-License-Identifier: MIT
#include "fs/appliance.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "convert/domain/kvm_probe.h"

namespace v2vfs::fs {
namespace {

namespace stdfs = std::filesystem;

constexpr int kDeathMilliseconds = 10'000;
constexpr int kObituaryMilliseconds = 1000;
constexpr const char* kRunPrefix = "appliance-";

void make_private_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw errno_error(path);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) throw errno_error(path);
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 0022) != 0) {
    throw Error(EPERM, "{} is not a folder of this user alone: remove it", path);
  }
}

std::string make_run_folder(const std::string& work_folder) {
  make_private_folder(work_folder);
  std::string path = work_folder + "/" + kRunPrefix + "XXXXXX";
  if (!::mkdtemp(path.data())) throw errno_error(path);
  return path;
}

void expect_kernel(const ApplianceSetup& setup) {
  if (convert::newest_host_kernel(setup.boot_folder, setup.modules_folder)) return;
  throw Error(
      ENOPKG,
      "the appliance that reads guests cannot start: {} has no readable kernel with modules in {}. "
      "Install linux-image-cloud-amd64 (or linux-image-amd64)",
      setup.boot_folder, setup.modules_folder);
}

}  // namespace

Appliance::Appliance(const ApplianceSetup& setup, inspect::GuestSettings settings) {
  expect_kernel(setup);
  make_private_folder(setup.cache_folder);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw errno_error("starting the appliance: a socket pair");
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  folder_ = make_run_folder(setup.work_folder);
  settings.cache_folder = setup.cache_folder;
  settings.temporary_folder = folder_;
  try {
    start(setup, theirs.get());
  } catch (...) {
    std::error_code ignored;
    stdfs::remove_all(folder_, ignored);
    throw;
  }
  client_.emplace(std::move(ours), std::move(settings), setup.limits,
                  static_cast<inspect::GuestPeer&>(*this));
}

void Appliance::start(const ApplianceSetup& setup, int socket) {
  ChildSetup child;
  child.program = setup.program;
  child.arguments = {"v2vfs", kApplianceCommand};
  // supermin unpacks archives with tar; as root tar would give files the owners that the archives
  // name, for which the confined process has no capability.
  child.environment = {"HOME=" + folder_, "TMPDIR=" + folder_, "TAR_OPTIONS=--no-same-owner"};
  child.files = {socket};
  process_.emplace(child);
}

Appliance::~Appliance() {
  process_->kill();
  process_->wait_for_death(kDeathMilliseconds);
  std::error_code ignored;
  stdfs::remove_all(folder_, ignored);
}

void Appliance::end(const Error& why) {
  const std::scoped_lock lock(mutex_);
  if (!ended_) ended_ = why;
  process_->kill();
}

bool Appliance::usable() const {
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return false;
  }
  return !process_->wait_for_death(0);
}

Error Appliance::bury(const Error& why) {
  end(why);
  const std::string words = process_->last_words();
  if (words.empty()) return why;
  return {why.error_number(), why.sentence() + "; " + words};
}

Error Appliance::obituary() {
  process_->wait_for_death(kObituaryMilliseconds);
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return *ended_;
  }
  const std::string words = process_->last_words();
  return {EIO, fmt::format("the appliance that read the guest ended unexpectedly ({}){}{}",
                           process_->death(), words.empty() ? "" : ": ", words)};
}

}  // namespace v2vfs::fs
