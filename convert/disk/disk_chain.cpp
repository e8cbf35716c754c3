// SPDX-License-Identifier: MIT
#include "convert/disk/disk_chain.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string>

#include "convert/disk/disk_format.h"
#include "convert/disk/vmdk_image.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

/// An image and where it is.
struct Link {
  std::string path;
  inspect::SourceFile file;
  VmdkImage image;
};

VmdkImage open_image(const inspect::SourceFiles& files, const std::string& path,
                     const inspect::SourceFile& file, FileFormat format) {
  return format == FileFormat::descriptor ? open_described_vmdk(files, path, file)
                                          : open_sparse_vmdk(file);
}

/// The places where a parent may be, the likeliest first. Workstation on Windows writes
/// backslashes.
std::vector<std::string> places_of(std::string hint, const std::string& child) {
  std::replace(hint.begin(), hint.end(), '\\', '/');
  if (hint.starts_with("file://")) hint.erase(0, 7);
  std::vector<std::string> places = {hint.starts_with('/') ? hint : beside(child, hint)};
  const std::size_t slash = hint.rfind('/');
  if (slash == std::string::npos) return places;
  const std::string name = hint.substr(slash + 1);
  const std::string above = hint.substr(0, slash);
  const std::string folder = above.substr(above.rfind('/') + 1);
  if (!folder.empty() && folder != "." && folder != "..") {
    places.push_back(beside(child, "../" + folder + "/" + name));
  }
  places.push_back(beside(child, name));
  return places;
}

/// Follows the parents of one disk.
class Chain {
 public:
  /// `described` are the parents that the description names.
  Chain(const inspect::SourceFiles& files, Link top, const std::vector<std::string>& described)
      : files_(files), described_(described) {
    links_.push_back(std::move(top));
  }

  std::vector<Layer> follow() && {
    while (is_described() || links_.back().image.parent) {
      if (links_.size() == kMostLayers) {
        throw Error(EIO, "{}: it is more than {} deltas away from a disk without a parent",
                    name_of(links_.front()), kMostLayers);
      }
      links_.push_back(is_described() ? described_parent() : find_parent());
    }
    std::vector<Layer> layers;
    for (Link& link : links_) layers.push_back(std::move(link.image.layer));
    return layers;
  }

 private:
  static const std::string& name_of(const Link& link) { return link.image.layer.name(); }

  /// Whether the description names the parent of the last link.
  bool is_described() const { return links_.size() <= described_.size(); }

  Link described_parent() {
    const std::string& place = described_[links_.size() - 1];
    const inspect::SourceFile file = files_.open(place);
    if (is_known(file)) {
      throw Error(EIO, "{}: its parent {} is itself built upon it, so there is no disk in them",
                  name_of(links_.back()), file.name());
    }
    return accepted(links_.back(), place, file);
  }

  Link find_parent() {
    const Link& child = links_.back();
    const ParentLink& parent = *child.image.parent;
    if (parent.hint.empty()) {
      throw Error(EIO, "{}: it holds only what changed since a parent disk, and does not name it",
                  name_of(child));
    }
    std::optional<Error> why;
    for (const std::string& place : places_of(parent.hint, child.path)) {
      const auto file = open_file(place);
      if (!file || is_known(*file)) continue;  // a clone may have its parent's name
      try {
        return accepted(child, place, *file);
      } catch (const Error& error) {
        if (!why) why = error;
      }
    }
    if (why) throw *why;
    check_loop(child);
    throw Error(ENOENT,
                "{}: it holds only what changed since its parent {}, which is neither where it "
                "says nor beside it; put the parent there",
                name_of(child), quoted_hint(parent));
  }

  static std::string quoted_hint(const ParentLink& parent) {
    return "\"" + clean_text(parent.hint) + "\"";
  }

  std::optional<inspect::SourceFile> open_file(const std::string& place) const {
    try {
      return files_.open(place);
    } catch (const Error& error) {
      const int number = error.error_number();
      const bool is_name = number == ENOENT || number == EACCES || number == ENAMETOOLONG;
      if (is_name) return std::nullopt;
      throw;
    }
  }

  Link accepted(const Link& child, const std::string& place,
                const inspect::SourceFile& file) const {
    const ToldFormat format = tell_format(file, inspect::DiskFormat::vmdk);
    if (format.kind == FileFormat::image) {
      throw Error(EIO, "{}: it should be a VMDK, the parent of {}, and is a {}", file.name(),
                  name_of(child), format_name(format.image));
    }
    Link link{place, file, open_image(files_, place, file, format.kind)};
    check_content(child, link);
    check_size(child, link);
    return link;
  }

  bool is_known(const inspect::SourceFile& file) const {
    return std::ranges::any_of(links_, [&](const Link& link) {
      const auto a = link.file.host_stat();
      const auto b = file.host_stat();
      return a.device == b.device && a.inode == b.inode && link.file.name() == file.name();
    });
  }

  /// The place that the child names has an image that is in the chain already.
  void check_loop(const Link& child) const {
    const std::string place = places_of(child.image.parent->hint, child.path).front();
    if (!open_file(place)) return;
    throw Error(EIO, "{}: its parent {} is itself built upon it, so there is no disk in them",
                name_of(child), clean_text(place));
  }

  static void check_content(const Link& child, const Link& parent) {
    if (!child.image.parent) return;
    if (parent.image.cid == child.image.parent->cid) return;
    throw Error(EIO,
                "{}: its parent {} was written to after the delta was made (its content id is "
                "{:08x}, not {:08x}), or is another disk; put the parent of that time there",
                name_of(child), name_of(parent), parent.image.cid, child.image.parent->cid);
  }

  static void check_size(const Link& child, const Link& parent) {
    if (parent.image.sectors == child.image.sectors) return;
    throw Error(EIO,
                "{}: it has {} sectors, and its parent {} has {}: all disks of a chain are of one "
                "size",
                name_of(child), child.image.sectors, name_of(parent), parent.image.sectors);
  }

  const inspect::SourceFiles& files_;
  const std::vector<std::string>& described_;
  std::vector<Link> links_;
};

std::vector<Layer> single(Layer layer, Extent extent) {
  layer.add(std::move(extent));
  std::vector<Layer> layers;
  layers.push_back(std::move(layer));
  return layers;
}

std::vector<Layer> empty_disk(const inspect::DiskSpec& spec) {
  if (!spec.capacity_bytes) {
    throw Error(EIO, "disk {}: it has no file and no size", clean_text(spec.id));
  }
  return single(Layer("a disk without a file"), {.bytes = *spec.capacity_bytes});
}

std::vector<Layer> raw_disk(inspect::SourceFile file) {
  const std::uint64_t bytes = file.length();
  Layer layer(file.name());
  return single(std::move(layer),
                {.type = ExtentType::flat, .bytes = bytes, .file = std::move(file)});
}

/// The bytes of a fixed VHD are the guest's, in place; of the others qemu knows where they lie.
std::vector<Layer> image_disk(const inspect::SourceFiles& files, const std::string& path,
                              const inspect::SourceFile& file, ImageFormat format) {
  Layer layer(file.name());
  if (format == ImageFormat::vhd_fixed) {
    const ImageHeader header = read_image_header(file, format);
    for (const std::string& guess : header.assumptions) layer.assume(guess);
    return single(std::move(layer),
                  {.type = ExtentType::flat, .bytes = header.virtual_bytes, .file = file});
  }
  auto image = std::make_unique<ImageSource>(files, path, file, format, layer.digest());
  for (const std::string& guess : image->assumptions()) layer.assume(guess);
  for (inspect::SourceFile& each : image->files()) layer.add_file(std::move(each));
  const std::uint64_t bytes = image->bytes();
  return single(std::move(layer),
                {.type = ExtentType::flat, .bytes = bytes, .image = std::move(image)});
}

std::vector<Layer> file_disk(const inspect::SourceFiles& files, const inspect::DiskSpec& spec) {
  const std::string& path = *spec.file;
  inspect::SourceFile file = files.open(path);
  const ToldFormat format = tell_format(file, spec.format);
  const bool is_vmdk =
      format.kind == FileFormat::descriptor || format.kind == FileFormat::sparse_extent;
  if (!is_vmdk && !spec.parents.empty()) {
    throw Error(EOPNOTSUPP,
                "{}: the description says that it holds only what differs from {}, which a VMDK "
                "can and this is none",
                file.name(), clean_text(spec.parents.front()));
  }
  if (format.kind == FileFormat::raw) return raw_disk(std::move(file));
  if (format.kind == FileFormat::image) return image_disk(files, path, file, format.image);
  VmdkImage image = open_image(files, path, file, format.kind);
  return Chain(files, {path, std::move(file), std::move(image)}, spec.parents).follow();
}

}  // namespace

std::vector<Layer> open_layers(const inspect::SourceFiles& files, const inspect::DiskSpec& spec) {
  if (spec.format != inspect::DiskFormat::empty && !spec.file) {
    throw Error(ENOENT, "disk {}: the descriptor does not say which file it is in",
                clean_text(spec.id));
  }
  std::vector<Layer> layers =
      spec.format == inspect::DiskFormat::empty ? empty_disk(spec) : file_disk(files, spec);
  for (Layer& layer : layers) layer.pad();
  return layers;
}

}  // namespace v2vfs::convert
