// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "inspect/guest/initrd_archive.h"
#include "inspect/guest/initrd_facts.h"
#include "inspect/guest/limits.h"

/// Any bytes: segments that lie in the image one after the other, and bounded output.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs::inspect;
  const std::string image(reinterpret_cast<const char*>(data), size);
  const auto read_at = [&](std::uint64_t offset, std::size_t length) {
    return offset >= image.size() ? std::string() : image.substr(offset, length);
  };
  const InitrdArchive found = read_initrd(size, read_at, is_initrd_config);
  std::uint64_t end = 0;
  for (const InitrdSegment& segment : found.segments) {
    if (segment.offset < end || segment.offset > size) std::abort();
    end = segment.offset + segment.bytes + segment.padding;
    if (end > size) std::abort();
  }
  if (found.entries.size() > kInitrdEntries || found.tail_offset > size) std::abort();
  std::size_t kept = 0;
  for (const auto& [name, text] : found.files) kept += text.size();
  if (kept > kInitrdKeptBytes) std::abort();
  initrd_facts(found);
  return 0;
}
