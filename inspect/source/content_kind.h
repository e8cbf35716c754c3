// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What a file is by its first bytes, whatever it is called.
enum class ContentKind {
  empty,
  ovf,
  vmx,
  xen,
  domain,
  tar,
  tar_gzip,
  tar_xz,
  zip,
  gzip,  // of something else
  xz,    // of something else
  disk,
  other
};

/// True for what has members: tar, plain or compressed, and zip.
bool is_archive(ContentKind kind);

/// Looks at no more than 64 KiB, of what is compressed at what that holds. An XML document is an
/// OVF if it has an Envelope element, a libvirt domain if its root is <domain>. Never `disk`: that
/// is for bare_disks.h to say.
ContentKind content_kind(const SourceFile& file);

}  // namespace v2vfs::inspect
