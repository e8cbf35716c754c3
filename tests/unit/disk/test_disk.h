// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "convert/disk/disk_view.h"
#include "inspect/base/error.h"
#include "tests/support/pattern.h"
#include "tests/support/qcow2_reader.h"
#include "tests/support/scratch.h"
#include "tests/support/test_folder.h"
#include "tests/support/vmdk_writer.h"

namespace v2vfs::test {

inline constexpr std::uint64_t kMiB = 1 << 20;

/// A disk in a folder of its own.
class TestDisk {
 public:
  explicit TestDisk(std::uint64_t bytes, const VmdkOptions& options = {}, std::uint64_t seed = 3)
      : content_(pattern(bytes, seed)) {
    write_vmdk(*content_, options, scratch_.file("disk.vmdk"));
  }
  TestDisk() = default;  // an empty folder

  const Content& content() const { return *content_; }
  std::string path(const std::string& name = "disk.vmdk") const { return scratch_.file(name); }

  void add_text(const std::string& name, const std::string& text) const {
    std::ofstream(scratch_.file(name), std::ios::binary) << text;
  }

  std::unique_ptr<convert::DiskView> open(convert::ViewOptions options = {},
                                          const std::optional<std::string>& record = {},
                                          const std::string& name = "disk.vmdk",
                                          inspect::DiskFormat format = {}) const {
    if (!options.reserve_bytes) options.reserve_bytes = kMiB;
    inspect::DiskSpec spec;
    spec.file = name;
    spec.format = format;
    return convert::open_disk(TestFolder(scratch_.path()), spec, options, record);
  }

  /// The errno with which it cannot be opened, 0 if it can.
  int refusal(const std::string& name = "disk.vmdk", inspect::DiskFormat format = {}) const {
    try {
      open({}, {}, name, format);
    } catch (const Error& error) {
      return error.error_number();
    }
    return 0;
  }

 private:
  Scratch scratch_;
  std::unique_ptr<Content> content_;
};

inline convert::ViewOptions plain() {
  convert::ViewOptions options;
  options.layout = convert::LayoutChoice::plain;
  return options;
}
inline convert::ViewOptions verified() {
  convert::ViewOptions options;
  options.verify_grains = true;
  return options;
}

/// Guest clusters that are an error, separated by blanks; "N!" for one with other bytes than
/// `content`.
inline std::string differences(convert::DiskView& view, const Content& content) {
  Qcow2Reader reader(view);
  std::string result;
  const std::uint64_t cluster = reader.cluster_bytes();
  for (std::uint64_t i = 0; i * cluster < content.bytes(); ++i) {
    std::vector<std::byte> expected(cluster);
    content.read(i * cluster,
                 std::span(expected).first(std::min(cluster, content.bytes() - i * cluster)));
    try {
      if (reader.guest_cluster(i) != expected) result += std::to_string(i) + "! ";
    } catch (const Error& error) {
      if (error.error_number() != EIO) throw;
      result += std::to_string(i) + " ";
    }
  }
  return result;
}

inline bool is_plain(const convert::DiskView& view) {
  return view.layout_record().find("run guest") != std::string::npos;
}

}  // namespace v2vfs::test
