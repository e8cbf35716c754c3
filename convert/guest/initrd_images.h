// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "convert/guest/conversion_plan.h"
#include "convert/guest/initrd_supplement.h"

/// The initrds of a plan and their supplements. The guest is mounted; to write, writable.
namespace v2vfs::convert {

/// One image: what it needs, and what it gets.
struct Image {
  const InitrdNeed* need;  // of the plan, which outlives this
  Supplement supplement;
};

/// Makes all supplements, writes none. Throws as make_supplement() does.
std::vector<Image> make_images(inspect::Guest& guest, const inspect::GuestFacts& facts,
                               const ConversionPlan& plan, const std::string& work_folder);

/// Why the guest would not start; empty: it will. A kernel that is not the default one may stay as
/// it is.
std::string why_it_would_not_start(const inspect::GuestFacts& facts,
                                   const std::vector<Image>& images);

/// Writes and reads again; what became of each goes to `outcomes`, by path.
void write_images(inspect::Guest& guest, const std::vector<Image>& images,
                  std::map<std::string, std::string>& outcomes);

}  // namespace v2vfs::convert
