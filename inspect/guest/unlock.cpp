// SPDX-License-Identifier: MIT
#include "inspect/guest/unlock.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/device_names.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

std::string mapping_over(const Storage& storage, const std::string& container) {
  for (const BlockDevice& device : storage.devices) {
    const bool over =
        std::find(device.below.begin(), device.below.end(), container) != device.below.end();
    if (device.kind == BlockKind::luks_mapping && over) return device.name;
  }
  return "";
}

bool fits(const LuksKey& key, const BlockDevice& container, const DeviceNames& names) {
  if (key.device == "all" || key.device == container.name) return true;
  if (equals_ignoring_case(key.device, container.uuid)) return true;
  return names.resolve(key.device) == container.name;
}

/// The name of the mapping has to be one path component of plain characters: the UUID is the
/// guest's.
std::string mapping_name(const BlockDevice& container, std::size_t number) {
  const bool plain =
      !container.uuid.empty() && container.uuid.size() <= 64 &&
      container.uuid.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
  return plain ? "luks-" + container.uuid : "luks-container-" + std::to_string(number);
}

/// LUKS2 On-Disk Format Specification, 2.1: the magic, then the version, big-endian.
bool is_luks2(Guest& guest, const BlockDevice& container) {
  constexpr std::string_view kLuks2("LUKS\xba\xbe\0\2", 8);
  return guest.read_device(container.name, 0, kLuks2.size()) == kLuks2;
}

/// One key on one container; why it did not open, empty if it did.
std::string try_key(Guest& guest, const BlockDevice& container, const LuksKey& key,
                    const std::string& mapping) {
  try {
    guest.unlock(container.name, key.key, mapping);
    return "";
  } catch (const Error& error) {
    const int number = error.error_number();
    if (number == ETIMEDOUT || number == EIO) throw;
    if (number == EACCES) return "none of the keys given opens it";
    if (number == ENOMEM) {
      return "there is too little memory to derive its key: " + clean_text(error.sentence(), 1024);
    }
    return clean_text(error.sentence(), 1024);
  }
}

class Unlocker {
 public:
  Unlocker(Guest& guest, const std::vector<LuksKey>& keys, std::uint32_t memory_mib)
      : guest_(guest), keys_(keys), memory_mib_(memory_mib) {}

  /// True if something was opened.
  bool round() {
    const Storage storage = guest_.storage();
    const DeviceNames names(storage);
    bool opened = false;
    for (const BlockDevice& device : storage.devices) {
      if (device.type == "crypto_LUKS" && visit(storage, names, device)) opened = true;
    }
    return opened;
  }

  std::vector<LuksFacts> take() { return std::move(found_); }

 private:
  bool visit(const Storage& storage, const DeviceNames& names, const BlockDevice& container) {
    LuksFacts& facts = facts_of(container);
    facts.mapping = mapping_over(storage, container.name);
    if (!facts.mapping.empty() || !facts.problem.empty()) return false;
    const std::string mapping = mapping_name(container, found_.size());
    for (const LuksKey& key : keys_) {
      if (!fits(key, container, names)) continue;
      expect_memory(container);
      facts.problem = try_key(guest_, container, key, mapping);
      if (facts.problem.empty()) {
        facts.mapping = "/dev/mapper/" + mapping;
        return true;
      }
    }
    if (facts.problem.empty()) facts.problem = "no key was given for it";
    return false;
  }

  void expect_memory(const BlockDevice& container) {
    const bool enough = memory_mib_ == 0 || memory_mib_ >= kLuks2MemoryMib;
    if (!enough && is_luks2(guest_, container)) throw MemoryNeeded(kLuks2MemoryMib);
  }

  LuksFacts& facts_of(const BlockDevice& container) {
    for (LuksFacts& facts : found_) {
      if (facts.device == container.name) return facts;
    }
    found_.push_back({container.name, container.uuid, "", ""});
    return found_.back();
  }

  Guest& guest_;
  const std::vector<LuksKey>& keys_;
  const std::uint32_t memory_mib_;
  std::vector<LuksFacts> found_;
};

}  // namespace

std::vector<LuksFacts> unlock_containers(Guest& guest, const std::vector<LuksKey>& keys,
                                         std::uint32_t memory_mib) {
  // The sort is stable: keys for "all" last, else as given.
  std::vector<LuksKey> ordered = keys;
  std::stable_partition(ordered.begin(), ordered.end(),
                        [](const LuksKey& key) { return key.device != "all"; });
  Unlocker unlocker(guest, ordered, memory_mib);
  for (unsigned round = 0; round < kUnlockRounds && unlocker.round(); ++round) {
  }
  return unlocker.take();
}

}  // namespace v2vfs::inspect
