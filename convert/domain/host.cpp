// SPDX-License-Identifier: MIT
#include "convert/domain/host.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "convert/domain/firmware_json.h"
#include "inspect/base/text.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::convert {
namespace {

namespace stdfs = std::filesystem;

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

bool opens_for_writing(const std::string& path) {
  return static_cast<bool>(UniqueFd(::open(path.c_str(), O_RDWR | O_CLOEXEC)));
}

/// The line is "flags : fpu vme ... svm ..." (arch/x86/kernel/cpu/proc.c).
bool has_virtualization_flag(const std::string& cpuinfo) {
  std::istringstream lines(cpuinfo);
  for (std::string line; std::getline(lines, line);) {
    if (line.compare(0, 5, "flags") != 0) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word == "vmx" || word == "svm") return true;
    }
  }
  return false;
}

bool has_secure_boot_firmware(const std::string& folder) {
  std::error_code ignored;
  for (const stdfs::directory_entry& entry : stdfs::directory_iterator(folder, ignored)) {
    if (entry.path().extension() != ".json") continue;
    const auto firmware = secure_boot_firmware(text_of(entry.path().string()));
    if (firmware && stdfs::exists(*firmware, ignored)) return true;
  }
  return false;
}

bool has_program(const HostPaths& paths, const char* name) {
  return std::any_of(
      paths.program_folders.begin(), paths.program_folders.end(),
      [&](const auto& folder) { return ::access((folder + "/" + name).c_str(), X_OK) == 0; });
}

}  // namespace

std::optional<Accel> parse_accel(std::string_view word) {
  if (word == "auto") return Accel::automatic;
  if (word == "kvm") return Accel::kvm;
  if (word == "tcg") return Accel::tcg;
  return std::nullopt;
}

HostFacts read_host_facts(const HostPaths& paths) {
  HostFacts facts;
  facts.kvm_opens = opens_for_writing(paths.kvm_device);
  facts.cpu_virtualizes = has_virtualization_flag(text_of(paths.cpuinfo));
  facts.has_ovmf_secure_boot = std::any_of(paths.firmware_folders.begin(),
                                           paths.firmware_folders.end(), has_secure_boot_firmware);
  facts.has_swtpm = has_program(paths, "swtpm") && has_program(paths, "swtpm_setup");
  facts.boot_id = trim(text_of(paths.boot_id));
  return facts;
}

AccelDecision decide_accel(Accel asked, const HostFacts& facts, std::optional<bool> probed) {
  if (asked == Accel::kvm) return {true, false, "KVM, as accel=kvm says"};
  if (asked == Accel::tcg) return {false, false, "TCG, as accel=tcg says"};
  if (!facts.kvm_opens) return {false, false, "TCG: /dev/kvm does not open"};
  if (!facts.cpu_virtualizes) return {false, false, "TCG: the CPU has neither vmx nor svm"};
  if (!probed) return {false, true, "TCG until a kernel was seen to start under KVM"};
  if (!*probed) return {false, false, "TCG: no kernel starts under KVM on this host"};
  return {true, false, "KVM: a kernel was seen to start under it"};
}

HostChoice host_choice(const HostFacts& facts, const AccelDecision& decision) {
  HostChoice choice;
  choice.kvm = decision.kvm;
  choice.has_ovmf_secure_boot = facts.has_ovmf_secure_boot;
  choice.has_swtpm = facts.has_swtpm;
  return choice;
}

}  // namespace v2vfs::convert
