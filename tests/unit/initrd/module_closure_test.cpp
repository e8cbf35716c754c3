// SPDX-License-Identifier: MIT
#include "convert/guest/module_closure.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace v2vfs::convert {
namespace {

const ModuleTexts kTexts = {
    "kernel/v/virtio.ko.xz:\n"
    "kernel/v/virtio_ring.ko.xz: kernel/v/virtio.ko.xz\n"
    "kernel/v/virtio_pci.ko.xz: kernel/v/virtio_ring.ko.xz kernel/v/virtio.ko.xz\n"
    "kernel/b/virtio-blk.ko.xz: kernel/v/virtio_ring.ko.xz kernel/v/virtio.ko.xz\n"
    "kernel/s/scsi_mod.ko.xz:\n"
    "kernel/s/sd_mod.ko.xz: kernel/s/scsi_mod.ko.xz\n"
    "kernel/c/crct10dif-pclmul.ko.xz:\n"
    "kernel/c/crct10dif_generic.ko.xz:\n",
    "# Soft dependencies\nsoftdep sd_mod pre: crct10dif post: virtio_pci nowhere\n",
    "alias crct10dif crct10dif_generic\nalias crct10dif crct10dif_pclmul\nalias other virtio\n",
    "kernel/net/virtio_net.ko\n"};

std::string names(const ModuleClosure& closure) {
  std::string all;
  for (const WantedModule& module : closure.modules) all += module.name + " ";
  return all;
}

TEST(ModuleClosure, brings_what_is_needed_first) {
  const ModuleClosure closure = module_closure(kTexts, {"virtio_blk", "virtio_pci"}, {});
  EXPECT_EQ(names(closure), "virtio virtio_ring virtio_blk virtio_pci ");
  EXPECT_EQ(closure.modules[2].path, "kernel/b/virtio-blk.ko.xz");
  EXPECT_EQ(closure.modules[2].needs, (std::vector<std::string>{"virtio_ring", "virtio"}));
  EXPECT_TRUE(closure.absent.empty());
}

TEST(ModuleClosure, follows_soft_dependencies_by_name_and_alias) {
  EXPECT_EQ(names(module_closure(kTexts, {"sd_mod"}, {"virtio"})),
            "crct10dif_generic crct10dif_pclmul virtio_ring virtio_pci scsi_mod sd_mod ");
}

TEST(ModuleClosure, leaves_out_what_is_there_and_tells_what_is_not) {
  const ModuleClosure closure = module_closure(kTexts, {"virtio_blk", "virtio_net", "virtio_scsi"},
                                               {"virtio_ring", "virtio"});
  EXPECT_EQ(names(closure), "virtio_blk ");
  EXPECT_EQ(closure.absent, (std::vector<std::string>{"virtio_scsi"}));
}

TEST(ModuleClosure, reads_the_absolute_paths_of_old_kernels) {
  const ModuleTexts texts = {
      "/lib/modules/2.6.18/kernel/v/virtio.ko:\n"
      "/lib/modules/2.6.18/kernel/v/virtio_blk.ko: "
      "/lib/modules/2.6.18/kernel/v/virtio.ko\n",
      "", "", ""};
  const ModuleClosure closure = module_closure(texts, {"virtio_blk"}, {});
  EXPECT_EQ(names(closure), "virtio virtio_blk ");
  EXPECT_EQ(closure.modules[0].path, "kernel/v/virtio.ko");
}

TEST(ModuleClosure, is_bounded_for_hostile_texts) {
  std::string chain = "../../etc/passwd.ko:\n/etc/x.ko:\na.ko: b.ko\nb.ko: a.ko\n";
  for (int i = 0; i < 5000; ++i) chain += fmt::format("m{}.ko: m{}.ko\n", i, i + 1);
  chain += "m5000.ko:\n";
  const ModuleClosure closure = module_closure({chain, "", "", ""}, {"a", "m0", "passwd", "x"}, {});
  EXPECT_LE(closure.modules.size(), 200u);
  EXPECT_EQ(closure.absent, (std::vector<std::string>{"passwd", "x"}));
}

}  // namespace
}  // namespace v2vfs::convert
