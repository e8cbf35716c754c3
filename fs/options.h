// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "convert/disk/disk_view.h"
#include "convert/domain/domain_xml.h"
#include "convert/domain/host.h"
#include "fs/guest_choice.h"

namespace v2vfs::fs {

/// Exit codes are part of the contract (SEMANTICS.md) and never reused.
enum ExitCode {
  exit_ok = 0,
  exit_usage = 1,
  exit_source = 2,
  exit_mount = 3,
  exit_state = 4,
  exit_internal = 5,
};

/// A failure at start: the exit code and one sentence for stderr.
class StartError : public std::runtime_error {
 public:
  StartError(ExitCode exit_code, const std::string& sentence)
      : std::runtime_error(sentence), exit_code_(exit_code) {}
  ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

enum class Convert { automatic, off };

/// Options that can also be given for one VM: `-o VM/option=value`.
struct VmOptions {
  Convert convert = Convert::automatic;
  bool serve_failed = false;  // a guest whose conversion failed
  convert::LayoutChoice layout = convert::LayoutChoice::automatic;
  std::optional<std::uint64_t> reserve_bytes;
  convert::VerifyChoice verify = convert::VerifyChoice::manifest;
  convert::NetworkChoice network;
  std::vector<std::pair<std::string, std::string>> network_map;
  std::string disk_dir;  // empty: the mount itself
  bool guest = true;     // the folder guest/
  bool guest_owner = false;
  bool keep_tools = false;       // of the old hypervisor
  bool rebuild_initrds = false;  // by the guest's own tool, which is executed in the appliance
  bool remove_tools = false;     // by the guest itself at its next boot
  bool guest_agent = false;      // installed by the guest itself at its next boot
  GuestChoice guest_choice;      // root= and keyfile=
};

enum class Command { mount, check, list_states, remove_state };

struct Options {
  Command command = Command::mount;
  bool foreground = false;
  bool debug = false;
  bool json = false;
  std::vector<std::string> sources;
  std::string mountpoint;
  std::string state_id;  // of remove_state

  std::string state_dir;  // never empty after parsing
  bool ephemeral = false;
  bool unpack = false;  // an archive that cannot be read in place
  bool read_only = false;
  bool allow_other = false;
  convert::Accel accel = convert::Accel::automatic;
  std::string ovf_configuration;
  unsigned stop_timeout_s = 60;
  std::string cache_dir;    // never empty after parsing; for what can be made again
  unsigned appliances = 1;  // at once; set to the host's default by the parser
  unsigned appliance_idle_s = 60;
  unsigned appliance_timeout_s = 300;
  std::string log_file;
  std::vector<std::string> fuse_options;  // handed to libfuse as they came

  VmOptions vm;
  /// In the order given; `folder` is the VM's name in the mount.
  struct VmOverride {
    std::string folder, name, value;
  };
  std::vector<VmOverride> vm_overrides;

  /// The options of one VM.
  VmOptions for_vm(const std::string& folder) const;
};

/// nullopt: help or version was printed. Throws StartError(exit_usage).
std::optional<Options> parse_command_line(int argc, char** argv);

/// "a=1,b=c\,d" -> {"a=1", "b=c,d"}.
std::vector<std::string> split_option_list(const std::string& text);

}  // namespace v2vfs::fs
