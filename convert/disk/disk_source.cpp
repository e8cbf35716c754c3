// SPDX-License-Identifier: MIT
#include "convert/disk/disk_source.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "convert/disk/disk_format.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

constexpr std::uint64_t kCapacityLimit = std::uint64_t{1} << 53;
// Of a raw disk: partition tables with their disk ids stand at both ends. Nothing else of it says
// which disk it is.
constexpr std::uint64_t kRawSample = 64 << 10;

std::string read_text(const inspect::SourceFile& file, std::uint64_t offset, std::uint64_t bytes) {
  if (!range_fits(offset, bytes, file.length()) || bytes > kDescriptorLimit + 1) {
    throw file_error(EIO, file.name(), offset,
                     "the descriptor lies outside the file, or is too long");
  }
  std::string text(bytes, '\0');
  file.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
}

void refuse_parent(const VmdkDescriptor& descriptor, std::string_view name) {
  if (descriptor.parent_cid == kNoParent) return;
  throw Error(
      EOPNOTSUPP,
      "{}: it holds only the difference to a parent disk (a snapshot), which is not served; "
      "consolidate the snapshots first",
      name);
}

/// "sub/x.vmdk", "x-flat.vmdk" -> "sub/x-flat.vmdk"
std::string beside(const std::string& path, const std::string& name) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

VmdkDescriptor embedded_descriptor(const SparseExtent& extent) {
  const SparseHeader& header = extent.header();
  const std::string& name = extent.file().name();
  std::string text;
  if (header.descriptor_sector != 0) {
    if (header.descriptor_sector > extent.file().length() / kSectorBytes ||
        header.descriptor_sectors > (kDescriptorLimit + 1) / kSectorBytes) {
      throw file_error(EIO, name, 0, "the descriptor lies outside the file, or is too long");
    }
    text = read_text(extent.file(), header.descriptor_sector * kSectorBytes,
                     header.descriptor_sectors * kSectorBytes);
  }
  if (text.empty() || text.front() == '\0') {
    throw Error(EOPNOTSUPP,
                "{}: it is one extent of a split disk; name the disk's descriptor instead", name);
  }
  return parse_descriptor(text, name);
}

void check_extents(const VmdkDescriptor& descriptor, std::string_view name) {
  std::set<std::string_view> sparse;
  for (const ExtentLine& line : descriptor.extents) {
    if (line.type == ExtentType::zero) continue;
    check_extent_name(line.file, name);
    if (line.type == ExtentType::sparse && !sparse.insert(line.file).second) {
      throw Error(EIO, "{}: two of its extents are the file {}", name, clean_text(line.file));
    }
  }
}

/// An extent's header and the descriptor's line must tell the same size, but for the last grain.
void check_capacity(const SparseHeader& header, std::uint64_t sectors, std::string_view name) {
  const std::uint64_t more = std::max(header.capacity_sectors, sectors);
  const std::uint64_t less = std::min(header.capacity_sectors, sectors);
  if (more - less >= header.grain_sectors) {
    throw file_error(EIO, name, 12,
                     fmt::format("the header says {} sectors, the descriptor {}",
                                 header.capacity_sectors, sectors));
  }
}

}  // namespace

DiskSource::DiskSource(const inspect::SourceFiles& files, const inspect::DiskSpec& spec,
                       bool want_starts) {
  if (spec.format != inspect::DiskFormat::empty && !spec.file) {
    throw Error(ENOENT, "disk {}: the descriptor does not say which file it is in",
                clean_text(spec.id));
  }
  if (spec.format == inspect::DiskFormat::empty) {
    if (!spec.capacity_bytes)
      throw Error(EIO, "disk {}: it has no file and no size", clean_text(spec.id));
    add({.bytes = *spec.capacity_bytes});
  } else {
    inspect::SourceFile file = files.open(*spec.file);
    switch (tell_format(file, spec.format)) {
      case FileFormat::sparse_extent:
        open_sparse(std::move(file));
        break;
      case FileFormat::descriptor:
        open_descriptor(files, *spec.file, file);
        break;
      case FileFormat::raw:
        add_raw(std::move(file));
        break;
    }
  }
  // Sectors of 512 bytes are all that a guest can see; the rest of an odd last one is zeros.
  bytes_ = round_up(bytes_, kSectorBytes);
  if (!extents_.empty()) extents_.back().bytes = bytes_ - extents_.back().guest_offset;
  scan(want_starts);
}

void DiskSource::add(Extent extent) {
  if (extent.bytes > kCapacityLimit - bytes_) throw Error(EOPNOTSUPP, "a disk above 8 PiB");
  if (extent.file) files_.push_back(*extent.file);
  extent.guest_offset = bytes_;
  bytes_ += extent.bytes;
  extents_.push_back(std::move(extent));
}

void DiskSource::add_raw(inspect::SourceFile file) {
  const std::uint64_t bytes = file.length();
  add({.type = ExtentType::flat, .bytes = bytes, .file = std::move(file)});
}

void DiskSource::open_sparse(inspect::SourceFile file) {
  auto sparse = std::make_unique<SparseExtent>(file);
  const VmdkDescriptor descriptor = embedded_descriptor(*sparse);
  refuse_parent(descriptor, file.name());
  if (descriptor.extents.size() != 1 || descriptor.extents[0].type != ExtentType::sparse) {
    throw Error(EOPNOTSUPP, "{}: its descriptor names other extents than itself", file.name());
  }
  check_capacity(sparse->header(), descriptor.sectors(), file.name());
  describe(descriptor);
  const std::uint64_t bytes = sparse->header().capacity_bytes();
  add({.type = ExtentType::sparse,
       .bytes = bytes,
       .file = std::move(file),
       .sparse = std::move(sparse)});
}

void DiskSource::open_descriptor(const inspect::SourceFiles& files, const std::string& path,
                                 const inspect::SourceFile& file) {
  if (file.length() > kDescriptorLimit) {
    throw file_error(EIO, file.name(), kDescriptorLimit, "the descriptor is longer than 1 MiB");
  }
  const VmdkDescriptor descriptor =
      parse_descriptor(read_text(file, 0, file.length()), file.name());
  refuse_parent(descriptor, file.name());
  check_extents(descriptor, file.name());
  files_.push_back(file);
  describe(descriptor);
  for (const ExtentLine& line : descriptor.extents) open_listed(files, path, line);
}

void DiskSource::open_listed(const inspect::SourceFiles& files, const std::string& path,
                             const ExtentLine& line) {
  const std::uint64_t bytes = line.sectors * kSectorBytes;
  if (line.type == ExtentType::zero) return add({.bytes = bytes});
  inspect::SourceFile file = files.open(beside(path, line.file));
  if (line.type == ExtentType::sparse) {
    auto sparse = std::make_unique<SparseExtent>(file);
    check_capacity(sparse->header(), line.sectors, file.name());
    if (sparse->header().capacity_sectors < line.sectors) {
      throw file_error(EIO, file.name(), 12, "the extent is shorter than its descriptor says");
    }
    return add(
        {.type = line.type, .bytes = bytes, .file = std::move(file), .sparse = std::move(sparse)});
  }
  const std::uint64_t start = line.start_sector * kSectorBytes;
  if (!range_fits(start, bytes, file.length())) {
    throw file_error(
        EIO, file.name(), file.length(),
        fmt::format("the file ends here, its descriptor says {} bytes", start + bytes));
  }
  add({.type = line.type, .bytes = bytes, .file = std::move(file), .file_offset = start});
}

/// The descriptor without the names of files: a renamed disk is the same disk.
void DiskSource::describe(const VmdkDescriptor& descriptor) {
  digest_.add_number(descriptor.cid).add_field(descriptor.create_type);
  for (const ExtentLine& line : descriptor.extents) {
    digest_.add_number(line.sectors).add_number(static_cast<std::uint64_t>(line.type));
    digest_.add_number(line.start_sector);
  }
  for (const auto& [key, value] : descriptor.ddb) digest_.add_field(key).add_field(value);
}

void DiskSource::scan(bool want_starts) {
  digest_.add_number(bytes_);
  for (Extent& extent : extents_) {
    digest_.add_number(static_cast<std::uint64_t>(extent.type)).add_number(extent.bytes);
    if (!extent.file) continue;
    const inspect::SourceFile& file = *extent.file;
    digest_.add_number(file.length());
    std::vector<std::byte> head(extent.sparse ? kSectorBytes : std::min(kRawSample, file.length()));
    file.read(0, head);
    digest_.add(head);
    if (extent.sparse) {
      extent.sparse->scan(want_starts, digest_);
    } else {
      file.read(file.length() - head.size(), head);
      digest_.add(head);
    }
  }
  identity_ = digest_.hex();
}

const Extent& DiskSource::extent_at(std::uint64_t offset) const {
  const auto next = std::ranges::upper_bound(extents_, offset, {},
                                             [](const Extent& e) { return e.guest_offset; });
  return *std::prev(next);
}

void DiskSource::read(std::uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const Extent& extent = extent_at(offset);
    const std::uint64_t within = offset - extent.guest_offset;
    const std::size_t count = std::min<std::uint64_t>(extent.bytes - within, out.size());
    const std::span<std::byte> part = out.first(count);
    if (extent.type == ExtentType::sparse) {
      extent.sparse->read(within, part);
    } else {
      std::uint64_t there = 0;  // bytes that the file has: all, but for the end of an odd raw disk
      if (extent.file && extent.file_offset + within < extent.file->length()) {
        there = std::min<std::uint64_t>(count, extent.file->length() - extent.file_offset - within);
        extent.file->read(extent.file_offset + within, part.first(there));
      }
      std::memset(part.data() + there, 0, count - there);
    }
    out = out.subspan(count);
    offset += count;
  }
}

Stretch DiskSource::stretch_at(std::uint64_t offset) const {
  const Extent& extent = extent_at(offset);
  const std::uint64_t within = offset - extent.guest_offset;
  Stretch stretch{extent.bytes, true};
  if (extent.sparse) {
    stretch = extent.sparse->stretch_at(within);
  } else if (extent.file && extent.file_offset + within < extent.file->length()) {
    const std::uint64_t place = extent.file_offset + within;
    const std::uint64_t data = extent.file->next_data(place);
    stretch.is_hole = data > place;
    stretch.end = (stretch.is_hole ? data : extent.file->next_hole(place)) - extent.file_offset;
  }
  return {extent.guest_offset + std::min(stretch.end, extent.bytes), stretch.is_hole};
}

}  // namespace v2vfs::convert
