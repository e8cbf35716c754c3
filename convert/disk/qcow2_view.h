// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "convert/disk/disk_source.h"
#include "convert/disk/disk_view.h"
#include "convert/disk/grain_check.h"
#include "convert/disk/in_place_map.h"
#include "convert/disk/qcow2_layout.h"
#include "convert/disk/qcow2_tables.h"

namespace v2vfs::convert {

/// The qcow2 of one disk. Reads of an extent's file go straight from pread(2) into the caller's
/// buffer.
class Qcow2View : public DiskView {
 public:
  /// `map` is null for the layout one to one.
  Qcow2View(std::unique_ptr<DiskSource> source, std::unique_ptr<InPlaceMap> map, Qcow2Layout layout,
            bool verify_grains);

  std::uint64_t file_bytes() const override { return layout_.file_bytes; }
  std::uint64_t virtual_bytes() const override { return layout_.virtual_bytes; }
  std::uint64_t cluster_bytes() const override { return layout_.cluster_bytes; }
  std::uint64_t cold_bytes() const override { return layout_.refcount_blocks_offset; }
  std::uint64_t tail_bytes() const override { return layout_.file_bytes - layout_.tail_offset; }
  std::uint64_t allocated_bytes() const override { return allocated_bytes_; }
  void read(std::uint64_t offset, std::span<std::byte> out) override;
  Stretch stretch_at(std::uint64_t offset) override;
  std::string source_identity() const override { return source_->identity(); }
  std::string layout_record() const override { return layout_text(layout_); }
  std::string tables_digest() override { return tables_.digest(); }
  VerifyReport verify(const std::function<bool()>& stop) override;
  const std::vector<std::string>& assumptions() const override { return source_->assumptions(); }
  const std::vector<inspect::SourceFile>& source_files() const override { return source_->files(); }

 private:
  enum class RegionKind { header, l1, refcount_table, refcount_blocks, l2, hole, run };
  struct Region {
    std::uint64_t start = 0;
    RegionKind kind = RegionKind::hole;
    std::size_t run = 0;
  };

  void add_regions();
  std::uint64_t count_allocated() const;
  const Region& region_at(std::uint64_t offset) const;
  std::uint64_t end_of(const Region& region) const;
  void read_region(const Region& region, std::uint64_t offset, std::span<std::byte> out);
  void read_run(std::size_t run, std::uint64_t offset, std::span<std::byte> out);
  void read_file(std::size_t run, std::uint64_t offset, std::span<std::byte> out);
  void read_single(std::uint64_t offset, std::span<std::byte> out) const;
  Stretch stretch_of_run(std::size_t run, std::uint64_t offset) const;
  Stretch stretch_of_l2(std::uint64_t offset) const;

  std::unique_ptr<DiskSource> source_;
  std::unique_ptr<InPlaceMap> map_;
  Qcow2Layout layout_;
  Qcow2Tables tables_;
  std::vector<Region> regions_;                      // ascending; they cover the file
  std::vector<std::unique_ptr<GrainCheck>> checks_;  // by run; null where nothing is checked
  std::uint64_t allocated_bytes_ = 0;
};

}  // namespace v2vfs::convert
