// SPDX-License-Identifier: MIT
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspect/source/source.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::small_ovf;
using testing::TempFolder;

std::vector<std::string> folders(const FoundSource& source) {
  std::vector<std::string> names;
  for (const FoundMachine& machine : source.machines) names.push_back(machine.folder);
  return names;
}

/// What is said of states that are newer than the disk of the machine.
std::vector<std::string> warnings(const FoundMachine& machine) {
  std::vector<std::string> found;
  for (const Problem& problem : machine.spec.problems) {
    if (problem.code == "newer-state") found.push_back(problem.what);
  }
  return found;
}

std::string descriptor(const std::string& extent, const std::string& parent = "") {
  const std::string hint = parent.empty() ? "" : fmt::format("parentFileNameHint=\"{}\"\n", parent);
  return fmt::format(
      "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID={}\n{}RW 8 SPARSE "
      "\"{}\"\n",
      parent.empty() ? "ffffffff" : "fffffffe", hint, extent);
}

std::string little(std::uint64_t value, std::size_t bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(value >> 8 * i);
  return out;
}

std::string big(std::uint64_t value, std::size_t bytes) {
  const std::string out = little(value, bytes);
  return {out.rbegin(), out.rend()};
}

std::string utf16(std::string_view ascii, bool is_big_endian = false) {
  std::string out;
  for (const char c : ascii) out += is_big_endian ? big(c, 2) : little(c, 2);
  return out;
}

void put(std::string& bytes, std::size_t at, const std::string& what) {
  if (bytes.size() < at + what.size()) bytes.resize(at + what.size());
  bytes.replace(at, what.size(), what);
}

/// A VHDX as far as its parent locator goes.
std::string vhdx_upon(const std::string& key, const std::string& parent) {
  std::string bytes(1 << 20, '\0');
  put(bytes, 0, "vhdxfile");
  put(bytes, 192 << 10, "regi" + little(0, 4) + little(1, 8));
  put(bytes, (192 << 10) + 16,
      std::string("\x06\xa2\x7c\x8b\x90\x47\x9a\x4b\xb8\xfe\x57\x5f\x05\x0f\x88\x6e") +
          little(512 << 10, 8) + little(64 << 10, 4) + little(1, 4));
  put(bytes, 512 << 10, "metadata" + little(0, 2) + little(1, 2));
  const std::string locator = std::string(16, 'L') + little(0, 2) + little(1, 2) + little(32, 4) +
                              little(64 << 2, 4) + little(2 * key.size(), 2) +
                              little(2 * parent.size(), 2);
  put(bytes, (512 << 10) + 32,
      std::string("\x2d\x5f\xd3\xa8\x0b\xb3\x4d\x45\xab\xf7\xd3\xd8\x48\x34\xab\x0c") +
          little(4096, 4) + little(1024, 4));
  put(bytes, (512 << 10) + 4096, locator);
  put(bytes, (512 << 10) + 4096 + 32, utf16(key));
  put(bytes, (512 << 10) + 4096 + (64 << 2), utf16(parent));
  return bytes;
}

std::string vhd_upon(const std::string& parent) {
  std::string bytes(4096, '\0');
  put(bytes, 0, "conectix");
  put(bytes, 16, big(512, 8));
  put(bytes, 60, big(parent.empty() ? 3 : 4, 4));
  put(bytes, 512, "cxsparse");
  put(bytes, 512 + 64, utf16(parent, true));
  return bytes;
}

constexpr const char* kGuid = "0A1B2C3D-0000-4000-8000-0123456789AB";

// SEMANTICS: "leave the disk that they build upon, if it is there, a machine of its own"
// SEMANTICS: "(a checkpoint's `.avhdx` or `.avhd`"
TEST(NewerStates, a_checkpoint_beside_a_vhdx_is_warned_of_and_the_vhdx_is_served) {
  for (const char* const key : {"relative_path", "absolute_win32_path"}) {
    const TempFolder folder;
    folder.write("web.vhdx", vhdx_upon("no_key_of_a_parent", "x"));
    folder.write("checkpoint.avhdx", vhdx_upon(key, "C:\\VMs\\web.vhdx"));
    const FoundSource source = find_machines({folder.path()}, {});
    ASSERT_THAT(folders(source), ElementsAre("web")) << key;
    EXPECT_THAT(warnings(source.machines[0]),
                ElementsAre(AllOf(HasSubstr("\"checkpoint.avhdx\""), HasSubstr("\"web.vhdx\""))));
    EXPECT_THAT(source.problems, SizeIs(1));
  }
}

TEST(NewerStates, a_checkpoint_beside_a_vhd_is_warned_of) {
  const TempFolder folder;
  folder.write("web.vhd", vhd_upon(""));
  folder.write("later.avhd", vhd_upon("web.vhd"));
  const FoundSource source = find_machines({folder.path()}, {});
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_THAT(warnings(source.machines[0]), ElementsAre(HasSubstr("\"later.avhd\"")));
}

/// A VDI as far as its uuids go.
std::string vdi(char id, char parent) {
  std::string bytes(4096, '\0');
  put(bytes, 0, "<<< Oracle VM VirtualBox Disk Image >>>\n");
  put(bytes, 0x40, "\x7f\x10\xda\xbe");
  put(bytes, 0x4c, little(parent ? 4 : 1, 4));
  put(bytes, 0x188, std::string(16, id));
  put(bytes, 0x1a8, std::string(16, parent));
  return bytes;
}

// SEMANTICS: "a VMDK, qcow2 or VDI delta"
TEST(NewerStates, a_snapshot_of_virtualbox_is_warned_of) {
  const TempFolder folder;
  folder.write("lab.ovf", small_ovf("lab", "lab.vdi"));
  folder.write("lab.vdi", vdi('a', '\0'));
  folder.write("Snapshots/{0a1b}.vdi", vdi('b', 'a'));
  folder.write("Snapshots/{0c1d}.vdi", vdi('c', 'x'));  // of another disk
  for (const FoundMachine& machine : find_machines({folder.path()}, {}).machines) {
    if (machine.folder != "lab") continue;
    EXPECT_THAT(warnings(machine), ElementsAre(HasSubstr("{0a1b}.vdi")));
  }
}

TEST(NewerStates, hyper_v_s_names_are_enough) {
  const TempFolder folder;
  folder.write("web.ovf", small_ovf("web", "web.vhdx"));
  folder.write("web.vhdx", vhdx_upon("none", "x"));
  folder.write(fmt::format("web_{}.avhdx", kGuid), "no header that can be read");
  const FoundSource source = find_machines({folder.path()}, {});
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_THAT(warnings(source.machines[0]), ElementsAre(HasSubstr(kGuid)));
}

// SEMANTICS: "an ESX delta whose descriptor is missing) is the warning `newer-state`"
TEST(NewerStates, a_delta_that_the_description_does_not_name_is_warned_of) {
  const TempFolder folder;
  folder.write("web.ovf", small_ovf("web", "web.vmdk"));
  folder.write("web.vmdk", descriptor("web-flat.vmdk"));
  folder.write("web-flat.vmdk", std::string(4096, 'x'));
  folder.write("later.vmdk", descriptor("later-delta.vmdk", "web.vmdk"));
  folder.write("later-delta.vmdk", "COWD");
  folder.write("web-000002-delta.vmdk", "COWD");  // its descriptor was left behind
  const FoundSource source = find_machines({folder.path()}, {});
  ASSERT_THAT(folders(source), ElementsAre("web"));
  EXPECT_THAT(warnings(source.machines[0]), ElementsAre(HasSubstr("\"later.vmdk\" builds upon"),
                                                        HasSubstr("\"web-000002-delta.vmdk\"")));
}

TEST(NewerStates, what_a_machine_has_is_no_newer_state) {
  const TempFolder folder;
  folder.write("template.ovf", small_ovf("template", "base.vmdk"));
  folder.write("base.vmdk", descriptor("base-flat.vmdk"));
  folder.write("base-flat.vmdk", std::string(4096, 'x'));
  folder.write("between.vmdk", descriptor("between-delta.vmdk", "base.vmdk"));
  folder.write("clone.vmdk", descriptor("clone-delta.vmdk", "between.vmdk"));
  folder.write("clone.ovf", small_ovf("clone", "clone.vmdk"));
  const FoundSource source = find_machines({folder.path()}, {});
  ASSERT_THAT(folders(source), ElementsAre("clone", "template"));
  EXPECT_THAT(warnings(source.machines[0]), IsEmpty());
  EXPECT_THAT(warnings(source.machines[1]), IsEmpty());
}

TEST(NewerStates, a_differencing_disk_alone_is_a_machine_that_says_so) {
  const TempFolder folder;
  folder.write("later.avhdx", vhdx_upon("relative_path", ".\\web.vhdx"));
  EXPECT_THAT(folders(find_machines({folder.path()}, {})), ElementsAre("later"));
}

}  // namespace
}  // namespace v2vfs::inspect
