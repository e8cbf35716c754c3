// SPDX-License-Identifier: MIT
#include "fs/tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "fs/overlay/io.h"
#include "inspect/base/error.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

/// A machine's folder as the source room would find it; no file is there.
class NoFiles : public inspect::SourceFiles {
 public:
  inspect::SourceFile open(std::string_view name) const override {
    throw Error(ENOENT, "{} is not there", name);
  }
  std::vector<std::string> names() const override { return {}; }
};

inspect::FoundMachine machine(const std::string& name, std::size_t disks) {
  inspect::FoundMachine found;
  found.spec.id = found.spec.name = found.folder = name;
  found.spec.memory_bytes = 1 << 30;
  found.spec.disks.resize(disks);
  found.files = std::make_shared<NoFiles>();
  return found;
}

int error_of(auto&& call) {
  try {
    call();
  } catch (const Error& e) {
    return e.error_number();
  }
  return 0;
}

TEST(Tree, a_vm_with_very_many_disks_takes_no_ids_of_the_next) {
  const MountContext context;
  const std::vector vms = {std::make_shared<Vm>(machine("a", 2500), VmOptions{}, context),
                           std::make_shared<Vm>(machine("b", 1), VmOptions{}, context)};
  const Tree tree(
      context, vms, [] { return std::string(); }, nullptr);
  std::set<NodeId> ids;
  for (const char* vm : {"a", "b"}) {
    const auto folder = tree.directory(tree.directory(kRootId)->child(vm)->id());
    for (const DirEntry& entry : folder->list()) EXPECT_TRUE(ids.insert(entry.id).second);
  }
  EXPECT_FALSE(ids.contains(tree.directory(kRootId)->child("b")->id()));
}

// SEMANTICS: "Outside of guest/ only open(2) and read(2) wait for slow work"
TEST(Tree, a_vm_whose_source_hangs_can_be_listed_and_asked_for_its_status_and_opens_wait) {
  const MountContext context;
  const auto vm = std::make_shared<Vm>(machine("a", 1), VmOptions{}, context);
  const Tree tree(
      context, {vm}, [] { return std::string(); }, nullptr);
  const auto folder = tree.directory(tree.directory(kRootId)->child("a")->id());
  EXPECT_THAT(folder->child("status.json")->attr().bytes, ::testing::Gt(0u));
  for (const char* file : {"disk.qcow2", "domain.xml", "domain-compat.xml"}) {
    const auto node = folder->child(file);
    EXPECT_THROW(node->open(O_RDONLY, Caller(0, 1)), NotYet) << file;
  }
  EXPECT_EQ(error_of([&] { folder->child("disk.qcow2")->attr(); }), EAGAIN);
}

class TreeTest : public ::testing::Test {
 protected:
  TreeTest() {
    states_.emplace(folder_.path() + "/states", "/mnt", std::set<std::string>{"web"});
    context_.mountpoint = "/mnt";
    context_.host = [] { return convert::HostChoice{}; };
    context_.io = &real_io();
    context_.states = &*states_;
    inspect::FoundMachine machine;
    machine.spec.id = machine.spec.name = machine.folder = "web";
    machine.spec.memory_bytes = 1 << 30;
    machine.spec.disks.emplace_back().file = "web.vmdk";
    machine.files = std::make_shared<NoFiles>();
    vm_ = std::make_shared<Vm>(machine, VmOptions{}, context_);
    vm_->load();
    tree_.emplace(
        context_, std::vector{vm_}, [] { return std::string("{}\n"); }, nullptr);
  }

  std::shared_ptr<Directory> web() {
    return tree_->directory(tree_->directory(kRootId)->child("web")->id());
  }
  std::string read(const std::string& name) {
    auto handle = web()->child(name)->open(O_RDONLY, Caller(0, 1));
    std::string text(1 << 16, '\0');
    text.resize(handle->read(0, std::as_writable_bytes(std::span(text))));
    return text;
  }
  void write(Handle& handle, std::string_view text) {
    handle.write(0, std::as_bytes(std::span(text)), false, Caller(0, 1));
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const DirEntry& entry : web()->list()) all.push_back(entry.name);
    return all;
  }

  TemporaryFolder folder_;
  std::optional<StateDir> states_;
  MountContext context_;
  std::shared_ptr<Vm> vm_;
  std::optional<Tree> tree_;
};

// SEMANTICS: "is a folder whose status.json says why"
TEST_F(TreeTest, a_vm_with_a_missing_disk_still_has_a_domain_and_says_what_is_missing) {
  EXPECT_THAT(names(), Contains("disk.qcow2"));
  EXPECT_THAT(read("domain.xml"), HasSubstr("<domain"));
  EXPECT_THAT(read("status.json"), HasSubstr("web.vmdk is not there"));
  EXPECT_THROW(web()->child("disk.qcow2")->open(O_RDONLY, Caller(0, 1)), Error);
}

TEST_F(TreeTest, st_size_is_the_size_of_the_text) {
  EXPECT_EQ(web()->child("domain.xml")->attr().bytes, read("domain.xml").size());
}

TEST_F(TreeTest, a_domain_saved_over_it_stays_until_it_is_deleted) {
  const std::string before = read("domain.xml");
  const std::string mine = "<domain type='kvm'><name>mine</name></domain>\n";
  {
    auto handle = web()->child("domain.xml")->open(O_WRONLY | O_TRUNC, Caller(0, 1));
    write(*handle, mine);
    handle->flush();
  }
  EXPECT_EQ(read("domain.xml"), mine);
  EXPECT_EQ(read("domain-compat.xml"), before);
  web()->remove("domain.xml");
  EXPECT_EQ(read("domain.xml"), before);
}

TEST_F(TreeTest, closing_a_domain_that_is_not_well_formed_fails_and_keeps_the_old_one) {
  const std::string before = read("domain.xml");
  auto handle = web()->child("domain.xml")->open(O_WRONLY | O_TRUNC, Caller(0, 1));
  write(*handle, "<domain>");
  EXPECT_THROW(handle->flush(), Error);
  EXPECT_EQ(read("domain.xml"), before);
}

// SEMANTICS: "Other new files in a VM's folder are kept in memory only"
TEST_F(TreeTest, an_editor_that_renames_saves_too) {
  auto scratch = web()->create("sedAbC", 0600);
  write(*scratch->open(O_RDWR, Caller(0, 1)), "<domain type='qemu'/>");
  web()->rename("sedAbC", "domain.xml");
  EXPECT_EQ(read("domain.xml"), "<domain type='qemu'/>");
  EXPECT_THAT(names(), Not(Contains("sedAbC")));
}

TEST_F(TreeTest, a_scratch_file_that_was_removed_is_there_for_who_has_it_open) {
  const auto scratch = web()->create("4913", 0600);
  const NodeId id = scratch->id();
  tree_->remember(scratch);
  tree_->remember(scratch);
  web()->remove("4913");
  EXPECT_THAT(names(), Not(Contains("4913")));
  tree_->forget(id, 1);
  EXPECT_EQ(tree_->node(id), scratch);
  tree_->forget(id, 1);
  EXPECT_EQ(error_of([&] { tree_->node(id); }), ESTALE);
}

TEST_F(TreeTest, what_is_part_of_the_view_stays) {
  EXPECT_THROW(web()->remove("disk.qcow2"), Error);
  EXPECT_THROW(web()->rename("status.json", "x"), Error);
  web()->create("x", 0600);
  EXPECT_THROW(web()->rename("x", "disk.qcow2"), Error);
  EXPECT_THROW(tree_->directory(kRootId)->create("y", 0600), Error);
}

TEST_F(TreeTest, ctl_is_another_inode_for_each_who_writes_to_it) {
  const NodeId first = web()->child("ctl")->id();
  EXPECT_NE(first, web()->child("ctl")->id());
}

// SEMANTICS: "Unknown words are EINVAL"
TEST_F(TreeTest, ctl_takes_known_words_only) {
  auto handle = web()->child("ctl")->open(O_WRONLY, Caller(0, 1));
  try {
    write(*handle, "explode\n");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.error_number(), EINVAL);
  }
}

}  // namespace
}  // namespace v2vfs::fs
