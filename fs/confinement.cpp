// SPDX-License-Identifier: MIT
#include "fs/confinement.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {
namespace {

// linux/landlock.h of Debian 12 ends at version 2 of the interface; these are the kernel's numbers.
constexpr long kCreateRuleset = 444;
constexpr long kAddRule = 445;
constexpr long kRestrictSelf = 446;
constexpr unsigned kAskVersion = 1;
constexpr unsigned kPathBeneath = 1;

constexpr std::uint64_t kExecute = 1 << 0;
constexpr std::uint64_t kWriteFile = 1 << 1;
constexpr std::uint64_t kReadFile = 1 << 2;
constexpr std::uint64_t kReadDir = 1 << 3;
constexpr std::uint64_t kRemoveDir = 1 << 4;
constexpr std::uint64_t kRemoveFile = 1 << 5;
constexpr std::uint64_t kMakeDir = 1 << 7;
constexpr std::uint64_t kMakeReg = 1 << 8;
constexpr std::uint64_t kMakeSock = 1 << 9;
constexpr std::uint64_t kMakeFifo = 1 << 10;
constexpr std::uint64_t kMakeSym = 1 << 12;
constexpr std::uint64_t kAllOfVersion1 = (1 << 13) - 1;  // devices are made nowhere
constexpr std::uint64_t kRefer = 1 << 13;                // version 2
constexpr std::uint64_t kTruncate = 1 << 14;             // version 3
constexpr std::uint64_t kAllNetwork = 3;                 // version 4: bind and connect of TCP
constexpr std::uint64_t kAllScopes = 3;                  // version 6: abstract sockets, signals

constexpr std::uint64_t kRead = kExecute | kReadFile | kReadDir;
constexpr std::uint64_t kWrite = kRead | kWriteFile | kRemoveDir | kRemoveFile | kMakeDir |
                                 kMakeReg | kMakeSock | kMakeFifo | kMakeSym | kRefer | kTruncate;
constexpr std::uint64_t kRendezvous = kReadDir | kRemoveDir | kRemoveFile | kMakeDir | kMakeSock;
constexpr std::uint64_t kOfFiles = kExecute | kWriteFile | kReadFile | kTruncate;

struct RulesetAttr {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};

struct PathBeneathAttr {
  std::uint64_t allowed_access;
  std::int32_t parent_fd;
} __attribute__((packed));

/// The kernel takes no right that it does not know.
RulesetAttr ruleset_of(long version) {
  RulesetAttr attr{kAllOfVersion1, 0, 0};
  if (version >= 2) attr.handled_access_fs |= kRefer;
  if (version >= 3) attr.handled_access_fs |= kTruncate;
  if (version >= 4) attr.handled_access_net = kAllNetwork;
  if (version >= 6) attr.scoped = kAllScopes;
  return attr;
}

std::size_t size_of_ruleset(long version) {
  if (version >= 6) return sizeof(RulesetAttr);
  return version >= 4 ? offsetof(RulesetAttr, scoped) : offsetof(RulesetAttr, handled_access_net);
}

void allow(int ruleset, const std::string& path, std::uint64_t access) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat st {};
  if (!fd || ::fstat(fd.get(), &st) != 0) return;
  if (!S_ISDIR(st.st_mode)) access &= kOfFiles;
  const PathBeneathAttr rule{access, fd.get()};
  if (::syscall(kAddRule, ruleset, kPathBeneath, &rule, 0) != 0) {
    throw errno_error("confining the appliance's process to " + path);
  }
}

}  // namespace

bool confine(const Reach& reach) {
  const long version = ::syscall(kCreateRuleset, nullptr, 0, kAskVersion);
  if (version < 1) return false;
  const RulesetAttr attr = ruleset_of(version);
  const UniqueFd ruleset(
      static_cast<int>(::syscall(kCreateRuleset, &attr, size_of_ruleset(version), 0)));
  if (!ruleset) throw errno_error("confining the appliance's process");
  const std::uint64_t known = attr.handled_access_fs;
  for (const std::string& path : reach.read) allow(ruleset.get(), path, kRead & known);
  for (const std::string& path : reach.write) allow(ruleset.get(), path, kWrite & known);
  for (const std::string& path : reach.rendezvous) allow(ruleset.get(), path, kRendezvous & known);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::syscall(kRestrictSelf, ruleset.get(), 0) != 0) {
    throw errno_error("confining the appliance's process");
  }
  return true;
}

void drop_capabilities() {
  // A program of root that is executed gets what the bounding set has.
  for (int cap = 0; ::prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; ++cap) {
    if (cap != CAP_DAC_OVERRIDE) ::prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) throw errno_error("capabilities");
  data[0].effective &= CAP_TO_MASK(CAP_DAC_OVERRIDE);
  data[0].permitted &= CAP_TO_MASK(CAP_DAC_OVERRIDE);
  data[0].inheritable = 0;
  data[1] = {};
  if (::syscall(SYS_capset, &header, data.data()) != 0) throw errno_error("capabilities");
}

}  // namespace v2vfs::fs
