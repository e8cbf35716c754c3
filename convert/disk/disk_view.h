// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inspect/model.h"
#include "inspect/source/source_file.h"

/// A source disk shown as one qcow2 file (version 3, docs/interop/qcow2.txt of QEMU) that is never
/// stored:
///
///   header | L1 | refcount table (padded) | refcount blocks | L2 tables | reserve | data runs |
///   tail
///   \______ cold zone, >= 8 MiB _________/                    a hole    source's bytes    8 MiB
///   hole
///
/// This is the only door of convert/disk for the rooms above it.
namespace v2vfs::convert {

enum class LayoutChoice {
  automatic,  // grains verbatim where the format allows it, else plain
  plain,      // one to one: every guest byte at a place of its own, inflated on the fly
};

enum class VerifyChoice { manifest, grain, off };

struct ViewOptions {
  LayoutChoice layout = LayoutChoice::automatic;
  std::optional<std::uint64_t> reserve_bytes;  // default: the larger of 64 MiB and 1,024 clusters
  bool verify_grains = false;  // each deflated grain is inflated once before it is served
};

/// A stretch of a file that is all data or all hole (reads as zeros).
struct Stretch {
  std::uint64_t end = 0;  // bytes, exclusive
  bool is_hole = false;
};

struct VerifyReport {
  std::uint64_t grains_checked = 0;
  std::uint64_t grains_damaged = 0;
  std::string first_damage;  // a sentence, empty if there is none
};

class DiskView {
 public:
  virtual ~DiskView() = default;

  /// Bytes of disk.qcow2 before anybody wrote to it. Never changes.
  virtual std::uint64_t file_bytes() const = 0;
  /// Bytes of the guest's disk.
  virtual std::uint64_t virtual_bytes() const = 0;
  virtual std::uint64_t cluster_bytes() const = 0;
  /// Reads in [0, cold_bytes()) and in the last tail_bytes() never need the guest's content.
  virtual std::uint64_t cold_bytes() const = 0;
  virtual std::uint64_t tail_bytes() const = 0;
  /// Bytes of the file that are no hole: what st_blocks counts.
  virtual std::uint64_t allocated_bytes() const = 0;

  /// Fills `out` from `offset`; the range lies inside the file. Thread safe. Throws Error(EIO) with
  /// source file and offset for what the source cannot give: never zeros.
  virtual void read(std::uint64_t offset, std::span<std::byte> out) = 0;

  /// The stretch that `offset` (< file_bytes()) lies in. A hole is said only of bytes that read as
  /// zeros.
  virtual Stretch stretch_at(std::uint64_t offset) = 0;

  /// Hexadecimal digest of sizes, headers and all tables of the source files: what the disk IS. Two
  /// sources with the same identity have the same layout.
  virtual std::string source_identity() const = 0;

  /// The run table and the layout's parameters as a text that `open_disk` takes back: kept in the
  /// store, so that a later version lays a disk exactly as it was laid when it was first written
  /// to.
  virtual std::string layout_record() const = 0;

  /// Hexadecimal digest of L1, L2 and refcounts as they are served. Reads all tables: seconds for a
  /// disk of terabytes.
  virtual std::string tables_digest() = 0;

  /// Inflates and checks every deflated grain (Adler-32, marker). Slow; stops early if `stop` says
  /// so.
  virtual VerifyReport verify(const std::function<bool()>& stop) = 0;

  /// Readings of the source that were guesses, one sentence each.
  virtual const std::vector<std::string>& assumptions() const = 0;

  /// The source files, for watching them.
  virtual const std::vector<inspect::SourceFile>& source_files() const = 0;
};

/// Opens the disk that `spec` describes among `files`. Reads headers and tables, no content. Throws
/// Error with file and offset: ENOENT for a missing file, EIO for one that cannot be read or whose
/// header is damaged, EOPNOTSUPP for a feature or format that is not served. Damaged table entries
/// do not throw: what they cover reads as EIO. `layout_record` (of an earlier view of the same
/// source) fixes the layout; ESTALE if it does not fit.
std::unique_ptr<DiskView> open_disk(const inspect::SourceFiles& files,
                                    const inspect::DiskSpec& spec, const ViewOptions& options,
                                    const std::optional<std::string>& layout_record);

}  // namespace v2vfs::convert
