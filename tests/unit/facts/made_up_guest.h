// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "inspect/model.h"
#include "tests/support/folder_guest.h"

namespace v2vfs::test {

/// A guest of tests/golden/guests/make.py, made in a folder that goes with it.
class MadeUpGuest {
 public:
  explicit MadeUpGuest(const std::string& name);
  ~MadeUpGuest();

  FolderGuest& guest() { return *guest_; }
  /// The machine as its source describes it: firmware and network cards.
  const inspect::MachineSpec& machine() const { return machine_; }
  /// A small osinfo-db that came with it.
  std::string osinfo_folder() const { return folder_ + "/guest/osinfo"; }

 private:
  std::string folder_;
  std::unique_ptr<FolderGuest> guest_;
  inspect::MachineSpec machine_;
};

/// All that make.py can make; `list` as it wants to be asked.
std::vector<std::string> made_up_guests(const std::string& list = "--list");

}  // namespace v2vfs::test
