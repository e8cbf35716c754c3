// SPDX-License-Identifier: MIT
// initrd-list IMAGE: names of what is in an initrd, one a line; its segments on stderr.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "inspect/base/text.h"
#include "inspect/guest/initrd_archive.h"
#include "inspect/guest/initrd_facts.h"

int main(int argc, char** argv) {
  using namespace v2vfs::inspect;
  if (argc != 2) {
    std::cerr << "initrd-list IMAGE\n";
    return 1;
  }
  std::ifstream file(argv[1], std::ios::binary);
  const auto read_at = [&](std::uint64_t offset, std::size_t length) {
    std::string bytes(length, '\0');
    file.clear();
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(bytes.data(), static_cast<std::streamsize>(length));
    bytes.resize(static_cast<std::size_t>(file.gcount()));
    return bytes;
  };
  const InitrdArchive found =
      read_initrd(std::filesystem::file_size(argv[1]), read_at, is_initrd_config);
  for (const InitrdSegment& segment : found.segments) {
    std::cerr << segment.offset << " " << segment.bytes << " " << segment.padding << " "
              << segment.compression << "\n";
  }
  for (const InitrdEntry& entry : found.entries) {
    std::cout << v2vfs::clean_text(entry.name, 4096) << "\n";
  }
  if (!found.problem.empty()) std::cerr << found.problem << "\n";
  return found.problem.empty() && found.tail.empty() ? 0 : 1;
}
