// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What a file is by its first bytes, whatever it is called.
enum class ContentKind { empty, ovf, vmx, xen, domain, tar, gzip, xz, zip, disk, other };

/// Reads at most 64 KiB. An XML document is an OVF if it has an Envelope element, a libvirt domain
/// if its root is <domain>. Never `disk`: that is for bare_disks.h to say.
ContentKind content_kind(const SourceFile& file);

}  // namespace v2vfs::inspect
