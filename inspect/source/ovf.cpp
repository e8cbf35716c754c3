// SPDX-License-Identifier: MIT
#include "inspect/source/ovf.h"

#include <fmt/core.h>

#include <cerrno>
#include <map>
#include <set>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/ovf_document.h"
#include "inspect/source/ovf_hardware.h"
#include "inspect/source/ovf_items.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/ovf_startup.h"
#include "inspect/source/ovf_storage.h"
#include "inspect/source/ovf_tables.h"
#include "inspect/source/ovf_units.h"
#include "inspect/source/ovf_vendors.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace ovf {
namespace {

constexpr std::size_t kMostCollections = 64;  // nested
constexpr std::size_t kMostMachines = 10'000;

/// What is read, so that the rest can be named as left out.
bool is_known_section(std::string_view kind) {
  static const std::set<std::string_view> kKnown = {"Info",
                                                    "Name",
                                                    "VirtualSystem",
                                                    "VirtualSystemCollection",
                                                    "VirtualHardwareSection",
                                                    "OperatingSystemSection",
                                                    "AnnotationSection",
                                                    "ProductSection",
                                                    "StartupSection",
                                                    "NetworkSection",
                                                    "DiskSection",
                                                    "References",
                                                    "DeploymentOptionSection",
                                                    "Machine",
                                                    "Description",
                                                    "Strings"};
  return kKnown.contains(kind);
}

class EnvelopeReader {
 public:
  EnvelopeReader(Node envelope, std::string_view file, const SourceOptions& options)
      : envelope_(envelope), file_(file), tables_(envelope, options.ovf_configuration) {}

  OvfEnvelope run() {
    read_networks();
    note_sections(envelope_);
    walk(envelope_, 0);
    result_.appliance.properties = tables_.properties();
    result_.appliance.startup = read_startup(envelope_);
    result_.packed_files = tables_.packed_files();
    if (result_.appliance.name.empty()) result_.appliance.name = stem_part(file_);
    for (OvfMachine& machine : result_.machines) {
      for (const std::string& sentence : ignored_) add_note(machine.spec.ignored, sentence);
    }
    return std::move(result_);
  }

 private:
  void read_networks() {
    for (const Node& section : children(envelope_, "NetworkSection")) {
      for (const Node& network : children(section, "Network")) {
        result_.appliance.networks.push_back(
            {attribute_or(network, "name", ""), child_text(network, "Description")});
      }
    }
  }

  void note_sections(Node node) {
    for (const Node& each : node.children()) {
      const std::string_view kind = kind_of(each);
      if (each.type() != pugi::node_element || !kind.ends_with("Section")) continue;
      if (!is_known_section(kind)) {
        add_note(ignored_, fmt::format("The section {} is left out.", clean_text(kind, 64)));
      }
    }
  }

  void walk(Node node, std::size_t depth) {
    for (const Node& each : node.children()) {
      const std::string_view kind = kind_of(each);
      if (kind == "VirtualSystem") add_machine(each);
      if (kind == "VirtualSystemCollection") walk_collection(each, depth + 1);
    }
  }

  void walk_collection(Node collection, std::size_t depth) {
    if (depth > kMostCollections) {
      throw Error(EINVAL, "{}: collections are nested deeper than 64 levels", clean_text(file_));
    }
    note_sections(collection);
    if (depth == 1 && result_.appliance.name.empty()) {
      result_.appliance.name = child_text(collection, "Name");
      if (result_.appliance.name.empty())
        result_.appliance.name = attribute_or(collection, "id", "");
    }
    walk(collection, depth);
  }

  void add_machine(Node system) {
    if (result_.machines.size() >= kMostMachines) {
      throw Error(EINVAL, "{}: it describes more than 10,000 machines", clean_text(file_));
    }
    OvfMachine machine;
    MachineSpec& spec = machine.spec;
    for (const std::string& sentence : tables_.assumptions()) add_note(spec.assumptions, sentence);
    read_identity(system, spec);
    read_texts(system, spec);
    const Node hardware = choose_hardware(system, spec);
    read_hardware(system, hardware, machine);
    for (const Node& section : system.children()) note_section_of(section, spec);
    result_.machines.push_back(std::move(machine));
  }

  void read_hardware(Node system, Node hardware, OvfMachine& machine) {
    if (!hardware) {
      add_problem(machine.spec.problems, {"no-hardware", Severity::error,
                                          fmt::format("The machine {} has no hardware section.",
                                                      quoted(machine.spec.name)),
                                          "Export the machine again."});
    }
    const std::vector<Item> items = read_items(hardware, tables_.configuration());
    read_devices(items, machine.spec);
    machine.unservable_disks = read_storage(items, tables_, machine.spec);
    read_vmware_config(hardware, machine.spec);
    read_virtualbox(system, machine.spec);
    read_ovirt(system, machine.spec);
  }

  static void note_section_of(Node section, MachineSpec& spec) {
    const std::string_view kind = kind_of(section);
    if (section.type() == pugi::node_element && kind.ends_with("Section") &&
        !is_known_section(kind)) {
      add_note(spec.ignored, fmt::format("The section {} is left out.", clean_text(kind, 64)));
    }
  }

  /// The name: Name, VirtualBox's, VMware's VirtualSystemIdentifier, the id, the file.
  void read_identity(Node system, MachineSpec& spec) {
    const std::string id = attribute_or(system, "id", "");
    spec.name = child_text(system, "Name");
    if (spec.name.empty()) spec.name = attribute_or(child(system, "Machine"), "name", "");
    if (spec.name.empty()) {
      const Node hardware = child(system, "VirtualHardwareSection");
      spec.name = child_text(child(hardware, "System"), "VirtualSystemIdentifier");
    }
    if (spec.name.empty()) spec.name = id;
    if (trim(spec.name).empty()) {
      spec.name = stem_part(file_);
      add_note(spec.assumptions, "The machine has no name; the file's name is used.");
    }
    spec.id = unique_id(id.empty() ? spec.name : id, spec);
  }

  std::string unique_id(const std::string& wanted, MachineSpec& spec) {
    std::string id = wanted;
    for (unsigned& n = copies_[wanted]; !ids_.insert(id).second;) {
      id = fmt::format("{}#{}", wanted, ++n + 1);
    }
    if (id != wanted) {
      add_note(spec.assumptions, fmt::format("Two machines have the id {}; this one is called {}.",
                                             quoted(wanted), quoted(id)));
    }
    return id;
  }

  static void read_texts(Node system, MachineSpec& spec) {
    spec.description = child_text(child(system, "AnnotationSection"), "Annotation");
    if (spec.description.empty()) spec.description = child_text(system, "Description");
    const Node section = child(system, "OperatingSystemSection");
    spec.os_type = attribute_or(section, "osType", "");
    if (spec.os_type.empty()) spec.os_type = child_text(section, "OSType");
    const std::string described = child_text(section, "Description");
    if (spec.os_type.empty() && described.find(' ') == std::string::npos) spec.os_type = described;
    if (spec.os_type.empty()) spec.os_type = attribute_or(section, "id", "");
  }

  Node envelope_;
  std::string_view file_;
  Tables tables_;
  OvfEnvelope result_;
  std::vector<std::string> ignored_;
  std::set<std::string> ids_;
  std::map<std::string, unsigned> copies_;
};

}  // namespace
}  // namespace ovf

OvfEnvelope parse_ovf(std::string_view text, std::string_view file, const SourceOptions& options) {
  const ovf::Document document(text, file);
  return ovf::EnvelopeReader(document.envelope(), file, options).run();
}

}  // namespace v2vfs::inspect
