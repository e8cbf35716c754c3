// SPDX-License-Identifier: MIT
#include "convert/disk/disk_source.h"

#include <algorithm>
#include <cstring>

#include "convert/disk/disk_chain.h"
#include "inspect/base/digest.h"

namespace v2vfs::convert {
namespace {

/// Of a disk without parents it is that of its only image.
std::string identity_of(std::vector<Layer>& layers) {
  if (layers.size() == 1) return layers.front().identity();
  Digest digest;
  for (Layer& layer : layers) digest.add_field(layer.identity());
  return digest.hex();
}

}  // namespace

DiskSource::DiskSource(const inspect::SourceFiles& files, const inspect::DiskSpec& spec,
                       bool want_starts)
    : layers_(open_layers(files, spec)) {
  for (Layer& layer : layers_) {
    layer.scan(want_starts);
    for (Extent& extent : layer.extents()) extents_.push_back(&extent);
    files_.insert(files_.end(), layer.files().begin(), layer.files().end());
    assumptions_.insert(assumptions_.end(), layer.assumptions().begin(), layer.assumptions().end());
  }
  identity_ = identity_of(layers_);
}

DiskSource::Place DiskSource::place_of(std::uint64_t offset, std::uint64_t limit) const {
  Place place{nullptr, limit};
  for (const Layer& layer : layers_) {
    if (offset >= layer.bytes()) break;  // a parent may be shorter by a part of a grain
    const Piece piece = layer.piece_at(offset, place.end);
    place.end = std::min(place.end, piece.end);
    if (piece.kind == PieceKind::absent) continue;
    if (piece.kind == PieceKind::data) place.layer = &layer;
    break;
  }
  return place;
}

void DiskSource::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (layers_.size() == 1) return layers_.front().read(offset, out);
  while (!out.empty()) {
    const Place place = place_of(offset, offset + out.size());
    const auto part = out.first(place.end - offset);
    if (place.layer) {
      place.layer->read(offset, part);
    } else {
      std::memset(part.data(), 0, part.size());
    }
    out = out.subspan(part.size());
    offset = place.end;
  }
}

Stretch DiskSource::stretch_at(std::uint64_t offset) const {
  const Place place = place_of(offset, bytes());
  if (!place.layer) return {place.end, true};
  const Stretch stretch = place.layer->stretch_at(offset);
  return {std::min(stretch.end, place.end), stretch.is_hole};
}

}  // namespace v2vfs::convert
