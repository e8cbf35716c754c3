// SPDX-License-Identifier: MIT
#include "convert/guest/thread_sandbox.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::convert {
namespace {

// Rights by the version of Landlock that brought them; headers of Debian 12 know the first two.
constexpr std::uint64_t kRightsOfAbi1 = (1ULL << 13) - 1;
constexpr std::uint64_t kRefer = 1ULL << 13;
constexpr std::uint64_t kTruncate = 1ULL << 14;
constexpr std::uint64_t kReadAndRun =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;

void allow(int rules, const std::string& path, std::uint64_t rights) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return;  // what is not there needs no rule
  const landlock_path_beneath_attr rule{rights, fd.get()};
  if (::syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    throw errno_error("a sandbox for " + path);
  }
}

void restrict_files(const std::string& folder) {
  const long abi =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (abi < 1) return;
  std::uint64_t rights = kRightsOfAbi1;
  if (abi >= 2) rights |= kRefer;
  if (abi >= 3) rights |= kTruncate;
  const landlock_ruleset_attr attributes{rights};
  const UniqueFd rules(
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
  if (!rules) throw errno_error("a sandbox");
  for (const char* const path : {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"}) {
    allow(rules.get(), path, kReadAndRun);
  }
  allow(rules.get(), "/etc/ld.so.cache", LANDLOCK_ACCESS_FS_READ_FILE);
  allow(rules.get(), "/dev/null",
        rights & (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate));
  allow(rules.get(), folder, rights);
  if (::syscall(SYS_landlock_restrict_self, rules.get(), 0) != 0) throw errno_error("a sandbox");
}

/// root's programs would get all capabilities again that the bounding set has.
void drop_capabilities() {
  for (unsigned long number = 0; number <= CAP_LAST_CAP; ++number) {
    if (::prctl(PR_CAPBSET_DROP, number, 0, 0, 0) != 0 && errno == EPERM) return;  // not root
  }
}

#if defined(__x86_64__) || defined(__aarch64__)
#ifdef __x86_64__
constexpr std::uint32_t kArch = AUDIT_ARCH_X86_64;
constexpr std::uint32_t kForeignCalls = 0x40000000;  // x32's
#else
constexpr std::uint32_t kArch = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t kForeignCalls = 0x80000000;
#endif

constexpr std::uint32_t kFchmodat2 = 452;  // Linux 6.6

constexpr std::uint32_t kDenied[] = {
    // talking
    SYS_socket,
    SYS_socketpair,
    SYS_io_uring_setup,
    SYS_keyctl,
    SYS_add_key,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_mq_open,
    SYS_shmget,
    SYS_msgget,
    SYS_semget,
    // other processes of the same user
    SYS_kill,
    SYS_tkill,
    SYS_tgkill,
    SYS_rt_sigqueueinfo,
    SYS_rt_tgsigqueueinfo,
    SYS_pidfd_send_signal,
    SYS_pidfd_getfd,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_prlimit64,
    SYS_setpriority,
    SYS_sched_setaffinity,
    SYS_sched_setscheduler,
    // what Landlock does not look at
    SYS_truncate,
    SYS_fchmod,
    SYS_fchmodat,
    kFchmodat2,
    SYS_fchown,
    SYS_fchownat,
    SYS_utimensat,
    SYS_setxattr,
    SYS_lsetxattr,
    SYS_fsetxattr,
    SYS_removexattr,
    SYS_lremovexattr,
    SYS_fremovexattr,
#ifdef __x86_64__
    SYS_chmod,
    SYS_chown,
    SYS_lchown,
    SYS_utime,
    SYS_utimes,
    SYS_futimesat,
#endif
};

/// A denied call fails with EPERM; on an architecture that is not ours every call does.
void restrict_calls() {
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kArch, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kForeignCalls, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)};
  for (const std::uint32_t call : kDenied) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) != 0 && errno != EINVAL) {
    throw errno_error("a sandbox");
  }
}
#else
void restrict_calls() {}
#endif

}  // namespace

void restrict_this_thread(const std::string& folder) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) throw errno_error("a sandbox");
  restrict_files(folder);
  drop_capabilities();
  restrict_calls();
}

}  // namespace v2vfs::convert
