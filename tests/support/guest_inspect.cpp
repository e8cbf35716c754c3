// SPDX-License-Identifier: MIT
// guest-inspect PROGRAM FOLDER [--xml] [--kvm] [--root=DEVICE] [--key=DEVICE:FILE] [--memory=MIB]
// DISK...
//
// Starts `PROGRAM --appliance` as the daemon does, inspects the disks with it, and prints
// inspection.json (or, with --xml, inspection.xml). FOLDER holds what appliances need.
#include <fstream>
#include <iostream>
#include <sstream>

#include "fs/appliance.h"
#include "inspect/base/error.h"
#include "inspect/guest/inspect_guest.h"
#include "inspect/guest/inspection_json.h"
#include "inspect/guest/inspection_xml.h"

namespace {

using namespace v2vfs;

std::string read_key(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Arguments {
  fs::ApplianceSetup setup;
  inspect::GuestSettings settings;
  inspect::InspectOptions options;
  bool xml = false;
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  arguments.setup.program = argv[1];
  arguments.setup.work_folder = std::string(argv[2]) + "/run";
  arguments.setup.cache_folder = std::string(argv[2]) + "/cache";
  arguments.settings.force_tcg = true;
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--xml") {
      arguments.xml = true;
    } else if (word == "--kvm") {
      arguments.settings.force_tcg = false;
    } else if (word.starts_with("--root=")) {
      arguments.options.root = word.substr(7);
    } else if (word.starts_with("--memory=")) {
      arguments.settings.memory_mib = static_cast<std::uint32_t>(std::stoul(word.substr(9)));
    } else if (word.starts_with("--key=")) {
      const std::size_t colon = word.rfind(':');
      arguments.options.keys.push_back(
          {word.substr(6, colon - 6), read_key(word.substr(colon + 1))});
    } else {
      arguments.settings.disks.push_back({word, false});
    }
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::cerr << "guest-inspect PROGRAM FOLDER [OPTION...] DISK...\n";
    return 1;
  }
  try {
    const Arguments arguments = parse(argc, argv);
    fs::Appliance appliance(arguments.setup, arguments.settings);
    const inspect::GuestInspection found =
        inspect::inspect_guest(appliance.guest(), arguments.options);
    inspect::MachineSpec machine;
    machine.id = machine.name = "guest-inspect";
    std::cout << (arguments.xml
                      ? inspect::inspection_xml(found)
                      : inspect::inspection_json(machine, found, std::chrono::system_clock::now()));
  } catch (const Error& e) {
    std::cerr << e.sentence() << "\n";
    return 1;
  }
  return 0;
}
