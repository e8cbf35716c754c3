// SPDX-License-Identifier: MIT
#include "tests/support/vmdk_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "tests/support/sparse_writer.h"

namespace v2vfs::test {
namespace {

constexpr std::uint64_t kSector = 512;

template <typename Word, std::size_t n>
std::size_t index_of(const std::array<std::string_view, n>& words, Word word) {
  const auto found = std::ranges::find(words, word);
  if (found == words.end()) throw std::invalid_argument(std::string(word));
  return static_cast<std::size_t>(found - words.begin());
}

constexpr std::array<std::string_view, 5> kTypes = {"streamOptimized", "monolithicSparse",
                                                    "monolithicFlat", "twoGbMaxExtentSparse",
                                                    "twoGbMaxExtentFlat"};

constexpr std::array<std::string_view, 10> kDamages = {
    "none",         "table-past-end",  "entry-past-end", "missing-table",
    "same-place",   "many-references", "flipped-bit",    "no-footer",
    "wrong-marker", "bad-newlines"};

std::string descriptor(VmdkType type, const std::string& extents) {
  return fmt::format(
      "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID=7e57d15c\nparentCID=ffffffff\n"
      "createType=\"{}\"\n\n# Extent description\n{}\n# The Disk Data Base\n#DDB\n\n"
      "ddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"13\"\n",
      kTypes[static_cast<std::size_t>(type)], extents);
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void write_split(const Content& content, const VmdkOptions& options, const std::string& path) {
  const bool is_flat =
      options.type == VmdkType::monolithic_flat || options.type == VmdkType::two_gb_flat;
  const bool is_one = options.type == VmdkType::monolithic_flat;
  const std::string stem = path.substr(0, path.size() - 5);
  const std::uint64_t step =
      is_one ? std::max<std::uint64_t>(content.bytes(), 1) : options.extent_bytes;
  std::string lines;
  std::uint64_t begin = 0;
  for (int number = 1; begin < content.bytes() || number == 1; ++number, begin += step) {
    const std::uint64_t end = std::min(begin + step, content.bytes());
    const std::string name =
        is_one ? stem + "-flat.vmdk"
               : fmt::format("{}-{}{:03}.vmdk", stem, is_flat ? 'f' : 's', number);
    lines += fmt::format("RW {} {} \"{}\"{}\n", (end - begin) / kSector,
                         is_flat ? "FLAT" : "SPARSE", base_name(name), is_flat ? " 0" : "");
    if (is_flat) {
      OutputFile out(name, OutputFile::Open::create);
      write_flat(content, begin, end, out);
    } else {
      SparseWriter(content, begin, end, options, name).write("");
    }
  }
  const std::string text = descriptor(options.type, lines);
  OutputFile(path, OutputFile::Open::create).write(0, std::as_bytes(std::span(text)));
}

}  // namespace

VmdkType vmdk_type(std::string_view word) { return static_cast<VmdkType>(index_of(kTypes, word)); }
Damage vmdk_damage(std::string_view word) { return static_cast<Damage>(index_of(kDamages, word)); }

void write_vmdk(const Content& content, const VmdkOptions& options, const std::string& path) {
  if (!path.ends_with(".vmdk")) throw std::invalid_argument("a VMDK's name ends in .vmdk");
  if (content.bytes() % kSector != 0) throw std::invalid_argument("a VMDK holds whole sectors");
  if (options.type == VmdkType::stream_optimized || options.type == VmdkType::monolithic_sparse) {
    const std::string line =
        fmt::format("RW {} SPARSE \"{}\"\n", content.bytes() / kSector, base_name(path));
    SparseWriter(content, 0, content.bytes(), options, path).write(descriptor(options.type, line));
  } else {
    write_split(content, options, path);
  }
}

namespace {

/// Every grain allocated and none written: SparseWriter would be asked for terabytes.
class Full : public Content {
 public:
  explicit Full(std::uint64_t bytes) : bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }
  bool has_data(std::uint64_t, std::uint64_t) const override { return false; }
  void read(std::uint64_t, std::span<std::byte> out) const override {
    std::memset(out.data(), 0, out.size());
  }

 private:
  std::uint64_t bytes_;
};

}  // namespace

void write_full_vmdk(std::uint64_t bytes, const std::string& path) {
  constexpr std::uint64_t kGrainSectors = 100;  // what a deflated grain takes here
  constexpr std::uint64_t kTableSectors = 5;    // with its marker
  VmdkOptions options;
  write_vmdk(Full(bytes), options, path);
  // The empty disk ends with: directory marker, directory, footer marker, footer, end marker.
  OutputFile file(path, OutputFile::Open::change);
  const std::uint64_t tables = (bytes / (128 * kSector) + 511) / 512;
  std::vector<std::byte> end(file.length() - 128 * kSector);
  file.read(128 * kSector, end);
  const std::uint64_t end_sector = 128 + tables * (512 * kGrainSectors + kTableSectors);
  if (end_sector + end.size() / kSector > 0xffffffff)
    throw std::invalid_argument("above 2 TiB of file");
  std::vector<std::uint32_t> directory(tables);
  for (std::uint64_t i = 0; i < tables; ++i) {
    const std::uint64_t first = 128 + i * (512 * kGrainSectors + kTableSectors);
    std::array<std::uint32_t, 512 + 128> table{};  // marker sector, then the table
    table[0] = 4;
    table[3] = 1;
    for (std::uint64_t j = 0; j < 512; ++j) {
      table[128 + j] = static_cast<std::uint32_t>(first + j * kGrainSectors);
    }
    directory[i] = static_cast<std::uint32_t>(first + 512 * kGrainSectors + 1);
    file.write((first + 512 * kGrainSectors) * kSector, std::as_bytes(std::span(table)));
  }
  std::memcpy(end.data() + kSector, directory.data(), directory.size() * 4);
  const std::uint64_t directory_sector = end_sector + 1;
  std::memcpy(end.data() + end.size() - 2 * kSector + 56, &directory_sector, 8);
  file.write(end_sector * kSector, end);
}

}  // namespace v2vfs::test
