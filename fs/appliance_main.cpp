// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <thread>

#include "fs/appliance.h"
#include "fs/confinement.h"
#include "fs/options.h"
#include "inspect/guest/guest_server.h"
#include "inspect/guest/guestfs_guest.h"

namespace v2vfs::fs {
namespace {

constexpr int kSocketFd = 3;
constexpr rlim_t kMostFiles = 1024;
constexpr rlim_t kMiB = 1 << 20;
constexpr rlim_t kRoomBesideMemory = 8192 * kMiB;  // qemu's code buffer, libraries, stacks
// What a read-only run may write beside the disks: supermin's image (4 GiB, sparse), replayed logs.
constexpr rlim_t kMostFileBytes = 16'384 * kMiB;
constexpr const char* kOomScore = "800";  // of 1000: before anybody else on the host

bool is_socket(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

void limit(int resource, rlim_t most) {
  rlimit limits{};
  if (::getrlimit(static_cast<__rlimit_resource_t>(resource), &limits) != 0) return;
  limits.rlim_cur = std::min(most, limits.rlim_max);
  limits.rlim_max = limits.rlim_cur;
  ::setrlimit(static_cast<__rlimit_resource_t>(resource), &limits);
}

/// Nothing of it is taken back when another program is executed.
void bind_to_daemon() {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getpgrp() != ::getpid()) ::setpgid(0, 0);  // kill(0) below is about us alone
  ::signal(SIGPIPE, SIG_IGN);
  ::umask(077);
  ::fcntl(kSocketFd, F_SETFD, FD_CLOEXEC);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, kMostFiles);
  std::ofstream("/proc/self/oom_score_adj") << kOomScore;
}

/// The daemon is gone: end qemu too, at once. PDEATHSIG above is for the case that this process is
/// stopped; then libguestfs's own watcher ends qemu.
void end_with_daemon() {
  pollfd peer{kSocketFd, 0, 0};  // POLLHUP comes unasked
  while (::poll(&peer, 1, -1) <= 0 || !(peer.revents & (POLLHUP | POLLERR))) {
  }
  ::kill(0, SIGKILL);
}

/// What libguestfs, supermin and qemu need, the disks, and this run's own folders. All of /etc and
/// /usr, because supermin puts files of the host's packages into the appliance. For root libguestfs
/// has its sockets in /tmp.
Reach reach_of(const inspect::GuestSettings& settings) {
  Reach reach;
  reach.read = {"/usr",  "/bin",  "/sbin", "/lib",          "/lib32",       "/lib64",     "/etc",
                "/boot", "/proc", "/sys",  "/var/lib/dpkg", "/dev/urandom", "/dev/random"};
  reach.write = {settings.temporary_folder,
                 settings.cache_folder,
                 "/dev/null",
                 "/dev/zero",
                 "/dev/kvm",
                 "/dev/ptmx"};
  reach.rendezvous = {"/tmp"};
  for (const inspect::GuestDisk& disk : settings.disks) {
    (disk.writable ? reach.write : reach.read).push_back(disk.path);
  }
  return reach;
}

std::unique_ptr<inspect::Guest> start_guest(const inspect::GuestSettings& settings,
                                            const inspect::GuestAlive& alive) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  limit(RLIMIT_AS, settings.memory_mib * kMiB + kRoomBesideMemory);
#endif
  const bool writes = std::any_of(settings.disks.begin(), settings.disks.end(),
                                  [](const inspect::GuestDisk& disk) { return disk.writable; });
  if (!writes) limit(RLIMIT_FSIZE, kMostFileBytes);
  confine(reach_of(settings));
  drop_capabilities();
  return std::make_unique<inspect::GuestfsGuest>(settings, alive);
}

}  // namespace

int run_appliance() {
  if (!is_socket(kSocketFd)) {
    std::fputs("v2vfs: --appliance is what v2vfs starts itself\n", stderr);
    return exit_usage;
  }
  bind_to_daemon();
  std::thread(end_with_daemon).detach();
  int code = exit_ok;
  try {
    inspect::serve_guest(UniqueFd(::fcntl(kSocketFd, F_DUPFD_CLOEXEC, kSocketFd + 1)), start_guest);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "v2vfs: %s\n", e.what());
    code = exit_internal;
  }
  ::fflush(stderr);
  ::_exit(code);  // the other thread is not waited for
}

}  // namespace v2vfs::fs
