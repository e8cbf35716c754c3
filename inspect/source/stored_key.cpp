// SPDX-License-Identifier: MIT
#include "inspect/source/stored_key.h"

#include <algorithm>

#include "inspect/base/digest.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kSampleBytes = 64 << 10;

}  // namespace

std::string stored_key(const SourceFile& file, std::uint64_t format) {
  Digest digest;
  for (const SourceFile& each : file.stored_files()) {
    const SourceFile::HostStat stat = each.host_stat();
    digest.add_number(stat.device).add_number(stat.inode).add_number(stat.bytes);
    digest.add_number(static_cast<std::uint64_t>(stat.mtime_ns));
    if (const auto range = each.host_range()) digest.add_number(range->offset);
  }
  digest.add_number(format).add_number(file.length());
  std::vector<std::byte> sample(std::min<std::uint64_t>(kSampleBytes, file.length()));
  for (const std::uint64_t offset : {std::uint64_t{0}, file.length() - sample.size()}) {
    file.read(offset, sample);
    digest.add(sample);
  }
  return digest.hex();
}

}  // namespace v2vfs::inspect
