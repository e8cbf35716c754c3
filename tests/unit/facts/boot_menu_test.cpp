// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "inspect/guest/boot_menu.h"

namespace v2vfs::inspect {
namespace {

std::string default_kernel(const BootMenu& menu) {
  const auto found = find_default(menu);
  return found ? menu.entries[*found].entry.kernel : "none";
}

constexpr const char* kGrub2 = R"(
set default="${saved_entry}"
if [ x"${feature_menuentry_id}" = xy ]; then
  menuentry_id_option="--id"
fi
function gfxmode { set gfxpayload="${1}" }
menuentry 'A > B' --class x $menuentry_id_option 'id-a' {
  if [ a ]; then insmod x; fi
  linux16 /vmlinuz-a ro 'quo ted'
  initrd16 (hd0,msdos1)/initrd-a /second
}
submenu "More" $menuentry_id_option 'id-more' {
  menuentry "Old" --id id-old { # comment
    linuxefi /vmlinuz-old
  }
  menuentry "Older" { linux /on-one-line }
}
source $prefix/custom.cfg
)";

TEST(Grub2, reads_entries_and_submenus) {
  const BootMenu menu = parse_grub2(kGrub2, {});
  ASSERT_GE(menu.entries.size(), 2u);
  EXPECT_EQ(menu.entries[0].entry.options, "ro quo ted");
  EXPECT_EQ(menu.entries[0].entry.initrds.size(), 2u);
  EXPECT_EQ(menu.entries[1].steps.size(), 2u);
  EXPECT_EQ(menu.includes, std::vector<std::string>{"$prefix/custom.cfg"});
}

TEST(Grub2, finds_the_default_by_number_title_and_id) {
  const auto with = [](const std::string& saved) {
    return default_kernel(parse_grub2(kGrub2, {{"saved_entry", saved}}));
  };
  EXPECT_EQ(with(""), "/vmlinuz-a");
  EXPECT_EQ(with("0"), "/vmlinuz-a");
  EXPECT_EQ(with("A > B"), "/vmlinuz-a");
  EXPECT_EQ(with("1>0"), "/vmlinuz-old");
  EXPECT_EQ(with("More>Old"), "/vmlinuz-old");
  EXPECT_EQ(with("id-more>id-old"), "/vmlinuz-old");
  EXPECT_EQ(with("1"), "/vmlinuz-old");
  EXPECT_EQ(with("7"), "none");
  EXPECT_EQ(default_kernel(parse_grub2(kGrub2, {{"saved_entry", "0"}, {"next_entry", "1>0"}})),
            "/vmlinuz-old");
}

TEST(Grub2, survives_what_is_no_configuration) {
  EXPECT_TRUE(parse_grub2(std::string(100'000, '}'), {}).entries.empty());
  EXPECT_TRUE(parse_grub2("linux /x\ninitrd /y\nmenuentry\n", {}).entries.size() <= 1);
  std::string deep;
  for (int i = 0; i < 5000; ++i) deep += "submenu x {\n";
  EXPECT_TRUE(parse_grub2(deep + "menuentry y {\nlinux /z\n", {}).entries.empty());
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "menuentry x {\n}\n";
  EXPECT_EQ(parse_grub2(many, {}).entries.size(), 200u);
}

TEST(Grubenv, reads_names_and_values) {
  const auto environment =
      parse_grubenv("# GRUB Environment Block\nsaved_entry=a\\\\b\nboot_success=1\n#########");
  EXPECT_EQ(environment.at("saved_entry"), "a\\b");
  EXPECT_EQ(environment.size(), 2u);
}

TEST(GrubLegacy, reads_titles_and_counts_from_zero) {
  const BootMenu menu = parse_grub_legacy(
      "default=1\n title first\nkernel --no-mem-option /vmlinuz-1 ro root=/dev/sda1\ninitrd /i1\n"
      "title  Xen\n\tkernel /xen.gz dom0\n\tmodule /vmlinuz-2xen ro\n\tmodule /initrd-2xen\n");
  ASSERT_EQ(menu.entries.size(), 2u);
  EXPECT_EQ(menu.entries[0].entry.kernel, "/vmlinuz-1");
  EXPECT_EQ(menu.entries[0].entry.options, "ro root=/dev/sda1");
  EXPECT_EQ(menu.entries[1].entry.kernel, "/vmlinuz-2xen");
  EXPECT_EQ(menu.entries[1].entry.initrds, std::vector<std::string>{"/initrd-2xen"});
  EXPECT_EQ(find_default(menu), 1u);
}

TEST(Syslinux, reads_labels_includes_and_appended_initrds) {
  const BootMenu menu = parse_syslinux(
      "DEFAULT two\nINCLUDE a.cfg\nmenu include b.cfg\nLABEL one\n KERNEL k1\n APPEND initrd=i1,i2 "
      "ro quiet\n"
      "label two\n menu label ^Two\n linux k2\n initrd i3\n");
  ASSERT_EQ(menu.entries.size(), 2u);
  EXPECT_EQ(menu.entries[0].entry.options, "ro quiet");
  EXPECT_EQ(menu.entries[0].entry.initrds, (std::vector<std::string>{"i1", "i2"}));
  EXPECT_EQ(menu.entries[1].entry.title, "Two");
  EXPECT_EQ(menu.includes, (std::vector<std::string>{"a.cfg", "b.cfg"}));
  EXPECT_EQ(default_kernel(menu), "k2");
}

TEST(Lilo, reads_images_and_the_default_label) {
  const BootMenu menu = parse_lilo(
      "boot=/dev/sda\ndefault=old\nimage=/boot/v1\n label=new\n initrd=/boot/i1\n"
      "image=/boot/v2\n label=old\n append=\"ro quiet\"\n root=/dev/sda2\n");
  EXPECT_EQ(default_kernel(menu), "/boot/v2");
  EXPECT_EQ(menu.entries[1].entry.options, "ro quiet root=/dev/sda2");
}

TEST(BlsEntry, fills_in_the_environment) {
  const MenuEntry entry = parse_bls_entry(
      "m-1",
      "title T\nlinux /v\ninitrd /i $tuned_initrd\noptions $kernelopts ${x}end\noptions more\n",
      {{"kernelopts", "root=/dev/x ro"}, {"x", "y$x"}});
  EXPECT_EQ(entry.entry.options, "root=/dev/x ro y$xend more");
  EXPECT_EQ(entry.entry.initrds, std::vector<std::string>{"/i"});
}

TEST(BlsEntry, sorts_by_versions) {
  std::vector<MenuEntry> entries;
  for (const char* const name : {"m-5.14.0-9", "m-0-rescue", "m-5.14.0-70", "m-6.1~rc1", "m-6.1"}) {
    entries.push_back(parse_bls_entry(name, "", {}));
  }
  sort_bls_entries(entries);
  std::vector<std::string> ids;
  for (const MenuEntry& each : entries) ids.push_back(each.entry.id);
  EXPECT_EQ(ids, (std::vector<std::string>{"m-6.1", "m-6.1~rc1", "m-5.14.0-70", "m-5.14.0-9",
                                           "m-0-rescue"}));
}

TEST(Versions, compare_as_rpm_does) {
  EXPECT_GT(compare_versions("10", "9"), 0);
  EXPECT_LT(compare_versions("1.0a", "1.0.1"), 0);
  EXPECT_EQ(compare_versions("1-0", "1.0"), 0);
  EXPECT_EQ(compare_versions("007", "7"), 0);
  EXPECT_LT(compare_versions("", "1"), 0);
  EXPECT_GT(compare_versions(std::string(100'000, '9'), "1"), 0);
}

TEST(Patterns, match_in_bounded_time) {
  EXPECT_TRUE(fits_pattern("arch*", "arch-linux.conf"));
  EXPECT_TRUE(fits_pattern("*", ""));
  EXPECT_TRUE(fits_pattern("a?c", "abc"));
  EXPECT_FALSE(fits_pattern("a?c", "ac"));
  std::string stars;
  for (int i = 0; i < 1000; ++i) stars += "*a";
  EXPECT_FALSE(fits_pattern(stars + "b", std::string(5000, 'a')));
}

}  // namespace
}  // namespace v2vfs::inspect
