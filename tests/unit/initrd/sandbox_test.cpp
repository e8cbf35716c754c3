// SPDX-License-Identifier: MIT
#include "convert/guest/sandboxed_command.h"

#include <gtest/gtest.h>
#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "inspect/base/error.h"
#include "tests/support/scratch.h"

namespace v2vfs::convert {
namespace {

bool has_landlock() {
  return ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

class Sandbox : public ::testing::Test {
 protected:
  CommandResult run(const std::string& program, const std::vector<std::string>& arguments) {
    return run_sandboxed(program, arguments, inside_.path());
  }
  /// A shell's script; the shell is only the test's.
  CommandResult script(const std::string& text) { return run("sh", {"-c", text}); }

  test::Scratch inside_;
  test::Scratch outside_;
};

TEST_F(Sandbox, gives_output_errors_and_status) {
  const CommandResult result = script("echo out; echo err >&2; exit 7");
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.errors, "err\n");
  EXPECT_EQ(script("kill -9 $$; exit 0").status, 0);  // signals are denied
}

TEST_F(Sandbox, writes_in_its_folder_and_has_nothing_of_ours) {
  ::setenv("V2VFS_SECRET", "x", 1);
  const CommandResult result = script("echo text > file; cat file; pwd; env; ls /proc/self/fd");
  EXPECT_TRUE(result.output.starts_with("text\n" + inside_.path() + "\n")) << result.output;
  EXPECT_EQ(result.output.find("V2VFS_SECRET"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(inside_.file("file")));
}

TEST_F(Sandbox, neither_reads_nor_writes_elsewhere) {
  if (!has_landlock()) GTEST_SKIP() << "Landlock";
  std::ofstream(outside_.file("secret")) << "secret";
  EXPECT_EQ(script("cat " + outside_.file("secret")).output, "");
  EXPECT_NE(script("echo x > " + outside_.file("new")).status, 0);
  EXPECT_NE(script("rm " + outside_.file("secret")).status, 0);
  EXPECT_NE(script("cat /etc/passwd").status, 0);
  EXPECT_FALSE(std::filesystem::exists(outside_.file("new")));
}

TEST_F(Sandbox, changes_no_attributes_and_cannot_talk) {
  std::ofstream(outside_.file("file")) << "x";
  EXPECT_NE(script("chmod 777 " + outside_.file("file")).status, 0);
  EXPECT_NE(script("touch -d 2001-01-01 " + outside_.file("file")).status, 0);
  EXPECT_NE(run("python3", {"-c", "import socket; socket.socket()"}).status, 0);
  EXPECT_EQ(run("python3", {"-c", "print(1)"}).output, "1\n");
}

TEST_F(Sandbox, has_no_capabilities) {
  if (::geteuid() != 0) GTEST_SKIP() << "root";
  EXPECT_NE(script("chroot / true").status, 0);
  EXPECT_NE(script("mount -t tmpfs none " + inside_.path()).status, 0);
}

TEST_F(Sandbox, is_bounded) {
  EXPECT_NE(script("head -c 300M /dev/zero > large || exit 1").status, 0);
  EXPECT_LE(std::filesystem::exists(inside_.file("large"))
                ? std::filesystem::file_size(inside_.file("large"))
                : 0,
            256u << 20);
}

TEST_F(Sandbox, names_a_program_that_is_missing) {
  try {
    run("no-such-program", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ENOPKG);
  }
}

}  // namespace
}  // namespace v2vfs::convert
