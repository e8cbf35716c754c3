// SPDX-License-Identifier: MIT
#pragma once

#include "convert/disk/vmdk_sparse_header.h"

/// The headers of the sparse extents that ESX writes for snapshots. Both hold nothing but a map and
/// grains: what disk they are, and of what parent, stands in a descriptor beside them.
namespace v2vfs::convert {

/// COWD ("Virtual Disk Format 5.0", section "ESX Server Sparse Extents"): 2 KiB of header, grains
/// of mostly one sector, tables of 4096 entries of 32 bits.
///
/// seSparse (no document of VMware's says more than its name; the layout is what QEMU's
/// block/vmdk.c reads, and what files of ESXi 6.5 and later hold): grains of 4 KiB, entries of 64
/// bits.
///
/// Throws Error with file and offset: EIO for damage, EOPNOTSUPP for what is beyond the limits
/// (COWD: grains of 512 bytes to 4 MiB; seSparse: version 2.1, 64 TiB, no open journal).
SparseHeader read_cowd_header(const inspect::SourceFile& file);
SparseHeader read_se_sparse_header(const inspect::SourceFile& file);

/// Of whatever kind `kind` is; a file of another kind is EIO.
SparseHeader read_header(const inspect::SourceFile& file, SparseKind kind);

}  // namespace v2vfs::convert
