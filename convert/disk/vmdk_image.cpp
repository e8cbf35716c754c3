// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_image.h"

#include <algorithm>
#include <cerrno>
#include <set>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

std::string read_text(const inspect::SourceFile& file, std::uint64_t offset, std::uint64_t bytes) {
  if (!range_fits(offset, bytes, file.length()) || bytes > kDescriptorLimit + 1) {
    throw file_error(EIO, file.name(), offset,
                     "the descriptor lies outside the file, or is too long");
  }
  std::string text(bytes, '\0');
  file.read(offset, std::as_writable_bytes(std::span(text)));
  return text;
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

bool is_in_file(ExtentType type) { return type != ExtentType::zero && type != ExtentType::barred; }

/// The kind of a sparse extent; none for the others.
std::optional<SparseKind> sparse_kind(ExtentType type) {
  switch (type) {
    case ExtentType::sparse:
      return SparseKind::hosted;
    case ExtentType::cowd:
      return SparseKind::cowd;
    case ExtentType::se_sparse:
      return SparseKind::se_sparse;
    default:
      return std::nullopt;
  }
}

void check_extents(const VmdkDescriptor& descriptor, std::string_view name) {
  std::set<std::string_view> sparse;
  for (const ExtentLine& line : descriptor.extents) {
    if (!is_in_file(line.type)) continue;
    check_extent_name(line.file, name);
    if (sparse_kind(line.type) && !sparse.insert(line.file).second) {
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

Extent open_sparse_extent(inspect::SourceFile file, const ExtentLine& line, SparseKind kind) {
  auto sparse = std::make_unique<SparseExtent>(file, kind);
  check_capacity(sparse->header(), line.sectors, file.name());
  if (sparse->header().capacity_sectors < line.sectors) {
    throw file_error(EIO, file.name(), 12, "the extent is shorter than its descriptor says");
  }
  return {.type = line.type,
          .bytes = line.sectors * kSectorBytes,
          .file = std::move(file),
          .sparse = std::move(sparse)};
}

Extent open_flat_extent(inspect::SourceFile file, const ExtentLine& line) {
  const std::uint64_t bytes = line.sectors * kSectorBytes;
  const std::uint64_t start = line.start_sector * kSectorBytes;
  if (!range_fits(start, bytes, file.length())) {
    throw file_error(
        EIO, file.name(), file.length(),
        fmt::format("the file ends here, its descriptor says {} bytes", start + bytes));
  }
  return {.type = line.type, .bytes = bytes, .file = std::move(file), .file_offset = start};
}

/// What stands behind a disk's name in its extents' names: "-flat.vmdk", "-s001.vmdk"; empty:
/// nothing known.
std::string_view tail_of(std::string_view extent) {
  const std::string_view tail = extent.substr(std::min(extent.rfind('-'), extent.size()));
  const std::string lower = to_lower(tail);
  for (const char* known : {"-flat.vmdk", "-delta.vmdk", "-sesparse.vmdk"}) {
    if (lower == known) return tail;
  }
  const bool is_split = lower.size() == 10 && (lower[1] == 's' || lower[1] == 'f') &&
                        lower.ends_with(".vmdk") &&
                        lower.substr(2, 3).find_first_not_of("0123456789") == std::string::npos;
  return is_split ? tail : std::string_view();
}

/// A disk that was renamed with its extents, while its descriptor still has their old names.
inspect::SourceFile open_file(const inspect::SourceFiles& files, const std::string& path,
                              const std::string& extent, Layer& layer) try {
  return files.open(beside(path, extent));
} catch (const Error& error) {
  const std::string stem = path.ends_with(".vmdk") ? path.substr(0, path.size() - 5) : path;
  const std::string_view tail = tail_of(extent);
  if (error.error_number() != ENOENT || tail.empty()) throw;
  const std::string renamed = stem + std::string(tail);
  std::optional<inspect::SourceFile> found;
  try {
    found = files.open(renamed);
  } catch (const Error&) {
    throw error;
  }
  layer.assume(fmt::format("{} names the extent \"{}\", which is not there; \"{}\" is used for it.",
                           layer.name(), clean_text(extent), clean_text(renamed)));
  return std::move(*found);
}

Extent open_extent(const inspect::SourceFiles& files, const std::string& path,
                   const ExtentLine& line, Layer& layer) {
  if (!is_in_file(line.type)) return {.type = line.type, .bytes = line.sectors * kSectorBytes};
  inspect::SourceFile file = open_file(files, path, line.file, layer);
  const auto kind = sparse_kind(line.type);
  return kind ? open_sparse_extent(std::move(file), line, *kind)
              : open_flat_extent(std::move(file), line);
}

/// The descriptor without the names of files: a renamed disk is the same disk.
void describe(const VmdkDescriptor& descriptor, Digest& digest) {
  digest.add_number(descriptor.cid).add_field(descriptor.create_type);
  for (const ExtentLine& line : descriptor.extents) {
    digest.add_number(line.sectors).add_number(static_cast<std::uint64_t>(line.type));
    digest.add_number(line.start_sector);
  }
  for (const auto& [key, value] : descriptor.ddb) digest.add_field(key).add_field(value);
}

VmdkImage begin_image(const VmdkDescriptor& descriptor, const std::string& name) {
  VmdkImage image{Layer(name), descriptor.cid, descriptor.sectors(), std::nullopt};
  if (descriptor.parent_cid != kNoParent) {
    image.parent = {descriptor.parent_hint, descriptor.parent_cid};
  }
  describe(descriptor, image.layer.digest());
  return image;
}

}  // namespace

std::string beside(const std::string& path, const std::string& name) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

VmdkImage open_sparse_vmdk(inspect::SourceFile file) {
  auto sparse = std::make_unique<SparseExtent>(file, SparseKind::hosted);
  const VmdkDescriptor descriptor = embedded_descriptor(*sparse);
  if (descriptor.extents.size() != 1 || descriptor.extents[0].type != ExtentType::sparse) {
    throw Error(EOPNOTSUPP, "{}: its descriptor names other extents than itself", file.name());
  }
  check_capacity(sparse->header(), descriptor.sectors(), file.name());
  VmdkImage image = begin_image(descriptor, file.name());
  const std::uint64_t bytes = sparse->header().capacity_bytes();
  image.layer.add({.type = ExtentType::sparse,
                   .bytes = bytes,
                   .file = std::move(file),
                   .sparse = std::move(sparse)});
  return image;
}

VmdkImage open_described_vmdk(const inspect::SourceFiles& files, const std::string& path,
                              const inspect::SourceFile& file) {
  if (file.length() > kDescriptorLimit) {
    throw file_error(EIO, file.name(), kDescriptorLimit, "the descriptor is longer than 1 MiB");
  }
  const VmdkDescriptor descriptor =
      parse_descriptor(read_text(file, 0, file.length()), file.name());
  check_extents(descriptor, file.name());
  VmdkImage image = begin_image(descriptor, file.name());
  image.layer.add_file(file);
  for (const ExtentLine& line : descriptor.extents) {
    image.layer.add(open_extent(files, path, line, image.layer));
  }
  return image;
}

}  // namespace v2vfs::convert
