// SPDX-License-Identifier: MIT
// Header, footer, descriptor, tables and grains of a VMDK: whatever they hold, a disk is refused
// with a sentence, or shown as a sound qcow2 that gives the same bytes in both layouts.
//
// The first byte chooses: 0 to 127, the rest is the file; 128 to 255, the rest fills the fields of
// a header that makes sense, and what stands behind it.

#include <fuzzer/FuzzedDataProvider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "convert/disk/disk_view.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "tests/support/qcow2_reader.h"

namespace {

using namespace v2vfs;

constexpr std::uint64_t kSmallDisk = 2 << 20;
constexpr std::uint64_t kSmallFile = 64 << 20;

class MemoryFiles : public inspect::SourceFiles {
 public:
  explicit MemoryFiles(const std::string& bytes)
      : fd_(std::make_shared<UniqueFd>(::memfd_create("vmdk", MFD_CLOEXEC))), bytes_(bytes.size()) {
    if (!*fd_ || ::write(fd_->get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes_)) {
      std::abort();
    }
  }
  inspect::SourceFile open(std::string_view name) const override {
    if (name.find('/') != std::string_view::npos) std::abort();  // T1: never asked for
    return {fd_, "fuzz", 0, bytes_};
  }
  std::vector<std::string> names() const override { return {}; }

 private:
  std::shared_ptr<const UniqueFd> fd_;
  std::uint64_t bytes_;
};

constexpr std::string_view kDescriptor =
    "# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n"
    "RW 16 SPARSE \"x\"\n";

template <typename Number>
void put(std::string& bytes, std::size_t at, Number number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

/// Header, descriptor, and the tables and grains that `data` has.
std::string make_image(FuzzedDataProvider& data) {
  std::string image(1024, '\0');
  const bool is_deflated = data.ConsumeBool();
  const auto sectors = data.ConsumeIntegralInRange<std::uint64_t>(0, 512);
  const std::uint64_t grain = is_deflated ? 128 : 8ull << data.ConsumeIntegralInRange<int>(0, 4);
  image.replace(0, 4, "KDMV");
  put(image, 4, std::uint32_t{3});
  put(image, 8, std::uint32_t{is_deflated ? 0x30004u : 4u});
  put(image, 12, sectors);
  put(image, 20, grain);
  put(image, 28, std::uint64_t{1});
  put(image, 36, std::uint64_t{1});
  put(image, 44, std::uint32_t{512});
  put(image, 56, data.ConsumeIntegralInRange<std::uint64_t>(0, 8));
  put(image, 77, std::uint16_t{is_deflated});
  std::string text(kDescriptor);
  text.replace(text.find("RW 16"), 5, "RW " + std::to_string(sectors));
  image.replace(512, text.size(), text);
  return image + data.ConsumeRemainingBytesAsString();
}

std::unique_ptr<convert::DiskView> open(const MemoryFiles& files, convert::LayoutChoice layout,
                                        bool verify) {
  inspect::DiskSpec spec;
  spec.file = "fuzz";
  convert::ViewOptions options;
  options.layout = layout;
  options.reserve_bytes = 0;
  options.verify_grains = verify;
  return convert::open_disk(files, spec, options, std::nullopt);
}

std::optional<std::vector<std::byte>> cluster(test::Qcow2Reader& reader, std::uint64_t index) {
  try {
    return reader.guest_cluster(index);
  } catch (const Error& error) {
    if (error.error_number() != EIO) std::abort();
    return std::nullopt;
  }
}

/// What the layout one to one gives was checked against its checksums: the other gives the same, or
/// EIO.
void compare(convert::DiskView& automatic, convert::DiskView& plain) {
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

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  v2vfs::log::to_file("/dev/null", v2vfs::log::Level::error);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  FuzzedDataProvider data(bytes + 1, size - 1);
  const bool is_made = bytes[0] >= 128;
  const MemoryFiles files(is_made ? make_image(data) : data.ConsumeRemainingBytesAsString());
  try {
    const auto automatic = open(files, convert::LayoutChoice::automatic, bytes[0] & 1);
    const auto plain = open(files, convert::LayoutChoice::plain, false);
    if (automatic->virtual_bytes() > kSmallDisk || automatic->file_bytes() > kSmallFile) return 0;
    compare(*automatic, *plain);
    automatic->verify(nullptr);
    if (open(files, convert::LayoutChoice::automatic, false)->tables_digest() !=
        automatic->tables_digest()) {
      std::abort();
    }
  } catch (const Error&) {
  }
  return 0;
}
