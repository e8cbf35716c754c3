// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/disk/disk_source.h"
#include "convert/disk/layer_cover.h"
#include "convert/disk/qcow2_layout.h"
#include "convert/disk/stored_grains.h"

namespace v2vfs::convert {

/// How a disk is laid so that its grains are clusters as they lie: each sparse extent's file is one
/// run of its full length, each flat extent is a run one to one, those of all layers one behind the
/// other, and what cannot be served as it lies (a damaged grain, the last partial one if it is
/// deflated) gets a cluster of its own in the run of singles. A cluster's entry points into the
/// topmost layer that says anything of it. Immutable, thread safe.
class InPlaceMap {
 public:
  /// Takes the grains' starts from `source`, which outlives the map. nullptr, and `why_not` a
  /// sentence, for a disk that cannot be laid so.
  static std::unique_ptr<InPlaceMap> make(DiskSource& source, std::string& why_not);

  std::uint64_t cluster_bytes() const { return cluster_; }
  /// In the order of the layout's runs.
  const std::vector<RunShape>& shapes() const { return shapes_; }

  /// L2 entries (host byte order) of the guest clusters from `first` on, 0 beyond the disk's end.
  /// Throws Error if a grain table cannot be read.
  void fill_l2(std::uint64_t first, const Qcow2Layout& layout, std::span<std::uint64_t> out) const;

  /// Refcounts of the clusters of run `run`, from its cluster `first` on.
  void fill_refcounts(std::size_t run, std::uint64_t first, std::span<std::uint16_t> out) const;

  /// For each L2 table: it has an entry that is not 0.
  const std::vector<bool>& l2_in_use() const { return l2_in_use_; }

  /// The guest cluster that the single number `index` shows.
  std::uint64_t single(std::uint64_t index) const { return singles_[index]; }

  /// The grains of the extent whose file is run `run`; nullptr where they are not deflated.
  const StoredGrains* deflated(std::size_t run) const;

 private:
  struct Part {
    const Extent* extent = nullptr;
    std::size_t layer = 0;
    std::unique_ptr<StoredGrains> grains;  // sparse extents
    std::optional<std::size_t> run;        // none for a ZERO extent
  };

  InPlaceMap(DiskSource& source, std::uint64_t cluster);
  void add_part(Extent& extent, std::size_t layer, std::uint32_t number);
  std::unique_ptr<StoredGrains> take_grains(Extent& extent, std::size_t layer) const;
  void hide_covered(const Extent& extent, std::size_t layer, StoredGrains& grains) const;
  void add_singles(const Extent& extent, std::size_t layer);
  void mark_l2(std::uint64_t first_cluster, std::uint64_t count);
  bool has_wide_refcounts() const;
  const Part* part_of(std::size_t run) const;
  void fill_part(const Part& part, const Qcow2Layout& layout, std::uint64_t first,
                 std::span<std::uint64_t> out) const;
  void fill_sparse(const Part& part, std::uint64_t run_offset, std::uint64_t first_grain,
                   std::span<std::uint64_t> out) const;
  void fill_singles(std::uint64_t first, const Qcow2Layout& layout,
                    std::span<std::uint64_t> out) const;

  const std::uint64_t cluster_;
  const LayerCover cover_;
  std::vector<Part> parts_;  // in the order of the source's extents
  std::vector<RunShape> shapes_;
  std::vector<std::uint64_t> singles_;  // guest clusters, ascending
  std::vector<bool> l2_in_use_;
};

}  // namespace v2vfs::convert
