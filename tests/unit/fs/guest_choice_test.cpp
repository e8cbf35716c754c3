// SPDX-License-Identifier: MIT
#include "fs/guest_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "fs/options.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class KeyFiles : public ::testing::Test {
 protected:
  std::string put(const std::string& name, const std::string& bytes) {
    std::ofstream(folder_.path() + "/" + name, std::ios::binary) << bytes;
    return folder_.path() + "/" + name;
  }

  static GuestChoice of(const std::string& path, const std::string& device = "all") {
    GuestChoice choice;
    choice.key_files.push_back({device, path, "", ""});
    return choice;
  }

  static std::vector<std::string> keys_in(const std::string& path) {
    GuestChoice choice = of(path);
    choice.read_key_files();
    std::vector<std::string> keys;
    for (const inspect::LuksKey& key : choice.keys()) keys.push_back(key.key);
    return keys;
  }

  static std::string refusal(const std::string& path) {
    try {
      of(path).read_key_files();
    } catch (const StartError& e) {
      EXPECT_EQ(e.exit_code(), exit_usage);
      return e.what();
    }
    return "";
  }

  const TemporaryFolder folder_;
};

// SEMANTICS: "a line's end at its end is left out first, then not"
TEST_F(KeyFiles, a_line_end_at_the_end_may_be_an_editors) {
  using Keys = std::vector<std::string>;
  EXPECT_EQ(keys_in(put("plain", "open sesame")), (Keys{"open sesame"}));
  EXPECT_EQ(keys_in(put("edited", "open sesame\n")), (Keys{"open sesame", "open sesame\n"}));
  EXPECT_EQ(keys_in(put("dos", "open\r\n")), (Keys{"open", "open\r\n"}));
  EXPECT_EQ(keys_in(put("end", "\n")), (Keys{"\n"}));
  EXPECT_EQ(keys_in(put("two", "a\nb")), (Keys{"a\nb"}));
}

// SEMANTICS: "FILE is read when v2vfs starts, 64 KiB at most, and may be a pipe"
TEST_F(KeyFiles, a_pipe_is_read_to_its_end) {
  const std::string pipe = folder_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const std::jthread writer([&] { std::ofstream(pipe) << "from a pipe"; });
  EXPECT_EQ(keys_in(pipe), (std::vector<std::string>{"from a pipe"}));
}

// SEMANTICS: "64 KiB at most, and may be a pipe"
TEST_F(KeyFiles, what_is_no_key_is_refused_with_the_files_name) {
  EXPECT_THAT(refusal(folder_.path() + "/gone"), HasSubstr("/gone (of all) cannot be opened"));
  EXPECT_THAT(refusal(folder_.path()), HasSubstr("neither a file nor a pipe"));
  EXPECT_THAT(refusal("/dev/zero"), HasSubstr("neither a file nor a pipe"));
  EXPECT_THAT(refusal(put("empty", "")), HasSubstr("is empty"));
  EXPECT_THAT(refusal(put("large", std::string(kMostKeyBytes + 1, 'k'))), HasSubstr("64 KiB"));
  EXPECT_EQ(refusal(put("largest", std::string(kMostKeyBytes, 'k'))), "");
  const std::string nul = refusal(put("nul", std::string("secret\0key", 10)));
  EXPECT_THAT(nul, HasSubstr("NUL"));
  EXPECT_THAT(nul, Not(HasSubstr("secret")));
}

// SEMANTICS: "With another root or other key files nothing that was kept is used"
TEST_F(KeyFiles, another_file_or_root_is_another_choice) {
  const std::string path = put("key", "secret");
  const auto fingerprint = [](GuestChoice choice) {
    choice.read_key_files();
    return choice.fingerprint();
  };
  const std::string first = fingerprint(of(path));
  EXPECT_EQ(fingerprint(of(path)), first);
  EXPECT_NE(fingerprint(of(path, "/dev/sda2")), first);
  EXPECT_NE(fingerprint(of(put("other", "secret"))), first);
  GuestChoice with_root = of(path);
  with_root.root = "/dev/sda1";
  EXPECT_NE(fingerprint(with_root), first);
  std::filesystem::last_write_time(
      path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(1));
  EXPECT_NE(fingerprint(of(path)), first);
  EXPECT_EQ(GuestChoice().fingerprint(), "");
}

}  // namespace
}  // namespace v2vfs::fs
