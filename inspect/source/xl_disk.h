// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect::xl {

/// One entry of `disk = [...]`.
struct DiskEntry {
  std::string target;   // a path or device of the host; "" for an empty drive
  std::string format;   // "raw", "qcow2", "vhd", ...; "" if it is not said
  std::string vdev;     // "xvda", "hdc"
  std::string backend;  // "phy", "qdisk", "tap"; "" if it is not said
  std::string script;   // a program that makes the device; "" for a file or device
  bool is_cdrom = false;
  bool is_read_only = false;
  bool is_device = false;            // "phy:", or a path below /dev
  std::vector<std::string> unknown;  // parameters that are left out
};

/// xl-disk-configuration(5): positional parameters target, format, vdev, access; key=value and
/// flags; `target=` takes all that follows; and the old spellings of xm: phy:, file:, tap:aio:,
/// tap2:, ioemu:, "hdc:cdrom". Nothing makes it throw.
DiskEntry parse_disk(std::string_view text);

}  // namespace v2vfs::inspect::xl
