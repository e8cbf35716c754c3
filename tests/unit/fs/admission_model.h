// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

#include "fs/admission_rules.h"

namespace v2vfs::fs {

/// What the search came upon: the first violation, with the steps that led to it, and the number of
/// different states that were looked at.
struct AdmissionFinding {
  std::string violation;
  std::string steps;
  std::uint64_t states = 0;
};

/// Goes through every interleaving of three programs, each of which may be a reader, a writer, an
/// editor of a guest file or somebody who wants to know what the guest is, with the converter, the
/// applier, the read-only appliance and the words of ctl. Checks in each state:
///   - who waits, waits for something that runs, and that no holder keeps from ending;
///   - if all that runs ends, and nobody new comes, then nobody waits any more;
///   - work changes the base only while nobody writes to it and nobody has read from it;
///   - what was saved is pending, applied, or was thrown away by name;
///   - nobody is refused, or let in past a pending edit, without a reason;
///   - nobody reads a disk of another shape than the one that was opened;
///   - nothing is held by nobody.
AdmissionFinding search_admission(const AdmissionRules& rules);

}  // namespace v2vfs::fs
