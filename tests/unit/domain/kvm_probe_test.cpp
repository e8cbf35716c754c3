// SPDX-License-Identifier: MIT
#include "convert/domain/kvm_probe.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "tests/unit/domain/scratch_folder.h"

namespace v2vfs::convert {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

const auto never = [] { return false; };

/// A probe whose QEMU is a shell script.
KvmProbe probe_with(const ScratchFolder& folder, const std::string& script) {
  KvmProbe probe;
  probe.qemu = folder.write_program("qemu", script);
  probe.kernel = "/kernel";
  probe.time_limit = milliseconds(700);
  return probe;
}

TEST(KvmProbe, the_version_line_is_enough) {
  const ScratchFolder folder;
  const KvmProbe probe = probe_with(folder,
                                    "printf 'Booting\\nLinux ver'; sleep 0.1;"
                                    "printf 'sion 6.1.0\\n'; sleep 100\n");
  EXPECT_EQ(kernel_starts(probe, never), true);
}

TEST(KvmProbe, silence_is_a_failure_at_the_time_limit) {
  const ScratchFolder folder;
  const auto start = Clock::now();
  EXPECT_EQ(kernel_starts(probe_with(folder, "echo SeaBIOS; sleep 100\n"), never), false);
  EXPECT_GE(Clock::now() - start, milliseconds(700));
  EXPECT_LT(Clock::now() - start, milliseconds(3000));
}

TEST(KvmProbe, endless_noise_is_a_failure_too) {
  const ScratchFolder folder;
  EXPECT_EQ(kernel_starts(probe_with(folder, "yes noise\n"), never), false);
}

TEST(KvmProbe, a_qemu_that_ends_is_a_failure) {
  const ScratchFolder folder;
  EXPECT_EQ(kernel_starts(probe_with(folder, "exit 1\n"), never), false);
}

TEST(KvmProbe, no_qemu_says_nothing) {
  KvmProbe probe;
  probe.qemu = "/nonexistent/qemu";
  EXPECT_EQ(kernel_starts(probe, never), std::nullopt);
}

TEST(KvmProbe, stop_ends_it_at_once_and_says_nothing) {
  const ScratchFolder folder;
  KvmProbe probe = probe_with(folder, "sleep 100\n");
  probe.time_limit = milliseconds(60000);
  const auto start = Clock::now();
  EXPECT_EQ(kernel_starts(probe, [] { return true; }), std::nullopt);
  EXPECT_LT(Clock::now() - start, milliseconds(3000));
}

TEST(KvmProbe, qemu_is_gone_afterwards) {
  const ScratchFolder folder;
  const std::string pid_file = folder.path() + "/pid";
  kernel_starts(probe_with(folder, "echo $$ >" + pid_file + "; exec sleep 100\n"), never);
  pid_t pid = 0;
  std::ifstream(pid_file) >> pid;
  ASSERT_GT(pid, 0);
  // Killed with its group; reaping an orphan is init's and may take a moment.
  for (int i = 0; i < 50 && ::kill(pid, 0) == 0; ++i) std::this_thread::sleep_for(milliseconds(20));
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  stat >> number >> name >> state;
  EXPECT_TRUE(state.empty() || state == "Z") << state;
}

TEST(KvmProbe, child_inherits_no_descriptor) {
  const ScratchFolder folder;
  const int leaked = ::dup(0);  // without O_CLOEXEC
  const std::string list = folder.path() + "/list";
  kernel_starts(probe_with(folder, "ls /proc/self/fd >" + list + "; echo 'Linux version '\n"),
                never);
  ::close(leaked);
  std::ifstream in(list);
  std::vector<int> open;
  for (int fd = 0; in >> fd;) open.push_back(fd);
  EXPECT_EQ(open, (std::vector<int>{0, 1, 2, 3}));  // 3: the folder that ls(1) lists
}

TEST(KvmProbe, a_real_kernel_is_seen_under_tcg) {
  KvmProbe probe;
  const auto kernel = newest_host_kernel();
  if (!kernel) GTEST_SKIP() << "needs a readable /boot/vmlinuz-* with its modules";
  if (::access("/usr/bin/qemu-system-x86_64", X_OK) != 0) GTEST_SKIP() << "needs qemu-system-x86";
  probe.kernel = *kernel;
  probe.accel = "tcg";
  probe.time_limit = milliseconds(60000);
  EXPECT_EQ(kernel_starts(probe, never), true);
}

TEST(KvmProbe, outcome_is_remembered_for_one_boot) {
  const ScratchFolder folder;
  EXPECT_EQ(remembered_probe(folder.path(), "boot-1"), std::nullopt);
  remember_probe(folder.path(), "boot-1", true);
  EXPECT_EQ(remembered_probe(folder.path(), "boot-1"), true);
  EXPECT_EQ(remembered_probe(folder.path(), "boot-2"), std::nullopt);
  remember_probe(folder.path(), "boot-2", false);
  EXPECT_EQ(remembered_probe(folder.path(), "boot-2"), false);
  EXPECT_EQ(remembered_probe(folder.path(), "boot-1"), std::nullopt);
}

TEST(KvmProbe, a_torn_memory_is_none) {
  const ScratchFolder folder;
  for (const char* text : {"", "boot-1", "boot-1 wor", " works"}) {
    folder.write("kvm-probe", text);
    EXPECT_EQ(remembered_probe(folder.path(), "boot-1"), std::nullopt) << text;
  }
  folder.write("kvm-probe", " works\n");
  EXPECT_EQ(remembered_probe(folder.path(), ""), std::nullopt);
}

TEST(HostKernel, is_the_newest_that_has_modules) {
  const ScratchFolder folder;
  EXPECT_EQ(newest_host_kernel(folder.path(), folder.path()), std::nullopt);
  for (const char* version : {"6.1.0-9-amd64", "6.1.0-10-amd64", "7.0"}) {
    folder.write(std::string("boot/vmlinuz-") + version, "");
  }
  folder.write("modules/6.1.0-9-amd64/x", "");
  folder.write("modules/6.1.0-10-amd64/x", "");
  EXPECT_EQ(newest_host_kernel(folder.path() + "/boot", folder.path() + "/modules"),
            folder.path() + "/boot/vmlinuz-6.1.0-10-amd64");
}

}  // namespace
}  // namespace v2vfs::convert
