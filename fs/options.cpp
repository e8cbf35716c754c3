// SPDX-License-Identifier: MIT
#include "fs/options.h"

#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <functional>
#include <thread>

#include "inspect/base/checked.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

[[noreturn]] void usage(const std::string& sentence) {
  throw StartError(exit_usage, sentence + " (v2vfs --help lists what there is)");
}

[[noreturn]] void bad_value(const std::string& name, const std::string& value,
                            const std::string& expected) {
  usage(fmt::format("option {}={} is not understood: {} is expected", clean_text(name),
                    clean_text(value), expected));
}

std::uint64_t parse_number(const std::string& name, const std::string& value) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size()) {
    bad_value(name, value, "a whole number");
  }
  return number;
}

unsigned parse_count(const std::string& name, const std::string& value, unsigned least,
                     unsigned most) {
  const std::uint64_t number = parse_number(name, value);
  if (number < least || number > most) {
    bad_value(name, value, fmt::format("a whole number from {} to {}", least, most));
  }
  return static_cast<unsigned>(number);
}

std::uint64_t unit_bytes(char suffix) {
  switch (suffix) {
    case 'k':
    case 'K':
      return 1ULL << 10;
    case 'm':
    case 'M':
      return 1ULL << 20;
    case 'g':
    case 'G':
      return 1ULL << 30;
    case 't':
    case 'T':
      return 1ULL << 40;
    default:
      return 0;
  }
}

std::uint64_t parse_size(const std::string& name, std::string value) {
  std::uint64_t unit = value.empty() ? 0 : unit_bytes(value.back());
  const std::string whole = value;
  if (unit)
    value.pop_back();
  else
    unit = 1;
  const Checked bytes = checked_mul(parse_number(name, value), unit);
  if (!bytes || *bytes > (1ULL << 46)) bad_value(name, whole, "a size of at most 64T, as in 64M");
  return *bytes;
}

template <typename T>
T choose(const std::string& name, const std::string& value,
         const std::vector<std::pair<std::string, T>>& choices) {
  std::string words;
  for (const auto& [word, meaning] : choices) {
    if (value == word) return meaning;
    words += (words.empty() ? "" : " or ") + word;
  }
  bad_value(name, value, words);
}

std::pair<std::string, std::string> parse_map(const std::string& value) {
  const std::size_t colon = value.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == value.size()) {
    bad_value("network-map", value, "FROM:TO");
  }
  return {value.substr(0, colon), value.substr(colon + 1)};
}

/// Neither value nor file is repeated in what is said: somebody may have written the key itself.
KeyFile parse_key_file(const std::string& value) {
  const std::size_t colon = value.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == value.size()) {
    usage(
        "option keyfile= is not understood: DEVICE:FILE is expected, where DEVICE is a device of "
        "the "
        "guest, a UUID or all");
  }
  return {value.substr(0, colon), value.substr(colon + 1), "", ""};
}

constexpr const char* kKeepTools = "keep-tools";  // the one option of VMs without a value

/// False: there is no such option.
bool set_guest_option(VmOptions& vm, const std::string& name, const std::string& value) {
  if (name == "guest") {
    vm.guest = choose<bool>(name, value, {{"on", true}, {"off", false}});
  } else if (name == "root") {
    if (value.empty())
      bad_value(name, value, "a device of the guest, UUID=... or DEVICE:SUBVOLUME");
    vm.guest_choice.root = value;
  } else if (name == "keyfile") {
    if (vm.guest_choice.key_files.size() >= kMostKeyFiles) {
      usage(fmt::format("option keyfile= is given more than {} times", kMostKeyFiles));
    }
    vm.guest_choice.key_files.push_back(parse_key_file(value));
  } else if (name == kKeepTools) {
    if (!value.empty()) bad_value(name, value, "no value");
    vm.keep_tools = true;
  } else if (name == "initramfs") {
    vm.rebuild_initrds = choose<bool>(name, value, {{"supplement", false}, {"rebuild", true}});
  } else if (name == "firstboot") {
    vm.*choose<bool VmOptions::*>(name, value,
                                  {{"remove-tools", &VmOptions::remove_tools},
                                   {"guest-agent", &VmOptions::guest_agent}}) = true;
  } else {
    return false;
  }
  return true;
}

/// What an option does with its value; false: there is no such option.
bool set_vm_option(VmOptions& vm, const std::string& name, const std::string& value) {
  using convert::LayoutChoice;
  using convert::NetworkKind;
  using convert::VerifyChoice;
  if (name == "convert") {
    vm.convert =
        choose<Convert>(name, value, {{"auto", Convert::automatic}, {"off", Convert::off}});
  } else if (name == "on-failure") {
    vm.serve_failed = choose<bool>(name, value, {{"error", false}, {"serve", true}});
  } else if (name == "layout") {
    vm.layout = choose<LayoutChoice>(
        name, value, {{"auto", LayoutChoice::automatic}, {"plain", LayoutChoice::plain}});
  } else if (name == "reserve") {
    vm.reserve_bytes = parse_size(name, value);
  } else if (name == "verify") {
    vm.verify = choose<VerifyChoice>(name, value,
                                     {{"manifest", VerifyChoice::manifest},
                                      {"grain", VerifyChoice::grain},
                                      {"off", VerifyChoice::off}});
  } else if (name == "network") {
    if (value.empty()) bad_value(name, value, "the name of a libvirt network, or user");
    vm.network = value == "user" ? convert::NetworkChoice{NetworkKind::user, ""}
                                 : convert::NetworkChoice{NetworkKind::network, value};
  } else if (name == "bridge") {
    if (value.empty()) bad_value(name, value, "the name of a bridge");
    vm.network = {NetworkKind::bridge, value};
  } else if (name == "network-map") {
    vm.network_map.push_back(parse_map(value));
  } else if (name == "disk-dir") {
    if (!value.starts_with('/')) bad_value(name, value, "an absolute path");
    vm.disk_dir = value;
  } else {
    return set_guest_option(vm, name, value);
  }
  return true;
}

bool set_mount_option(Options& options, const std::string& name, const std::string& value) {
  if (name == "state") {
    if (value.empty()) bad_value(name, value, "a folder");
    options.state_dir = value;
  } else if (name == "accel") {
    const std::optional<convert::Accel> accel = convert::parse_accel(value);
    if (!accel) bad_value(name, value, "auto, kvm or tcg");
    options.accel = *accel;
  } else if (name == "ovf-config") {
    options.ovf_configuration = value;
  } else if (name == "stop-timeout") {
    options.stop_timeout_s =
        static_cast<unsigned>(std::min<std::uint64_t>(parse_number(name, value), 86'400));
  } else if (name == "appliances") {
    options.appliances = parse_count(name, value, 1, 64);
  } else if (name == "appliance-idle") {
    options.appliance_idle_s = parse_count(name, value, 0, 86'400);
  } else if (name == "appliance-timeout") {
    options.appliance_timeout_s = parse_count(name, value, 10, 86'400);
  } else if (name == "log") {
    if (value.empty()) bad_value(name, value, "a file");
    options.log_file = value;
  } else {
    return false;
  }
  return true;
}

bool set_flag(Options& options, const std::string& word) {
  if (word == "ephemeral") {
    options.ephemeral = true;
  } else if (word == "unpack") {
    options.unpack = true;
  } else if (word == "ro" || word == "rw") {
    options.read_only = word == "ro";
  } else if (word == "guest-owner") {
    options.vm.guest_owner = true;
  } else if (word == "allow_other" || word == "noallow_other") {
    options.allow_other = word == "allow_other";
  } else {
    return false;
  }
  return true;
}

/// FUSE's own and mount(8)'s generic options; everything else that we do not know is a mistake.
bool is_fuse_option(const std::string& name) {
  // exec, suid and dev would take back what the mount promises; auto_unmount can take away
  // another's mount.
  static const std::vector<std::string> kKnown = {
      "nodev",   "nosuid",    "noexec",     "atime",          "noatime", "sync",
      "async",   "dirsync",   "max_read",   "max_background", "fsname",  "subtype",
      "context", "fscontext", "defcontext", "rootcontext"};
  return std::find(kKnown.begin(), kKnown.end(), name) != kKnown.end();
}

/// What mount(8) and fstab pass along and means nothing here.
bool is_mount_noise(const std::string& name) {
  return name == "defaults" || name == "auto" || name == "noauto" || name == "user" ||
         name == "nouser" || name == "users" || name == "_netdev" || name == "nofail" ||
         name.starts_with("x-") || name == "default_permissions";
}

void apply_option(Options& options, const std::string& option) {
  const std::size_t equals = option.find('=');
  const std::string name = option.substr(0, equals);
  const bool has_value = equals != std::string::npos;
  const std::string value = has_value ? option.substr(equals + 1) : "";
  if (!has_value && set_flag(options, name)) return;
  const std::size_t slash = name.rfind('/');
  const bool is_vm_flag = name.substr(slash + 1) == kKeepTools;  // npos + 1 is 0
  if ((has_value || is_vm_flag) && slash != std::string::npos) {
    options.vm_overrides.push_back({name.substr(0, slash), name.substr(slash + 1), value});
    VmOptions scratch;
    if (set_vm_option(scratch, name.substr(slash + 1), value)) return;
    usage(fmt::format("option {} cannot be given for one VM", clean_text(name)));
  }
  if ((has_value || is_vm_flag) &&
      (set_vm_option(options.vm, name, value) || set_mount_option(options, name, value))) {
    return;
  }
  if (is_mount_noise(name)) return;
  if (!is_fuse_option(name)) usage(fmt::format("option {} is not known", clean_text(option)));
  options.fuse_options.push_back(option);
}

std::string default_state_dir() {
  if (::geteuid() == 0) return "/var/lib/v2vfs";
  if (const char* xdg = std::getenv("XDG_STATE_HOME"); xdg && *xdg == '/') {
    return std::string(xdg) + "/v2vfs";
  }
  const char* home = std::getenv("HOME");
  if (!home || *home != '/') usage("HOME is not set: give -o state=DIR");
  return std::string(home) + "/.local/state/v2vfs";
}

/// One for all mounts of a user, where a user has a home.
std::string cache_dir(const std::string& state_dir) {
  if (::geteuid() == 0) return "/var/cache/v2vfs";
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg && *xdg == '/') {
    return std::string(xdg) + "/v2vfs";
  }
  const char* home = std::getenv("HOME");
  return home && *home == '/' ? std::string(home) + "/.cache/v2vfs" : state_dir + "/cache";
}

Options defaults() {
  Options options;
  options.allow_other = ::geteuid() == 0;
  options.appliances = std::max(1U, std::thread::hardware_concurrency() / 2);
  if (::geteuid() != 0) options.vm.network = {convert::NetworkKind::user, ""};
  return options;
}

constexpr const char* kFooter =
    R"(Options for -o (a comma in a value is written \,; VM/option=value is for one VM):
  state=DIR            where states are kept (default /var/lib/v2vfs for root,
                       $XDG_STATE_HOME/v2vfs for others)
  ephemeral            keep nothing after unmounting
  unpack               unpack a tar.xz of one block, once, into the folder of states
  ro                   nobody writes through the mount
  guest=on|off         show the guest's files in guest/
  root=DEVICE          which of several systems on the disks is meant
  keyfile=DEVICE:FILE  opens the LUKS container DEVICE (or all) with the key in FILE
                       (repeatable)
  guest-owner          show them with the owners that they have in the guest
  convert=auto|off     auto: a Linux guest is converted to virtio when its disks are first used
  on-failure=error|serve   what a guest whose conversion failed is: not served, or as it was
  keep-tools           leave the old hypervisor's tools in the guest as they are
  firstboot=remove-tools|guest-agent   what a converted guest does itself at its next boot
                       (repeatable)
  initramfs=supplement|rebuild   rebuild: the guest's own tool is executed to make its initrds
  layout=auto|plain    how disk.qcow2 is laid out; plain for readers without zlib
  reserve=SIZE         free clusters in front of the data (default 64M or more)
  verify=manifest|grain|off   what is checked against damage of the source
  accel=auto|kvm|tcg   what VMs run on
  network=NAME|user    libvirt network of every NIC (default: default)
  bridge=NAME          a bridge instead of a network
  network-map=FROM:TO  the source's network FROM is the libvirt network TO (repeatable)
  disk-dir=DIR         domain.xml names DIR/VM/disk.qcow2
  ovf-config=ID        the configuration of an OVF that has several
  appliances=N         how many appliances read guests at once (default: one per two CPUs)
  appliance-idle=SECONDS     how long one is kept warm (default 60)
  appliance-timeout=SECONDS  how long one may stand still before it is ended (default 300)
  stop-timeout=SECONDS how long SIGTERM waits for those who write (default 60)
  log=FILE             log there, not to syslog
  allow_other, noallow_other  let other users in (default when root mounts)

Exit codes: 0 mounted, 1 usage, 2 source unreadable, 3 mount failed, 4 state busy
or foreign, 5 internal. Of --check: 0 all usable, 1 some problem, 2 nothing readable.
)";

struct Arguments {
  std::vector<std::string> positional;
  std::vector<std::string> option_lists;
  bool check = false;
  bool list_states = false;
};

void declare(CLI::App& app, Options& options, Arguments& arguments) {
  app.add_option("paths", arguments.positional, "SOURCE... MOUNTPOINT")->type_name("");
  app.add_option("-o", arguments.option_lists, "Mount options, comma separated")
      ->type_name("OPTION,...")
      ->allow_extra_args(false);
  app.add_flag("-f", options.foreground, "Stay in the foreground, log to stderr");
  app.add_flag("-d", options.debug, "Stay in the foreground, log everything");
  app.add_flag("--check", arguments.check, "Read SOURCE..., say what was found, mount nothing");
  app.add_flag("--json", options.json, "With --check: as JSON");
  app.add_flag("--list-states", arguments.list_states, "List the kept states and what they hold");
  app.add_option("--remove-state", options.state_id, "Remove the state ID")->type_name("ID");
  app.set_version_flag("-V,--version", "v2vfs " V2VFS_VERSION);
  app.footer(kFooter);
}

void choose_command(Options& options, const Arguments& arguments) {
  std::vector<std::string> paths = arguments.positional;
  if (arguments.list_states) {
    options.command = Command::list_states;
  } else if (!options.state_id.empty()) {
    options.command = Command::remove_state;
  } else if (arguments.check) {
    options.command = Command::check;
    if (paths.empty()) usage("--check needs a SOURCE");
  } else {
    if (paths.size() < 2) usage("a SOURCE and a MOUNTPOINT are needed");
    options.mountpoint = paths.back();
    paths.pop_back();
  }
  options.sources = std::move(paths);
  options.foreground |= options.debug;
}

}  // namespace

std::vector<std::string> split_option_list(const std::string& text) {
  std::vector<std::string> parts(1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && (text[i + 1] == ',' || text[i + 1] == '\\')) {
      parts.back() += text[++i];
    } else if (text[i] == ',') {
      parts.emplace_back();
    } else {
      parts.back() += text[i];
    }
  }
  std::erase(parts, "");
  return parts;
}

VmOptions Options::for_vm(const std::string& folder) const {
  VmOptions mine = vm;
  for (const VmOverride& o : vm_overrides) {
    if (o.folder == folder) set_vm_option(mine, o.name, o.value);
  }
  return mine;
}

std::optional<Options> parse_command_line(int argc, char** argv) {
  Options options = defaults();
  Arguments arguments;
  CLI::App app("Mount VMs of other hypervisors: each is a folder with domain.xml and disk.qcow2.",
               "v2vfs");
  declare(app, options, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& e) {  // --help, --version
    app.exit(e);
    return std::nullopt;
  } catch (const CLI::ParseError& e) {
    usage(e.what());
  }
  for (const std::string& list : arguments.option_lists) {
    for (const std::string& option : split_option_list(list)) apply_option(options, option);
  }
  if (options.state_dir.empty()) options.state_dir = default_state_dir();
  options.cache_dir = cache_dir(options.state_dir);
  choose_command(options, arguments);
  return options;
}

}  // namespace v2vfs::fs
