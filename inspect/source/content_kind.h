// SPDX-License-Identifier: MIT
#pragma once

#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What a file is by its first bytes, whatever it is called.
enum class ContentKind { empty, ovf, tar, gzip, xz, zip, other };

/// Reads at most 64 KiB. An XML document is an OVF if it has an Envelope element.
ContentKind content_kind(const SourceFile& file);

}  // namespace v2vfs::inspect
