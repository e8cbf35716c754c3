// SPDX-License-Identifier: MIT
#include "fs/appliance.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/support/scratch.h"

namespace v2vfs::fs {
namespace {

using namespace std::chrono_literals;
namespace stdfs = std::filesystem;

/// Appliances that are shell scripts: what the process is given, and what becomes of it.
class ApplianceTest : public testing::Test {
 protected:
  ApplianceTest() {
    setup_.work_folder = scratch_.file("run");
    setup_.cache_folder = scratch_.file("cache");
    setup_.program = scratch_.file("program");
    setup_.limits = {500ms, 10s};
    setup_.boot_folder = scratch_.file("boot");
    setup_.modules_folder = scratch_.file("modules");
    stdfs::create_directories(setup_.boot_folder);
    stdfs::create_directories(setup_.modules_folder + "/6.1");
    std::ofstream(setup_.boot_folder + "/vmlinuz-6.1") << "kernel";
  }

  void program(const std::string& script) {
    std::ofstream(setup_.program) << "#!/bin/sh\n" << script;
    ::chmod(setup_.program.c_str(), 0700);
  }
  Error failure(Appliance& appliance) {
    try {
      appliance.guest().storage();
    } catch (const Error& e) {
      return e;
    }
    return {0, "no error"};
  }
  Error failure() {
    Appliance appliance(setup_, {});
    return failure(appliance);
  }
  static std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static bool comes_true(const std::function<bool()>& what) {
    for (int i = 0; i < 500 && !what(); ++i) std::this_thread::sleep_for(10ms);
    return what();
  }
  bool contains(const Error& e, const std::string& words) {
    return e.sentence().find(words) != std::string::npos;
  }

  test::Scratch scratch_;
  ApplianceSetup setup_;
};

TEST_F(ApplianceTest, inherits_nothing_but_its_socket) {
  const UniqueFd low(::open("/dev/null", O_RDONLY));  // not close-on-exec, as libraries leave them
  const UniqueFd high(::fcntl(low.get(), F_DUPFD, 77));
  ::setenv("LIBGUESTFS_HV", "/evil", 1);
  const std::string out = scratch_.file("out");
  program("{ for fd in /proc/$$/fd/*; do echo ${fd##*/}; done; env; pwd; } >" + out + "; exit 7\n");
  const Error e = failure();
  ::unsetenv("LIBGUESTFS_HV");
  EXPECT_EQ(e.error_number(), EIO);
  EXPECT_TRUE(contains(e, "exit code 7")) << e.sentence();
  const std::string seen = content(out);
  EXPECT_EQ(seen.find("\n77\n"), std::string::npos) << seen;
  EXPECT_NE(seen.find("\n3\n"), std::string::npos) << seen;
  EXPECT_EQ(seen.find("evil"), std::string::npos);
  EXPECT_NE(seen.find("TMPDIR=" + setup_.work_folder + "/appliance-"), std::string::npos);
  EXPECT_TRUE(seen.ends_with("\n/\n")) << seen;
}

TEST_F(ApplianceTest, says_how_it_died_and_what_it_said) {
  program("echo 'assertion failed: \033[31mred' >&2; kill -SEGV $$\n");
  const Error e = failure();
  EXPECT_EQ(e.error_number(), EIO);
  EXPECT_TRUE(contains(e, "signal 11")) << e.sentence();
  EXPECT_TRUE(contains(e, "assertion failed")) << e.sentence();
  EXPECT_EQ(e.sentence().find('\033'), std::string::npos);
}

TEST_F(ApplianceTest, keeps_little_of_what_is_said) {
  program("yes complaint | head -c 1000000 >&2; exit 1\n");
  setup_.limits.silence = 10s;
  EXPECT_LT(failure().sentence().size(), 3000U);
}

// SEMANTICS: "is killed with all that it started, and what needed it fails"
TEST_F(ApplianceTest, ends_all_that_hangs) {
  const std::string out = scratch_.file("pids");
  program("sleep 1000 & echo $! $$ >" + out + "; echo hung >&2; sleep 1000\n");
  Appliance appliance(setup_, {});
  const Error e = failure(appliance);
  EXPECT_EQ(e.error_number(), ETIMEDOUT);
  EXPECT_TRUE(contains(e, "hung")) << e.sentence();
  EXPECT_FALSE(appliance.usable());
  std::ifstream in(out);
  pid_t sleeper = 0;
  in >> sleeper;
  ASSERT_GT(sleeper, 1);
  // Nobody may have reaped it: dead or a zombie.
  EXPECT_TRUE(comes_true([&] {
    const std::string stat = content("/proc/" + std::to_string(sleeper) + "/stat");
    return stat.empty() || stat.find(") Z ") != std::string::npos;
  }));
}

TEST_F(ApplianceTest, is_ended_while_stopped) {
  program("kill -STOP $$\n");
  EXPECT_EQ(failure().error_number(), ETIMEDOUT);
}

TEST_F(ApplianceTest, is_ended_by_another_thread_with_its_reason) {
  program("sleep 1000\n");
  setup_.limits.silence = 1h;
  Appliance appliance(setup_, {});
  std::thread other([&] {
    std::this_thread::sleep_for(50ms);
    appliance.end(Error(EBUSY, "a writer came"));
  });
  const Error e = failure(appliance);
  other.join();
  EXPECT_EQ(e.error_number(), EBUSY);
  EXPECT_EQ(e.sentence(), "a writer came");
}

TEST_F(ApplianceTest, ends_one_that_talks_nonsense) {
  program("head -c 100000 /dev/urandom >&3; sleep 1000\n");
  const Error e = failure();
  EXPECT_EQ(e.error_number(), EIO);
  EXPECT_TRUE(contains(e, "nonsense")) << e.sentence();
}

TEST_F(ApplianceTest, leaves_no_process_and_no_folder) {
  program("sleep 1000\n");
  auto appliance = std::make_unique<Appliance>(setup_, inspect::GuestSettings{});
  const pid_t pid = appliance->pid();
  EXPECT_TRUE(appliance->usable());
  appliance.reset();
  EXPECT_EQ(::kill(pid, 0), -1);
  EXPECT_TRUE(stdfs::is_empty(setup_.work_folder));
}

// SEMANTICS: "linux-image-cloud-amd64 or linux-image-amd64"
TEST_F(ApplianceTest, names_the_package_where_there_is_no_kernel) {
  stdfs::remove(setup_.boot_folder + "/vmlinuz-6.1");
  try {
    failure();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.error_number(), ENOPKG);
    EXPECT_TRUE(contains(e, "linux-image-cloud-amd64")) << e.sentence();
  }
}

TEST_F(ApplianceTest, refuses_a_cache_that_is_somebody_elses) {
  program("exit 0\n");
  stdfs::create_directory_symlink("/tmp", setup_.cache_folder);
  EXPECT_THROW(failure(), Error);
  stdfs::remove(setup_.cache_folder);
  stdfs::create_directory(setup_.cache_folder);
  stdfs::permissions(setup_.cache_folder, stdfs::perms::all);
  EXPECT_THROW(failure(), Error);
}

}  // namespace
}  // namespace v2vfs::fs
