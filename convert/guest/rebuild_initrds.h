// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "convert/guest/conversion_plan.h"

/// Initrds that the guest's own tool makes anew, for who asked for that (initramfs=rebuild).
namespace v2vfs::convert {

/// The program and its arguments that make a kernel's image anew, in its place. Empty: the kernel
/// has none, or what made it is not known or cannot be told which image is meant.
std::vector<std::string> rebuild_command(const inspect::GuestFacts& guest,
                                         const inspect::KernelFacts& kernel);

/// Runs what the plan's initrds are to be rebuilt with, over files that are as planned and may all
/// be written. Gives a sentence on the first that did not end well; empty: all did. What the images
/// then hold is not known.
std::string rebuild_initrds(inspect::Guest& guest, const ConversionPlan& plan);

}  // namespace v2vfs::convert
