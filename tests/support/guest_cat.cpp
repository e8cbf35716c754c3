// SPDX-License-Identifier: MIT
// guest-cat PROGRAM FOLDER [--kvm] [--memory=MIB] [--silence=SECONDS] [--writable] DISK...
//
// Starts `PROGRAM --appliance` as the daemon does and reads calls from stdin, each a JSON array in
// a line: ["read", "/etc/fstab", 0, 100]. Answers each with a line: {"result": ...} or
// {"errno": N, "error": "..."}. ["pid"] is the child's. FOLDER holds what appliances need.
#include <sys/wait.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "fs/appliance.h"
#include "inspect/base/text.h"

namespace {

using namespace v2vfs;
using nlohmann::json;

/// Bytes that may not be UTF-8, each as the character of the same number.
std::string latin(const std::string& bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      text += c;
    } else {
      text += static_cast<char>(0xc0 | byte >> 6);
      text += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return text;
}

json to_json(const inspect::FileStat& s) {
  return {{"kind", static_cast<int>(s.kind)},
          {"mode", s.permissions},
          {"uid", s.uid},
          {"gid", s.gid},
          {"links", s.links},
          {"size", s.bytes},
          {"rdev", s.rdev},
          {"device", s.device},
          {"mtime_ns", s.modified_ns}};
}

json to_json(const inspect::Storage& storage) {
  json all = {{"devices", json::array()},
              {"tables", json::array()},
              {"partitions", json::array()},
              {"volumes", json::array()}};
  for (const auto& d : storage.devices) {
    all["devices"].push_back({{"name", d.name},
                              {"kind", static_cast<int>(d.kind)},
                              {"below", d.below},
                              {"bytes", d.bytes},
                              {"type", d.type},
                              {"uuid", d.uuid},
                              {"label", latin(d.label)}});
  }
  for (const auto& t : storage.tables) {
    all["tables"].push_back({{"disk", t.disk},
                             {"index", t.index ? json(*t.index) : json()},
                             {"kind", t.kind},
                             {"id", t.disk_id}});
  }
  for (const auto& p : storage.partitions) {
    all["partitions"].push_back({{"device", p.device},
                                 {"disk", p.disk},
                                 {"number", p.number},
                                 {"start", p.start_bytes},
                                 {"bytes", p.bytes},
                                 {"bootable", p.bootable},
                                 {"mbr_id", p.mbr_id ? json(*p.mbr_id) : json()},
                                 {"gpt_type", p.gpt_type},
                                 {"partuuid", p.partuuid},
                                 {"partlabel", latin(p.partlabel)}});
  }
  for (const auto& v : storage.volumes) {
    all["volumes"].push_back(
        {{"device", v.device}, {"group", v.group}, {"name", v.name}, {"uuid", v.uuid}});
  }
  return all;
}

json subvolumes(inspect::Guest& guest, const std::string& device) {
  json all = json::array();
  for (const auto& s : guest.btrfs_subvolumes(device)) {
    all.push_back({{"id", s.id},
                   {"path", latin(s.path)},
                   {"default", s.is_default},
                   {"snapshot", s.is_snapshot}});
  }
  return all;
}

json listing(inspect::Guest& guest, const std::string& path) {
  json all = json::array();
  for (const auto& e : guest.list(path)) {
    all.push_back(
        {{"name", latin(e.name)}, {"stat", to_json(e.stat)}, {"target", latin(e.target)}});
  }
  return all;
}

json xattrs(inspect::Guest& guest, const std::string& path) {
  json all = json::object();
  for (const auto& x : guest.xattrs(path)) all[x.name] = latin(x.value);
  return all;
}

json packages(inspect::Guest& guest, const std::string& device) {
  json all = json::array();
  for (const auto& p : guest.rpm_packages(device)) {
    all.push_back({p.name, p.epoch, p.version, p.release, p.arch});
  }
  return all;
}

json registry(inspect::Guest& guest, const std::string& hive, const std::string& key,
              const std::string& name) {
  const auto value = guest.registry_value(hive, key, name);
  return value ? json{{"type", value->type}, {"bytes", latin(value->bytes)}} : json();
}

template <typename T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

json look(inspect::Guest& g, const std::string& call, const json& c) {
  const auto text = [&](std::size_t i) { return c.at(i).get<std::string>(); };
  const auto number = [&](std::size_t i) { return c.at(i).get<std::uint64_t>(); };
  if (call == "storage") return to_json(g.storage());
  if (call == "subvolumes") return subvolumes(g, text(1));
  if (call == "read_device") return latin(g.read_device(text(1), number(2), number(3)));
  if (call == "space")
    return {{"bytes", g.space(text(1)).bytes}, {"free", g.space(text(1)).free_bytes}};
  if (call == "stat") return to_json(g.stat(text(1)));
  if (call == "list") return listing(g, text(1));
  if (call == "readlink") return latin(g.readlink(text(1)));
  if (call == "read") return latin(g.read(text(1), number(2), number(3)));
  if (call == "xattrs") return xattrs(g, text(1));
  if (call == "resolve") return or_null(g.resolve(text(1)));
  if (call == "resolve_case") return or_null(g.resolve_case(text(1)));
  if (call == "rpm_packages") return packages(g, text(1));
  if (call == "registry_value") return registry(g, text(1), text(2), text(3));
  if (call == "registry_keys") return g.registry_keys(text(1), text(2));
  throw Error(EINVAL, "no such call: {}", call);
}

bool change(inspect::Guest& g, const std::string& call, const json& c) {
  const auto text = [&](std::size_t i) { return c.at(i).get<std::string>(); };
  const auto number = [&](std::size_t i) { return c.at(i).get<std::uint32_t>(); };
  if (call == "unlock") return g.unlock(text(1), text(2), text(3)), true;
  if (call == "mount") return g.mount({text(1), text(2), text(3), c.size() > 4}), true;
  if (call == "unmount_all") return g.unmount_all(), true;
  if (call == "write_file") return g.write_file(text(1), text(2)), true;
  if (call == "append") return g.append(text(1), text(2)), true;
  if (call == "truncate") return g.truncate(text(1), number(2)), true;
  if (call == "rename") return g.rename(text(1), text(2)), true;
  if (call == "remove") return g.remove(text(1)), true;
  if (call == "make_directory") return g.make_directory(text(1), number(2)), true;
  if (call == "make_symlink") return g.make_symlink(text(1), text(2)), true;
  if (call == "set_permissions") return g.set_permissions(text(1), number(2)), true;
  if (call == "set_owner") return g.set_owner(text(1), number(2), number(3)), true;
  if (call == "set_xattr") return g.set_xattr(text(1), {text(2), text(3)}), true;
  if (call == "remove_xattr") return g.remove_xattr(text(1), text(2)), true;
  if (call == "sync") return g.sync(), true;
  if (call == "start_anew") return g.start_anew(), true;
  if (call == "finish") return g.finish(), true;
  return false;
}

json answer(fs::Appliance& appliance, const std::string& line) {
  try {
    const json call = json::parse(line);
    const std::string name = call.at(0);
    if (name == "pid") return {{"result", appliance.pid()}};
    if (change(appliance.guest(), name, call)) return {{"result", nullptr}};
    return {{"result", look(appliance.guest(), name, call)}};
  } catch (const Error& e) {
    return {{"errno", e.error_number()}, {"error", e.sentence()}};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "guest-cat PROGRAM FOLDER [OPTION...] DISK...\n";
    return 1;
  }
  fs::ApplianceSetup setup;
  setup.program = argv[1];
  setup.work_folder = std::string(argv[2]) + "/run";
  setup.cache_folder = std::string(argv[2]) + "/cache";
  inspect::GuestSettings settings;
  settings.force_tcg = true;
  bool writable = false;
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--kvm") {
      settings.force_tcg = false;
    } else if (word == "--writable") {
      writable = true;
    } else if (word.starts_with("--memory=")) {
      settings.memory_mib = static_cast<std::uint32_t>(std::stoul(word.substr(9)));
    } else if (word.starts_with("--silence=")) {
      setup.limits.silence = std::chrono::seconds(std::stoul(word.substr(10)));
    } else if (word.starts_with("--boot=")) {
      setup.boot_folder = word.substr(7);
    } else {
      settings.disks.push_back({word, writable});
    }
  }
  try {
    fs::Appliance appliance(setup, settings);
    for (std::string line; std::getline(std::cin, line);) {
      std::cout << answer(appliance, line).dump() << std::endl;
    }
  } catch (const Error& e) {
    std::cout << json{{"errno", e.error_number()}, {"error", e.sentence()}}.dump() << std::endl;
    return 1;
  }
  return 0;
}
