// SPDX-License-Identifier: MIT
#include "fs/file_attributes.h"

#include <gtest/gtest.h>

#include "fs/durable_file.h"
#include "inspect/base/error.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

AttrChange owner(uid_t uid) {
  AttrChange change;
  change.uid = uid;
  return change;
}

TEST(AttributeStore, outlives_the_daemon) {
  const TemporaryFolder folder;
  const std::string value("\0\xff libvirt", 10);
  {
    AttributeStore store(folder.path());
    store.change_owner("disk.qcow2", owner(64055));
    store.set_xattr("disk.qcow2", "trusted.libvirt.security.dac", value, XattrMode::any);
  }
  const SavedAttributes saved = AttributeStore(folder.path()).get("disk.qcow2");
  EXPECT_EQ(saved.uid, 64055u);
  EXPECT_FALSE(saved.gid);
  EXPECT_EQ(saved.xattrs.at("trusted.libvirt.security.dac"), value);
}

TEST(AttributeStore, create_and_replace_mean_what_setxattr_says) {
  const TemporaryFolder folder;
  AttributeStore store(folder.path());
  EXPECT_THROW(store.set_xattr("disk", "user.a", "1", XattrMode::replace), Error);
  store.set_xattr("disk", "user.a", "1", XattrMode::create);
  EXPECT_THROW(store.set_xattr("disk", "user.a", "2", XattrMode::create), Error);
  EXPECT_EQ(store.get("disk").xattrs.at("user.a"), "1");
  store.remove_xattr("disk", "user.a");
  EXPECT_THROW(store.remove_xattr("disk", "user.a"), Error);
}

// SEMANTICS: "attributes (64 KiB a file) persist"
TEST(AttributeStore, a_file_keeps_at_most_64_kib) {
  const TemporaryFolder folder;
  AttributeStore store(folder.path());
  store.set_xattr("disk", "user.a", std::string(60'000, 'x'), XattrMode::any);
  EXPECT_THROW(store.set_xattr("disk", "user.b", std::string(60'000, 'x'), XattrMode::any), Error);
  EXPECT_FALSE(store.get("disk").xattrs.contains("user.b"));
}

TEST(AttributeStore, a_damaged_file_is_said_not_guessed) {
  const TemporaryFolder folder;
  write_durably(folder.path(), "attributes.json",
                "{\"version\": 1, \"files\": {\"disk\": {\"uid\"");
  EXPECT_THROW(AttributeStore(folder.path()), Error);
  write_durably(folder.path(), "attributes.json", "{\"version\": 2, \"files\": {}}");
  EXPECT_THROW(AttributeStore(folder.path()), Error);
}

}  // namespace
}  // namespace v2vfs::fs
