// SPDX-License-Identifier: MIT
#include "convert/domain/host.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "convert/domain/firmware_json.h"
#include "tests/unit/domain/scratch_folder.h"

namespace v2vfs::convert {
namespace {

constexpr const char* kDescriptor = R"({
  "interface-types": ["uefi"],
  "mapping": {"device": "flash", "executable": {"filename": "@FILE@", "format": "raw"}},
  "targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}],
  "features": ["acpi-s3", "enrolled-keys", "requires-smm", "secure-boot"]
})";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  return text.replace(text.find(from), from.size(), to);
}

TEST(Accel, words_are_three) {
  EXPECT_EQ(parse_accel("auto"), Accel::automatic);
  EXPECT_EQ(parse_accel("kvm"), Accel::kvm);
  EXPECT_EQ(parse_accel("tcg"), Accel::tcg);
  EXPECT_EQ(parse_accel("KVM"), std::nullopt);
  EXPECT_EQ(parse_accel(""), std::nullopt);
}

TEST(Accel, what_is_asked_for_is_done) {
  EXPECT_TRUE(decide_accel(Accel::kvm, {}, false).kvm);
  HostFacts able;
  able.kvm_opens = able.cpu_virtualizes = true;
  EXPECT_FALSE(decide_accel(Accel::tcg, able, true).kvm);
}

TEST(Accel, automatic_is_kvm_only_after_a_probe_that_worked) {
  HostFacts facts;
  facts.kvm_opens = facts.cpu_virtualizes = true;
  EXPECT_TRUE(decide_accel(Accel::automatic, facts, true).kvm);
  EXPECT_FALSE(decide_accel(Accel::automatic, facts, false).kvm);
  EXPECT_FALSE(decide_accel(Accel::automatic, facts, false).wants_probe);
  EXPECT_FALSE(decide_accel(Accel::automatic, facts, std::nullopt).kvm);
  EXPECT_TRUE(decide_accel(Accel::automatic, facts, std::nullopt).wants_probe);
}

TEST(Accel, a_cpu_without_vmx_or_svm_is_tcg_at_once) {
  HostFacts facts;
  facts.kvm_opens = true;
  for (const std::optional<bool> probed : {std::optional<bool>(), std::optional(true)}) {
    EXPECT_FALSE(decide_accel(Accel::automatic, facts, probed).kvm);
    EXPECT_FALSE(decide_accel(Accel::automatic, facts, probed).wants_probe);
  }
}

TEST(HostFacts, are_read_from_files) {
  const ScratchFolder folder;
  HostPaths paths;
  paths.kvm_device = folder.write("kvm", "");
  paths.cpuinfo = folder.write("cpuinfo", "model name\t: svm\nflags\t\t: fpu vme svm sse\n");
  paths.boot_id = folder.write("boot_id", "abc\n");
  const std::string code = folder.write("code.fd", "");
  folder.write("firmware/10-x.json", replaced(kDescriptor, "@FILE@", code));
  paths.firmware_folders = {folder.path() + "/firmware"};
  paths.program_folders = {folder.path()};
  folder.write_program("swtpm", "");
  folder.write_program("swtpm_setup", "");
  const HostFacts facts = read_host_facts(paths);
  EXPECT_TRUE(facts.kvm_opens);
  EXPECT_TRUE(facts.cpu_virtualizes);
  EXPECT_TRUE(facts.has_ovmf_secure_boot);
  EXPECT_TRUE(facts.has_swtpm);
  EXPECT_EQ(facts.boot_id, "abc");
}

TEST(HostFacts, what_is_not_there_is_not_claimed) {
  const ScratchFolder folder;
  const std::string none = folder.path() + "/none";
  HostPaths paths{none, none, none, {none}, {none}};
  paths.cpuinfo = folder.write("cpuinfo", "model name : vmx svm\nflags : fpu svme xvmx\n");
  folder.write("firmware/10-x.json", replaced(kDescriptor, "@FILE@", none));
  paths.firmware_folders.push_back(folder.path() + "/firmware");
  folder.write_program("swtpm", "");
  paths.program_folders.push_back(folder.path());
  const HostFacts facts = read_host_facts(paths);
  EXPECT_FALSE(facts.kvm_opens);
  EXPECT_FALSE(facts.cpu_virtualizes);
  EXPECT_FALSE(facts.has_ovmf_secure_boot) << "the firmware's file is not there";
  EXPECT_FALSE(facts.has_swtpm) << "swtpm_setup is not there";
  EXPECT_EQ(facts.boot_id, "");
}

TEST(HostFacts, reach_the_options_of_a_domain) {
  HostFacts facts;
  facts.has_swtpm = true;
  const HostChoice choice = host_choice(facts, {true, false, ""});
  EXPECT_TRUE(choice.kvm);
  EXPECT_TRUE(choice.has_swtpm);
  EXPECT_FALSE(choice.has_ovmf_secure_boot);
}

TEST(Firmware, is_told_by_its_descriptor) {
  const std::string good = replaced(kDescriptor, "@FILE@", "/x.fd");
  EXPECT_EQ(secure_boot_firmware(good), "/x.fd");
  for (const char* word : {"\"uefi\"", "\"secure-boot\"", "\"enrolled-keys\"", "q35", "x86_64"}) {
    EXPECT_EQ(secure_boot_firmware(replaced(good, word, word[0] == '"' ? "\"other\"" : "other")),
              std::nullopt)
        << word;
  }
}

TEST(Firmware, a_text_that_is_no_descriptor_is_none) {
  for (const char* text :
       {"", "{", "[]", "7", "null", "{\"targets\": 7}",
        "{\"interface-types\": [\"uefi\"], \"features\": {}, \"targets\": [7]}"}) {
    EXPECT_EQ(secure_boot_firmware(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace v2vfs::convert
