// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "convert/guest/text_edit.h"

/// Edits of what arrays and volume groups are looked for by. As config_edits.h: words change,
/// nothing else; twice is the same as once.
namespace v2vfs::convert {

/// mdadm.conf(5): "partitions" beside DEVICEs by name; devices= goes where the array's UUID is
/// there, else its names change.
std::string edit_mdadm(std::string_view text, const Rename& kernel_name);

/// filter and global_filter of lvm.conf(5): behind each pattern that names disks the same for the
/// disks of the new bus, which are called `prefix` ("vd", "sd").
std::string edit_lvm_filters(std::string_view text, std::string_view prefix);

}  // namespace v2vfs::convert
