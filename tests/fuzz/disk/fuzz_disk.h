// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/disk/disk_view.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "tests/support/qcow2_reader.h"

/// What the disk targets share: files in memory, and what holds for a disk whatever they are.
namespace v2vfs::fuzz {

inline constexpr std::uint64_t kSmallDisk = 2 << 20;
inline constexpr std::uint64_t kSmallFile = 64 << 20;

class MemoryFiles : public inspect::SourceFiles {
 public:
  void add(const std::string& name, const std::string& bytes) {
    auto fd = std::make_shared<UniqueFd>(::memfd_create("vmdk", MFD_CLOEXEC));
    if (!*fd ||
        ::write(fd->get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
      std::abort();
    }
    files_.insert_or_assign(name, inspect::SourceFile(std::move(fd), name, 0, bytes.size()));
  }
  /// Whatever name is asked for is this file.
  void set_only(const std::string& name) { only_ = name; }
  inspect::SourceFile open(std::string_view name) const override {
    const auto found = files_.find(only_.empty() ? std::string(name) : only_);
    if (found == files_.end()) throw Error(ENOENT, "it is not there");
    return found->second;
  }
  std::vector<std::string> names() const override { return {}; }

 private:
  std::map<std::string, inspect::SourceFile> files_;
  std::string only_;
};

template <typename Number>
void put(std::string& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

inline std::unique_ptr<convert::DiskView> open(const MemoryFiles& files,
                                               convert::LayoutChoice layout, bool verify) {
  inspect::DiskSpec spec;
  spec.file = "disk";
  convert::ViewOptions options;
  options.layout = layout;
  options.reserve_bytes = 0;
  options.verify_grains = verify;
  return convert::open_disk(files, spec, options, std::nullopt);
}

inline std::optional<std::vector<std::byte>> cluster(test::Qcow2Reader& reader,
                                                     std::uint64_t index) {
  try {
    return reader.guest_cluster(index);
  } catch (const Error& error) {
    if (error.error_number() != EIO) std::abort();
    return std::nullopt;
  }
}

/// What the layout one to one gives was checked against its checksums: the other gives the same, or
/// EIO.
inline void compare(convert::DiskView& automatic, convert::DiskView& plain) {
  test::Qcow2Reader a(automatic);
  test::Qcow2Reader p(plain);
  if (!a.check().empty()) std::abort();
  const std::uint64_t unit = std::min(a.cluster_bytes(), p.cluster_bytes());
  for (std::uint64_t at = 0; at < automatic.virtual_bytes(); at += unit) {
    const auto left = cluster(a, at / a.cluster_bytes());
    const auto right = cluster(p, at / p.cluster_bytes());
    if (!left || !right) continue;
    const std::uint64_t count = std::min(unit, automatic.virtual_bytes() - at);
    if (std::memcmp(left->data() + at % a.cluster_bytes(), right->data() + at % p.cluster_bytes(),
                    count) != 0) {
      std::abort();
    }
  }
}

inline void check_zeros(convert::DiskView& view, std::uint64_t begin, std::uint64_t end) {
  static const std::vector<std::byte> zeros(1 << 20);
  std::vector<std::byte> bytes(zeros.size());
  for (std::uint64_t at = begin; at < end;) {
    const auto part = std::span(bytes).first(std::min<std::uint64_t>(bytes.size(), end - at));
    view.read(at, part);
    if (std::memcmp(part.data(), zeros.data(), part.size()) != 0) std::abort();
    at += part.size();
  }
}

/// A hole reads as zeros, and the stretches cover the file.
inline void check_holes(convert::DiskView& view) {
  for (std::uint64_t at = 0; at < view.file_bytes();) {
    const convert::Stretch stretch = view.stretch_at(at);
    if (stretch.end <= at) std::abort();
    if (stretch.is_hole) check_zeros(view, at, stretch.end);
    at = stretch.end;
  }
}

/// The file "disk" is refused with a sentence, or shown as a sound qcow2 that gives the same bytes
/// in both layouts.
inline void check_disk(const MemoryFiles& files, bool verify) try {
  const auto automatic = open(files, convert::LayoutChoice::automatic, verify);
  const auto plain = open(files, convert::LayoutChoice::plain, false);
  if (automatic->virtual_bytes() > kSmallDisk || automatic->file_bytes() > kSmallFile) return;
  compare(*automatic, *plain);
  check_holes(*plain);
  automatic->verify(nullptr);
  if (open(files, convert::LayoutChoice::automatic, false)->tables_digest() !=
      automatic->tables_digest()) {
    std::abort();
  }
} catch (const Error&) {
}

/// "disk", a delta whose only extent is "extent", and its parent "parent", a flat one of letters.
inline void add_child(MemoryFiles& files, const std::string& type, const std::string& extent,
                      std::uint32_t sectors) {
  const auto descriptor = [&](const std::string& head, const std::string& line) {
    return "# Disk DescriptorFile\nversion=1\n" + head + "RW " + std::to_string(sectors) + " " +
           line + "\n";
  };
  files.add("disk", descriptor("CID=2\nparentCID=1\nparentFileNameHint=\"parent\"\ncreateType=\"" +
                                   type + "\"\n",
                               extent + " \"extent\""));
  files.add("parent",
            descriptor("CID=1\nparentCID=ffffffff\ncreateType=\"vmfs\"\n", "VMFS \"flat\""));
  files.add("flat", std::string(sectors * 512, 'p'));
}

inline void be_quiet() { log::to_file("/dev/null", log::Level::error); }

}  // namespace v2vfs::fuzz
