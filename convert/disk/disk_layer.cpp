// SPDX-License-Identifier: MIT
#include "convert/disk/disk_layer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kCapacityLimit = std::uint64_t{1} << 53;
// Of a flat extent: partition tables with their disk ids stand at both ends. Nothing else of it
// says which disk it is.
constexpr std::uint64_t kFlatSample = 64 << 10;

}  // namespace

void Layer::add(Extent extent) {
  if (extent.bytes > kCapacityLimit - bytes_) throw Error(EOPNOTSUPP, "a disk above 8 PiB");
  if (extent.file) files_.push_back(*extent.file);
  extent.guest_offset = bytes_;
  bytes_ += extent.bytes;
  extents_.push_back(std::move(extent));
}

void Layer::pad() {
  bytes_ = round_up(bytes_, kSectorBytes);
  if (!extents_.empty()) extents_.back().bytes = bytes_ - extents_.back().guest_offset;
}

void Layer::scan(bool want_starts) {
  digest_.add_number(bytes_);
  for (Extent& extent : extents_) {
    digest_.add_number(static_cast<std::uint64_t>(extent.type)).add_number(extent.bytes);
    if (extent.file) scan_file(extent, want_starts);
  }
}

void Layer::scan_file(Extent& extent, bool want_starts) {
  const inspect::SourceFile& file = *extent.file;
  digest_.add_number(file.length());
  std::vector<std::byte> head(extent.sparse ? kSectorBytes : std::min(kFlatSample, file.length()));
  file.read(0, head);
  digest_.add(head);
  if (extent.sparse) return extent.sparse->scan(want_starts, digest_);
  file.read(file.length() - head.size(), head);
  digest_.add(head);
}

const Extent& Layer::extent_at(std::uint64_t offset) const {
  const auto next = std::ranges::upper_bound(extents_, offset, {},
                                             [](const Extent& e) { return e.guest_offset; });
  return *std::prev(next);
}

void Layer::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Extent& extent = extent_at(offset);
    const std::uint64_t within = offset - extent.guest_offset;
    const std::size_t count = std::min<std::uint64_t>(extent.bytes - within, out.size());
    if (extent.type == ExtentType::barred) {
      throw Error(EIO, "{}: the disk's bytes {} to {} are in an extent without access (NOACCESS)",
                  name_, extent.guest_offset, extent.guest_offset + extent.bytes);
    }
    if (extent.sparse) {
      extent.sparse->read(within, out.first(count));
    } else if (extent.image) {
      extent.image->read(within, out.first(count));
    } else {
      read_flat(extent, within, out.first(count));
    }
    out = out.subspan(count);
    offset += count;
  }
}

/// Zeros have no file; an odd raw disk ends within its last sector.
void Layer::read_flat(const Extent& extent, std::uint64_t within, std::span<std::byte> out) const {
  std::uint64_t there = 0;
  if (extent.file && extent.file_offset + within < extent.file->length()) {
    const std::uint64_t left = extent.file->length() - extent.file_offset - within;
    there = std::min<std::uint64_t>(out.size(), left);
    extent.file->read(extent.file_offset + within, out.first(there));
  }
  std::memset(out.data() + there, 0, out.size() - there);
}

Piece Layer::piece_at(std::uint64_t offset, std::uint64_t limit) const {
  const Extent& extent = extent_at(offset);
  const std::uint64_t within = offset - extent.guest_offset;
  Piece piece{extent.bytes, extent.type == ExtentType::zero ? PieceKind::zeros : PieceKind::data};
  if (extent.sparse) piece = extent.sparse->piece_at(within, limit - extent.guest_offset);
  return {extent.guest_offset + std::min(piece.end, extent.bytes), piece.kind};
}

Stretch Layer::stretch_at(std::uint64_t offset) const {
  const Extent& extent = extent_at(offset);
  if (extent.image) {
    const Stretch stretch = extent.image->stretch_at(offset - extent.guest_offset);
    return {extent.guest_offset + stretch.end, stretch.is_hole};
  }
  const Piece piece = piece_at(offset, bytes_);
  if (!extent.file || extent.sparse) return {piece.end, piece.kind != PieceKind::data};
  const std::uint64_t place = extent.file_offset + offset - extent.guest_offset;
  if (place >= extent.file->length()) return {piece.end, true};
  const std::uint64_t data = extent.file->next_data(place);
  const std::uint64_t end = data > place ? data : extent.file->next_hole(place);
  return {std::min(offset + (end - place), piece.end), data > place};
}

}  // namespace v2vfs::convert
