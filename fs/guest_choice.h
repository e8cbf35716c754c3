// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "inspect/guest/inspect_guest.h"

namespace v2vfs::fs {

constexpr std::size_t kMostKeyFiles = 64;
constexpr std::size_t kMostKeyBytes = 64 << 10;

/// A file with the key of a LUKS container: `-o keyfile=DEVICE:FILE`.
struct KeyFile {
  std::string device;  // as inspect::LuksKey::device
  std::string path;
  std::string bytes;       // once it was read
  std::string appearance;  // once it was read: which file it was, of which time
};

/// What the user says of one VM's guest. A value; keys are in memory only, and shown nowhere.
struct GuestChoice {
  std::string root;  // `-o root=`, as inspect::InspectOptions::root
  std::vector<KeyFile> key_files;

  /// To be called once, while relative paths mean what the user means. Throws
  /// StartError(exit_usage) for a file that cannot be read, is empty, is larger than kMostKeyBytes,
  /// or has a NUL byte in it, which libguestfs cannot be given.
  void read_key_files();
  /// In the order given. A line's end at the end of a file is taken for an editor's: the key
  /// without it comes first, then the file as it is.
  std::vector<inspect::LuksKey> keys() const;
  /// Of another text something else may be found on the same disks. It says nothing of the keys
  /// themselves, because it is kept.
  std::string fingerprint() const;
};

}  // namespace v2vfs::fs
