// SPDX-License-Identifier: MIT
#include "inspect/guest/file_contexts.h"

#include <gtest/gtest.h>

#include <chrono>

namespace v2vfs::inspect {
namespace {

constexpr const char* kPolicy = R"(
# a comment
/.*                     system_u:object_r:default_t:s0
/etc(/.*)?              system_u:object_r:etc_t:s0
/etc/shadow.*       --  system_u:object_r:shadow_t:s0
/etc/\.fstab\.hal\..+ -- system_u:object_r:etc_runtime_t:s0
/etc/fstab\.REVOKE  --  system_u:object_r:etc_runtime_t:s0
/etc/ssh/ssh_host.*_key -- system_u:object_r:sshd_key_t:s0
/etc/cron\.(daily|weekly)/.* -- system_u:object_r:bin_t:s0
(/usr)?/lib/systemd(/.*)?  system_u:object_r:lib_t:s0
/etc/nothing            <<none>>
/etc/exact  system_u:object_r:exact_t:s0
/etc/exact.*  system_u:object_r:pattern_t:s0
/a|/b                   system_u:object_r:ab_t:s0
)";

std::string context(const FileContexts& contexts, const char* path,
                    FileKind kind = FileKind::file) {
  return contexts.find(path, kind).value_or("");
}

TEST(FileContexts, the_policy_labels_paths) {
  FileContexts contexts;
  contexts.add(kPolicy);
  const auto type = [&](const char* path, FileKind kind = FileKind::file) {
    const std::string label = context(contexts, path, kind);
    return label.empty() ? label : label.substr(18, label.size() - 21);
  };
  EXPECT_EQ(type("/etc/fstab"), "etc_t");
  EXPECT_EQ(type("/etc"), "etc_t");
  EXPECT_EQ(type("/etcetera"), "default_t");
  EXPECT_EQ(type("/etc/shadow"), "shadow_t");
  EXPECT_EQ(type("/etc/shadow-"), "shadow_t");
  EXPECT_EQ(type("/etc/shadow.d", FileKind::directory), "etc_t");
  EXPECT_EQ(type("/etc/.fstab.hal.1"), "etc_runtime_t");
  EXPECT_EQ(type("/etc/fstab.REVOKE"), "etc_runtime_t");
  EXPECT_EQ(type("/etc/ssh/ssh_host_rsa_key"), "sshd_key_t");
  EXPECT_EQ(type("/etc/cron.daily/x"), "bin_t");
  EXPECT_EQ(type("/lib/systemd/system"), "lib_t");
  EXPECT_EQ(type("/usr/lib/systemd"), "lib_t");
  EXPECT_EQ(type("/etc/nothing"), "");
  EXPECT_EQ(type("/etc/exact"), "exact_t");
  EXPECT_EQ(type("/etc/exactly"), "pattern_t");
  EXPECT_EQ(type("/b"), "ab_t");
}

TEST(FileContexts, substitutions_and_local_files_count) {
  FileContexts contexts;
  contexts.add(kPolicy);
  contexts.add("/etc/mine -- system_u:object_r:mine_t:s0\n");
  contexts.add_substitutions("/run /var/run\n/sysetc /etc\n");
  EXPECT_EQ(context(contexts, "/etc/mine"), "system_u:object_r:mine_t:s0");
  EXPECT_EQ(context(contexts, "/sysetc/mine"), "system_u:object_r:mine_t:s0");
  EXPECT_EQ(context(contexts, "/sysetcetera"), "system_u:object_r:default_t:s0");
}

TEST(FileContexts, hostile_patterns_cost_little) {
  FileContexts contexts;
  std::string text;
  for (int i = 0; i < 200; ++i) {
    text += "/(((a*)*)*)*b system_u:object_r:x_t:s0\n";
    text += "/((a{1,900}){1,900}){1,900} system_u:object_r:x_t:s0\n";
    text += "/(a|aa)+$ system_u:object_r:x_t:s0\n/[ system_u:object_r:x_t:s0\n/(x\\1 y\n";
  }
  contexts.add(text + std::string("/x\0y z\n", 7) + std::string(100'000, 'a'));
  const auto start = std::chrono::steady_clock::now();
  context(contexts, ("/" + std::string(3000, 'a') + "c").c_str());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(FileContexts, the_configuration_names_the_policy) {
  EXPECT_EQ(selinux_policy("# x\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"), "targeted");
  EXPECT_EQ(selinux_policy("SELINUX=permissive\nSELINUXTYPE=mls\n"), "mls");
  EXPECT_EQ(selinux_policy("SELINUX=disabled\nSELINUXTYPE=targeted\n"), std::nullopt);
  EXPECT_EQ(selinux_policy("SELINUX=enforcing\nSELINUXTYPE=../../../etc\n"), std::nullopt);
  EXPECT_EQ(selinux_policy(""), std::nullopt);
}

}  // namespace
}  // namespace v2vfs::inspect
