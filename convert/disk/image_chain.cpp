// SPDX-License-Identifier: MIT
#include "convert/disk/image_chain.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "convert/disk/image_fields.h"
#include "convert/disk/image_tables.h"
#include "convert/disk/vmdk_descriptor.h"
#include "convert/disk/vmdk_image.h"
#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

constexpr std::size_t kMostLayers = 32;

struct FormatWord {
  std::string_view word;  // qemu's
  ImageFormat format;
};
constexpr std::array<FormatWord, 7> kWords = {{{"raw", ImageFormat::raw},
                                               {"qcow2", ImageFormat::qcow2},
                                               {"qed", ImageFormat::qed},
                                               {"vpc", ImageFormat::vhd},
                                               {"vhdx", ImageFormat::vhdx},
                                               {"vdi", ImageFormat::vdi},
                                               {"parallels", ImageFormat::parallels}}};

std::string_view driver_of(ImageFormat format) {
  if (format == ImageFormat::vhd_fixed) return "raw";  // of the guest's part of the file
  return std::ranges::find(kWords, format, &FormatWord::format)->word;
}

std::string last_part(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_vmdk(const inspect::SourceFile& file) {
  const std::string head = file.head(kImageSector);
  return head.starts_with("KDMV") || head.starts_with("COWD") || is_descriptor_file(head);
}

class Chain {
 public:
  Chain(const inspect::SourceFiles& files, Digest& digest) : files_(files), digest_(digest) {}

  ImageChain open(std::string path, inspect::SourceFile file, ImageFormat format) {
    for (;;) {
      add(std::move(file), format);
      const ImageLayer& top = chain_.layers.back();
      if (!top.header.backing) break;
      const BackingFile backing = *top.header.backing;
      const std::string upper = top.file.name();
      file = open_backing(path, upper, backing.name);
      format = backing_format(upper, file, backing);
    }
    chain_.stored_bytes = std::min(chain_.stored_bytes, chain_.virtual_bytes());
    merge_damage();
    return std::move(chain_);
  }

 private:
  void add(inspect::SourceFile file, ImageFormat format) {
    if (chain_.layers.size() == kMostLayers) {
      throw Error(EOPNOTSUPP, "{}: it is the 33rd layer of a disk; 32 are served", file.name());
    }
    if (!file.host_range()) {
      throw Error(
          EOPNOTSUPP,
          "{}: a {} that is compressed or in several parts is not served; unpack or join it",
          file.name(), format_name(format));
    }
    for (const ImageLayer& layer : chain_.layers) {
      if (is_same(layer.file, file)) {
        throw Error(EIO, "{}: it builds upon itself", file.name());
      }
    }
    ImageHeader header = read_image_header(file, format);
    ImageTables tables = scan_image(file, header, digest_);
    chain_.stored = chain_.layers.empty() ? std::move(tables.stored) : std::vector<bool>();
    chain_.stored_bytes += tables.stored_bytes;
    if (format == ImageFormat::raw || format == ImageFormat::vhd_fixed) {
      chain_.stored_bytes += header.virtual_bytes;
    }
    chain_.damaged.insert(chain_.damaged.end(), tables.damaged.begin(), tables.damaged.end());
    chain_.assumptions.insert(chain_.assumptions.end(), header.assumptions.begin(),
                              header.assumptions.end());
    chain_.layers.push_back({std::move(file), std::move(header)});
  }

  void merge_damage() {
    std::ranges::sort(chain_.damaged, {}, &ByteRange::offset);
    std::vector<ByteRange> merged;
    for (const ByteRange& range : chain_.damaged) {
      if (merged.empty() || merged.back().end() < range.offset) {
        merged.push_back(range);
      } else {
        const std::uint64_t end = std::max(merged.back().end(), range.end());
        merged.back().bytes = end - merged.back().offset;
      }
    }
    chain_.damaged = std::move(merged);
  }

  static bool is_same(const inspect::SourceFile& a, const inspect::SourceFile& b) {
    const auto left = a.host_stat();
    const auto right = b.host_stat();
    return left.device == right.device && left.inode == right.inode &&
           a.host_range()->offset == b.host_range()->offset;
  }

  /// `path` becomes the one that was opened.
  inspect::SourceFile open_backing(std::string& path, const std::string& upper,
                                   const std::string& name) {
    const std::size_t colon = name.find(':');
    if (colon != std::string::npos && colon < name.find('/')) {
      throw Error(EOPNOTSUPP, "{}: it builds upon {}, which is no file's name", upper,
                  clean_text(name));
    }
    const std::string moved = beside(path, last_part(name));
    const std::string said = name.starts_with('/') ? name : beside(path, name);
    try {
      path = said;
      return files_.open(said);
    } catch (const Error& error) {
      if (said == moved) throw missing(upper, name, error);
      return open_moved(path, moved, upper, name, error);
    }
  }

  inspect::SourceFile open_moved(std::string& path, const std::string& moved,
                                 const std::string& upper, const std::string& name,
                                 const Error& why) {
    try {
      path = moved;
      inspect::SourceFile file = files_.open(moved);
      chain_.assumptions.push_back(
          fmt::format("{} builds upon {}, which is not there; {} is used for it.", upper,
                      clean_text(name), clean_text(moved)));
      return file;
    } catch (const Error&) {
      throw missing(upper, name, why);
    }
  }

  static Error missing(const std::string& upper, const std::string& name, const Error& why) {
    return {
        why.error_number(),
        fmt::format("{}: it builds upon {}, which cannot be opened: {}. Put that file beside it",
                    upper, clean_text(name), why.sentence())};
  }

  ImageFormat backing_format(const std::string& upper, const inspect::SourceFile& file,
                             const BackingFile& backing) {
    if (backing.format == "raw") return ImageFormat::raw;
    const std::optional<ImageFormat> told = tell_image(file);
    if (backing.format.empty() && !told && is_vmdk(file)) refuse_vmdk(file);
    if (backing.format.empty()) {
      const ImageFormat format = told.value_or(ImageFormat::raw);
      chain_.assumptions.push_back(
          fmt::format("{} does not say what its backing file {} is; by its content it is {}.",
                      upper, file.name(), format_name(format)));
      return format;
    }
    if (backing.format == "vmdk") refuse_vmdk(file);
    const auto* word = std::ranges::find(kWords, backing.format, &FormatWord::word);
    if (word == kWords.end()) {
      throw Error(EOPNOTSUPP, "{}: its backing file is said to be {}, which is not served", upper,
                  clean_text(backing.format));
    }
    const bool is_vhd = word->format == ImageFormat::vhd && told == ImageFormat::vhd_fixed;
    if (!told || (*told != word->format && !is_vhd)) {
      throw Error(EIO, "{}: {} says that it is {}, and it has no header of one", file.name(), upper,
                  format_name(word->format));
    }
    return *told;
  }

  [[noreturn]] static void refuse_vmdk(const inspect::SourceFile& file) {
    throw Error(EOPNOTSUPP, "{}: a VMDK as a backing file is not served", file.name());
  }

  const inspect::SourceFiles& files_;
  Digest& digest_;
  ImageChain chain_;
};

bool is_whole_file(const inspect::SourceFile& file) {
  const auto range = file.host_range();
  return range && range->offset == 0 && range->length == file.host_stat().bytes;
}

/// Numbers and words of ours alone: nothing of a source becomes part of it.
void add_node(const ImageLayer& layer, const std::string& prefix, int fd, std::string& options) {
  const auto add = [&](std::string_view key, std::string_view value) {
    options += fmt::format("{}{}{}={}", options.empty() ? "" : ",", prefix, key, value);
  };
  const inspect::SourceFile::HostRange range = *layer.file.host_range();
  const bool is_fixed = layer.header.format == ImageFormat::vhd_fixed;
  const bool is_whole = is_whole_file(layer.file);
  const bool is_raw = driver_of(layer.header.format) == "raw";
  add("driver", driver_of(layer.header.format));
  if (layer.header.format == ImageFormat::vhd) {
    add("force_size_calc", layer.header.is_size_by_geometry ? "chs" : "current_size");
  }
  // A range of a file is shown by a raw node, in whole sectors; in a tar the last one is padded.
  std::string place;
  if (is_fixed || !is_whole) {
    if (!is_raw) {
      add("file.driver", "raw");
      place = "file.";
    }
    add(place + "offset", std::to_string(range.offset));
    add(place + "size", std::to_string(is_fixed ? layer.header.virtual_bytes
                                                : round_up(range.length, kImageSector)));
  }
  place += "file.";
  add(place + "driver", "file");
  add(place + "locking", "off");
  add(place + "filename", fmt::format("/proc/self/fd/{}", fd));
}

/// QEMU 7.2 takes no range of a file as a backing image: it wants a file's name there.
void expect_whole_parents(const ImageChain& chain) {
  for (std::size_t i = 1; i < chain.layers.size(); ++i) {
    const inspect::SourceFile& file = chain.layers[i].file;
    if (is_whole_file(file) || driver_of(chain.layers[i].header.format) == "raw") continue;
    throw Error(EOPNOTSUPP,
                "{}: a backing file inside an archive is not served; unpack the archive",
                file.name());
  }
}

}  // namespace

ImageChain open_chain(const inspect::SourceFiles& files, const std::string& path,
                      const inspect::SourceFile& file, ImageFormat format, Digest& digest) {
  ImageChain chain = Chain(files, digest).open(path, file, format);
  expect_whole_parents(chain);
  return chain;
}

std::string image_options(const ImageChain& chain, int first_fd) {
  std::string options;
  std::string prefix;
  for (std::size_t i = 0; i < chain.layers.size(); ++i) {
    add_node(chain.layers[i], prefix, first_fd + static_cast<int>(i), options);
    prefix += "backing.";
  }
  const ImageFormat lowest = chain.layers.back().header.format;
  if (lowest != ImageFormat::qcow2 && lowest != ImageFormat::qed) return options;
  prefix.pop_back();
  return options + "," + prefix + "=";
}

}  // namespace v2vfs::convert
