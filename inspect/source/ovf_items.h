// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/ovf_document.h"

/// The Items of a VirtualHardwareSection: CIM_ResourceAllocationSettingData, and OVF 2's storage
/// and ethernet kin (DSP0243 8.3, 8.4).
namespace v2vfs::inspect::ovf {

/// CIM_ResourceAllocationSettingData.ResourceType, as far as they matter here.
enum ResourceType : unsigned {
  kOther = 1,
  kProcessor = 3,
  kMemory = 4,
  kIdeController = 5,
  kScsiHba = 6,
  kEthernet = 10,
  kFloppy = 14,
  kCdDrive = 15,
  kDvdDrive = 16,
  kDiskDrive = 17,
  kStorageExtent = 19,
  kOtherStorage = 20,
  kGraphics = 24,
  kLogicalDisk = 31,
};

struct Item {
  unsigned type = 0;  // 0: none, or no number
  std::string instance_id;
  std::string parent;
  std::string label;  // what a person would call it
  std::string subtype;
  std::string address;
  std::string address_on_parent;
  std::string connection;
  std::string host_resource;
  std::string quantity;
  std::string units;
  std::string bound;  // "", "normal", "min" or "max"
  bool is_connected = true;
  Node node;

  /// vmw:Config of that key.
  std::optional<std::string> config(std::string_view key) const;
};

/// The value of the vmw:Config or vmw:ExtraConfig child with that key.
std::optional<std::string> config_value(Node node, std::string_view element, std::string_view key);

/// The items that hold for `configuration`, in document order. An item for a configuration takes
/// the place of the one with the same InstanceID that is for all (DSP0243 9.8).
std::vector<Item> read_items(Node hardware, const std::string& configuration);

/// A list that is separated by blanks or commas.
std::vector<std::string> split_words(std::string_view text);

}  // namespace v2vfs::inspect::ovf
