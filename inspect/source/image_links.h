// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What a file is to a machine, by its first bytes (and a VHD's last ones).
enum class ImageKind {
  none,
  vmdk,    // a whole one: a descriptor, or an extent with its descriptor
  part,    // an extent of a VMDK whose descriptor is another file
  format,  // qcow2, VHD, VHDX, VDI, QED, Parallels
  boot,    // no header, but a boot sector
};

struct ImageLinks {
  ImageKind kind = ImageKind::none;
  /// The files that it is made of or builds upon (extents, parent, backing file), as it names them.
  std::vector<std::string> files;
  /// Those of them that it builds upon: the places where its parent may be.
  std::vector<std::string> parents;
  bool is_difference = false;  // a differencing VHD or VHDX, which is not served
  /// Of a VDI: its uuid, and that of what it builds upon (it names no file); 16 bytes, or empty.
  std::string id, parent_id;
};

/// Reads at most 128 KiB. For finding out which disk belongs to which machine only: nothing is
/// opened by these names. Throws Error(EIO).
ImageLinks read_image_links(const SourceFile& file);

/// True for what a user may name as a disk of its own: an image, or a file called .raw or .dd.
bool is_disk_image(const SourceFile& file, std::string_view name);

}  // namespace v2vfs::inspect
