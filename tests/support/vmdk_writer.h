// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/pattern.h"

/// Writes VMDKs as VMware's tools do ("Virtual Disk Format 5.0"), and broken ones as nobody should.
namespace v2vfs::test {

enum class VmdkType {
  stream_optimized,
  monolithic_sparse,
  monolithic_flat,
  two_gb_sparse,
  two_gb_flat,
  vmfs,
  vmfs_sparse,  // COWD
  se_sparse,
};

/// What is wrong with it. The first sparse extent is the one that is damaged.
enum class Damage {
  none,
  table_past_end,   // the directory's entry of the first table points outside the file
  entry_past_end,   // so does the second stored grain's entry
  missing_table,    // the first table's entry is 0, but not in the redundant copy
  same_place,       // two entries point to one grain
  many_references,  // more than 65,535 entries point to one grain
  flipped_bit,      // in the middle of the second stored grain
  no_footer,        // the file is cut before it
  wrong_marker,     // the second stored grain's marker names another place
  bad_newlines,     // transferred as text
  same_table,       // COWD, seSparse: the directory's second entry is its first one
  open_journal,     // seSparse: its writer did not close it
};

struct VmdkOptions {
  VmdkType type = VmdkType::stream_optimized;
  std::uint64_t grain_sectors = 128;
  bool directory_in_footer = true;  // streamOptimized, else the header names it
  bool pad_last_grain = false;      // to a whole grain, where the capacity ends within one
  bool shift_grains = false;        // raw grains one sector off their alignment
  bool zero_grains = false;         // version 2: written zeros as table entry 1
  bool shuffle = false;             // grains in the file in another order than on the disk
  std::uint64_t extent_bytes = std::uint64_t{2047} << 20;  // of two_gb_*
  std::uint32_t cid = 0x7e57d15c;
  std::uint32_t parent_cid = 0xffffffff;
  std::string parent_hint = {};  // parentFileNameHint
  Damage damage = Damage::none;
};

VmdkType vmdk_type(std::string_view word);
Damage vmdk_damage(std::string_view word);

/// `path` ends in ".vmdk"; extents get names beside it. The content's size must be whole sectors.
void write_vmdk(const Content& content, const VmdkOptions& options, const std::string& path);

struct Link {
  VmdkType type = VmdkType::monolithic_sparse;
  std::uint64_t grain_sectors = 128;
};
/// "monolithicSparse", "vmfsSparse/8"; the grain is the usual one of the type where none is given.
Link chain_link(std::string_view word);

/// Writes the contents of a chain (chain_content.h), the first at `path`, "d.vmdk", the others at
/// "d-000001.vmdk", ... `options` is for all of them. Returns their paths.
std::vector<std::string> write_chain(const std::vector<std::unique_ptr<Content>>& contents,
                                     const std::vector<Link>& links, VmdkOptions options,
                                     const std::string& path);

/// A streamOptimized disk of `bytes` with every grain allocated: tables real, grains holes.
void write_full_vmdk(std::uint64_t bytes, const std::string& path);

}  // namespace v2vfs::test
