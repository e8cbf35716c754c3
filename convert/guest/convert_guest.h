// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <string>

#include "convert/guest/conversion_json.h"
#include "convert/guest/conversion_plan.h"
#include "inspect/guest/inspect_guest.h"
#include "inspect/model.h"

namespace v2vfs::convert {

struct ConversionRequest {
  inspect::MachineSpec spec;
  ConversionOptions options;
  inspect::InspectOptions inspect;
  /// Somebody wrote to the disks since they were the source's: a guest that was not shut down is
  /// left alone.
  bool expect_shut_down = false;
  std::string work_folder;  // of this host, private, exists; up to 1 GiB for a moment
  /// Told what goes on now, in a word or two: conversions take a minute.
  std::function<void(const char* stage)> on_stage = [](const char*) {};
};

struct Conversion {
  ConversionPlan plan;
  /// state: "converted", "unsupported", "failed", or "not-shut-down"; but for the first one nothing
  /// that was written may be kept.
  ConversionResult result;
};

/// Converts the chosen guest of disks that are all writable, and of which nothing is mounted:
/// inspects, plans, writes files and initrd supplements, and reads all of it again. No code of the
/// guest is executed, but for the tool that makes its initrds where the options ask for that. Its
/// filesystems stay mounted: the caller finishes the guest. Throws what the guest throws, and
/// Error(ENOPKG) where this host lacks a program.
Conversion convert_guest(inspect::Guest& guest, const ConversionRequest& request);

}  // namespace v2vfs::convert
