// SPDX-License-Identifier: MIT
#include "convert/guest/module_index.h"

#include <gtest/gtest.h>

#include <fstream>

#include "inspect/base/error.h"
#include "tests/support/compressors.h"
#include "tests/unit/initrd/made_up_initrd.h"

namespace v2vfs::convert {
namespace {

using test::depmod_index;
using test::guest_module;
using test::kRelease;

/// Files of an image as open_initrd_image() leaves them.
class ModuleIndexTest : public ::testing::Test {
 protected:
  UnpackedFile unpacked(const std::string& path, const std::string& content) {
    const std::string host = scratch_.file(std::to_string(count_++));
    std::ofstream(host, std::ios::binary) << content;
    return {path, host};
  }

  /// An image with ext4 and what it needs, each under the name that `named` gives it.
  IndexedModules image(std::string (*named)(const std::string&),
                       std::string (*packed)(const std::string&)) {
    IndexedModules modules;
    modules.version = kRelease;
    for (const char* const path : {"kernel/fs/jbd2/jbd2.ko", "kernel/fs/ext4/ext4.ko"}) {
      modules.there.push_back(unpacked(named(path), packed(guest_module(path))));
    }
    modules.added["kernel/drivers/virtio/virtio.ko"] =
        guest_module("kernel/drivers/virtio/virtio.ko");
    return modules;
  }

  ModuleIndex make(const IndexedModules& modules) {
    return make_module_index(modules, scratch_.path());
  }

  test::Scratch scratch_;
  int count_ = 0;
};

std::string same(const std::string& text) { return text; }

TEST_F(ModuleIndexTest, names_modules_as_they_lie_in_the_image) {
  const ModuleIndex index = make(image(same, same));
  EXPECT_EQ(index.refusal, "");
  EXPECT_EQ(index.files.at("modules.dep"),
            "kernel/drivers/virtio/virtio.ko:\nkernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko\n"
            "kernel/fs/jbd2/jbd2.ko:\n");
  EXPECT_EQ(index.files.count("modules.dep.bin"), 1u);
  EXPECT_NE(index.files.at("modules.alias").find("alias fs-ext4 ext4"), std::string::npos);
}

TEST_F(ModuleIndexTest, is_the_same_for_the_same_modules) {
  EXPECT_EQ(make(image(same, same)).files, make(image(same, same)).files);
}

TEST_F(ModuleIndexTest, knows_flattened_and_compressed_modules) {
  const auto flat = [](const std::string& path) {
    return "kernel" + path.substr(path.rfind('/')) + ".xz";
  };
  const ModuleIndex index = make(image(flat, test::xz));
  EXPECT_EQ(index.refusal, "");
  EXPECT_NE(index.files.at("modules.dep").find("kernel/ext4.ko.xz: kernel/jbd2.ko.xz\n"),
            std::string::npos);
}

TEST_F(ModuleIndexTest, names_gzip_modules_that_this_hosts_kmod_may_not_read) {
  const auto gz = [](const std::string& path) { return path + ".gz"; };
  const ModuleIndex index = make(image(gz, test::gzip));
  EXPECT_EQ(index.refusal, "");
  const std::string line = "kernel/fs/ext4/ext4.ko.gz: kernel/fs/jbd2/jbd2.ko.gz";
  EXPECT_NE(index.files.at("modules.dep").find(line), std::string::npos);
  EXPECT_NE(index.files.at("modules.dep.bin").find(line), std::string::npos);
  EXPECT_EQ(index.files.at("modules.dep.bin").find(".ko.xz"), std::string::npos);
}

TEST_F(ModuleIndexTest, keeps_absolute_paths_where_the_image_has_them) {
  IndexedModules modules = image(same, same);
  const std::string prefix = std::string("/lib/modules/") + kRelease + "/";
  modules.index.push_back(unpacked("modules.dep", prefix + "kernel/fs/jbd2/jbd2.ko:\n" + prefix +
                                                      "kernel/fs/ext4/ext4.ko: " + prefix +
                                                      "kernel/fs/jbd2/jbd2.ko\n"));
  const ModuleIndex index = make(modules);
  EXPECT_EQ(index.refusal, "");
  EXPECT_NE(index.files.at("modules.dep")
                .find(prefix + "kernel/fs/ext4/ext4.ko: " + prefix + "kernel/fs/jbd2/jbd2.ko\n"),
            std::string::npos);
}

TEST_F(ModuleIndexTest, brings_symbols_only_to_images_that_have_them) {
  IndexedModules modules = image(same, same);
  EXPECT_EQ(make(modules).files.count("modules.symbols"), 0u);
  modules.index.push_back(unpacked("modules.symbols", "# none\n"));
  EXPECT_EQ(make(modules).files.count("modules.symbols"), 1u);
  EXPECT_EQ(make(modules).files.count("modules.builtin.bin"), 0u);
}

TEST_F(ModuleIndexTest, is_refused_if_a_driver_would_not_be_found_any_more) {
  IndexedModules modules = image(same, same);
  for (const auto& [name, text] :
       depmod_index({{"kernel/fs/jbd2/jbd2.ko", guest_module("kernel/fs/jbd2/jbd2.ko")},
                     {"kernel/fs/ext4/ext4.ko", guest_module("kernel/fs/ext4/ext4.ko")}})) {
    modules.index.push_back(unpacked(name, text));
  }
  EXPECT_EQ(make(modules).refusal, "");
  modules.there[1] = unpacked("kernel/fs/ext4/ext4.ko", "damaged");  // depmod leaves it out
  EXPECT_NE(make(modules).refusal.find("ext4"), std::string::npos);
}

TEST_F(ModuleIndexTest, bears_hostile_modules) {
  IndexedModules modules = image(same, same);
  std::string elf = guest_module("kernel/fs/ext4/ext4.ko");
  for (std::size_t at = 40; at < elf.size(); at += 3) elf[at] = static_cast<char>(elf[at] ^ 0xa5);
  modules.there.push_back(unpacked("kernel/-q.ko", elf));
  modules.there.push_back(unpacked("kernel/a b.ko", ""));
  EXPECT_EQ(make(modules).refusal, "");
  modules.there.push_back(unpacked("kernel/-q.ko/x.ko", elf));
  EXPECT_THROW(make(modules), Error);
}

}  // namespace
}  // namespace v2vfs::convert
