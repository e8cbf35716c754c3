// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_words.h"

namespace v2vfs::inspect {

std::string_view word(DriverState state) {
  switch (state) {
    case DriverState::absent:
      return "absent";
    case DriverState::module:
      return "module";
    case DriverState::builtin:
      return "builtin";
  }
  return "";
}

std::string_view word(BlockKind kind) {
  switch (kind) {
    case BlockKind::disk:
      return "disk";
    case BlockKind::partition:
      return "partition";
    case BlockKind::logical_volume:
      return "logical-volume";
    case BlockKind::md_array:
      return "md-array";
    case BlockKind::luks_mapping:
      return "luks-mapping";
  }
  return "";
}

}  // namespace v2vfs::inspect
