// SPDX-License-Identifier: MIT
#include "fs/confinement.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>

#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

constexpr int kSkip = 77;

/// In a process of its own, which it changes for good: what `body` returns.
int in_a_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int open_errno(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return errno;
  ::close(fd);
  return 0;
}

class Confinement : public ::testing::Test {
 protected:
  Confinement() {
    for (const char* const name : {"read", "write", "meet", "else"}) {
      ::mkdir(at(name).c_str(), 0700);
      std::ofstream(at(name) + "/file") << "content";
    }
  }
  std::string at(const std::string& name) const { return folder_.path() + "/" + name; }

  /// What open(2) says when only the three folders can be reached.
  int confined(const std::function<int()>& body) {
    const int result = in_a_child([&] {
      const bool there = confine({{at("read")}, {at("write"), at("gone")}, {at("meet")}});
      return there ? body() : kSkip;
    });
    return result;
  }

  const TemporaryFolder folder_;
};

// SEMANTICS: "Its process reaches the VM's disks as the mount shows them, its own folders"
TEST_F(Confinement, only_what_was_named_is_reached) {
  if (confined([] { return 0; }) == kSkip) GTEST_SKIP() << "Landlock";
  const auto opens = [this](const std::string& path, int flags) {
    return confined([&] { return open_errno(at(path), flags); });
  };
  EXPECT_EQ(opens("read/file", O_RDONLY), 0);
  EXPECT_EQ(opens("read/file", O_RDWR), EACCES);
  EXPECT_EQ(opens("read/new", O_RDWR | O_CREAT), EACCES);
  EXPECT_EQ(opens("write/file", O_RDWR | O_TRUNC), 0);
  EXPECT_EQ(opens("write/new", O_RDWR | O_CREAT), 0);
  EXPECT_EQ(opens("meet/file", O_RDONLY), EACCES);
  EXPECT_EQ(opens("else/file", O_RDONLY), EACCES);
  EXPECT_EQ(opens("write/../else/file", O_RDONLY), EACCES);
  EXPECT_EQ(confined([this] { return ::mkdir(at("meet/folder").c_str(), 0700) ? errno : 0; }), 0);
  EXPECT_EQ(confined([this] { return ::mkdir(at("else/folder").c_str(), 0700) ? errno : 0; }),
            EACCES);
  EXPECT_EQ(confined([this] { return ::unlink(at("else/file").c_str()) ? errno : 0; }), EACCES);
  EXPECT_EQ(confined([] { return open_errno("/etc/passwd", O_RDONLY); }), EACCES);
}

TEST_F(Confinement, what_is_executed_stays_confined) {
  const int status = confined(
      [this] { return in_a_child([this] { return open_errno(at("else/file"), O_RDONLY); }); });
  if (status == kSkip) GTEST_SKIP() << "Landlock";
  EXPECT_EQ(status, EACCES);
}

// SEMANTICS: "as root it keeps no capability but that over files"
TEST(Capabilities, of_root_are_those_over_files) {
  if (::geteuid() != 0) GTEST_SKIP() << "root";
  EXPECT_EQ(in_a_child([] {
              drop_capabilities();
              return ::setuid(65534) ? errno : 0;
            }),
            EPERM);
  // A program of root's would get its capabilities back.
  EXPECT_EQ(in_a_child([] {
              drop_capabilities();
              ::execl("/bin/sh", "sh", "-c",
                      "grep -q '^CapEff:.*0000000000000002$' /proc/self/status", nullptr);
              return 1;
            }),
            0);
}

}  // namespace
}  // namespace v2vfs::fs
