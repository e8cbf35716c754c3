// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/guest_reader.h"
#include "inspect/guest/initrd_archive.h"

namespace v2vfs::inspect {

/// Opens the initrd at `path` of the mounted guest and says what matters of it. What cannot be read
/// is told in InitrdFacts::problem.
InitrdFacts inspect_initrd(GuestReader& reader, const std::string& path);

/// The same from an archive that was read. Pure.
InitrdFacts initrd_facts(const InitrdArchive& archive);

/// A kernel module, plain or compressed, by its name.
bool is_module_file(std::string_view name);

/// Small files of an initrd that decide how it finds the root: their content is kept.
bool is_initrd_config(std::string_view name);

/// The tool that made it, by what it leaves in the image: "initramfs-tools", "dracut",
/// "mkinitcpio", "mkinitfs" (Alpine), "mkinitrd" (Red Hat's nash), "mkinitrd-suse", "booster",
/// "make-initrd" (ALT); empty: none of them.
std::string initrd_generator(const InitrdArchive& archive);

}  // namespace v2vfs::inspect
