// SPDX-License-Identifier: MIT
#include "tests/support/vmdk_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <stdexcept>

#include "tests/support/chain_content.h"
#include "tests/support/delta_writer.h"
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

constexpr std::array<std::string_view, 8> kTypes = {"streamOptimized",    "monolithicSparse",
                                                    "monolithicFlat",     "twoGbMaxExtentSparse",
                                                    "twoGbMaxExtentFlat", "vmfs",
                                                    "vmfsSparse",         "seSparse"};

constexpr std::array<std::string_view, 12> kDamages = {
    "none",         "table-past-end",  "entry-past-end", "missing-table",
    "same-place",   "many-references", "flipped-bit",    "no-footer",
    "wrong-marker", "bad-newlines",    "same-table",     "open-journal"};

std::string descriptor(const VmdkOptions& options, const std::string& extents) {
  const std::string hint = options.parent_hint.empty()
                               ? ""
                               : fmt::format("parentFileNameHint=\"{}\"\n", options.parent_hint);
  return fmt::format(
      "# Disk DescriptorFile\nversion=1\nencoding=\"UTF-8\"\nCID={:08x}\nparentCID={:08x}\n"
      "createType=\"{}\"\n{}\n# Extent description\n{}\n# The Disk Data Base\n#DDB\n\n"
      "ddb.adapterType = \"lsilogic\"\nddb.virtualHWVersion = \"13\"\n",
      options.cid, options.parent_cid, kTypes[static_cast<std::size_t>(options.type)], hint,
      extents);
}

bool is_flat(VmdkType type) {
  return type == VmdkType::monolithic_flat || type == VmdkType::two_gb_flat ||
         type == VmdkType::vmfs;
}

void write_text(const std::string& path, const std::string& text) {
  OutputFile(path, OutputFile::Open::create).write(0, std::as_bytes(std::span(text)));
}

std::string base_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

void write_split(const Content& content, const VmdkOptions& options, const std::string& path) {
  const bool flat = is_flat(options.type);
  const bool is_one = flat && options.type != VmdkType::two_gb_flat;
  const std::string stem = path.substr(0, path.size() - 5);
  const std::uint64_t step =
      is_one ? std::max<std::uint64_t>(content.bytes(), 1) : options.extent_bytes;
  std::string lines;
  std::uint64_t begin = 0;
  for (int number = 1; begin < content.bytes() || number == 1; ++number, begin += step) {
    const std::uint64_t end = std::min(begin + step, content.bytes());
    const std::string name = is_one
                                 ? stem + "-flat.vmdk"
                                 : fmt::format("{}-{}{:03}.vmdk", stem, flat ? 'f' : 's', number);
    const bool has_place = flat && options.type != VmdkType::vmfs;
    const char* const type = has_place ? "FLAT" : flat ? "VMFS" : "SPARSE";
    lines += fmt::format("RW {} {} \"{}\"{}\n", (end - begin) / kSector, type, base_name(name),
                         has_place ? " 0" : "");
    if (flat) {
      OutputFile out(name, OutputFile::Open::create);
      write_flat(content, begin, end, out);
    } else {
      SparseWriter(content, begin, end, options, name).write("");
    }
  }
  write_text(path, descriptor(options, lines));
}

void write_delta(const Content& content, const VmdkOptions& options, const std::string& path) {
  const bool is_cowd = options.type == VmdkType::vmfs_sparse;
  const std::string name =
      path.substr(0, path.size() - 5) + (is_cowd ? "-delta.vmdk" : "-sesparse.vmdk");
  DeltaWriter(content, options, name).write();
  write_text(
      path, descriptor(options, fmt::format("RW {} {} \"{}\"\n", content.bytes() / kSector,
                                            is_cowd ? "VMFSSPARSE" : "SESPARSE", base_name(name))));
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
    SparseWriter(content, 0, content.bytes(), options, path).write(descriptor(options, line));
  } else if (options.type == VmdkType::vmfs_sparse || options.type == VmdkType::se_sparse) {
    write_delta(content, options, path);
  } else {
    write_split(content, options, path);
  }
}

Link chain_link(std::string_view word) {
  const std::size_t slash = word.find('/');
  Link link{vmdk_type(word.substr(0, slash)), 128};
  if (link.type == VmdkType::vmfs_sparse) link.grain_sectors = 1;
  if (link.type == VmdkType::se_sparse) link.grain_sectors = 8;
  if (slash != std::string_view::npos) {
    link.grain_sectors = std::stoull(std::string(word.substr(slash + 1)));
  }
  return link;
}

std::vector<std::string> write_chain(const std::vector<std::unique_ptr<Content>>& contents,
                                     const std::vector<Link>& links, VmdkOptions options,
                                     const std::string& path) {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < links.size(); ++i) {
    options.type = links[i].type;
    options.grain_sectors = links[i].grain_sectors;
    if (i > 0) {
      options.parent_cid = options.cid++;
      options.parent_hint = base_name(paths.back());
    }
    paths.push_back(i == 0 ? path
                           : fmt::format("{}-{:06}.vmdk", path.substr(0, path.size() - 5), i));
    const Whole whole(contents, i);
    const Content& own = *contents[i];
    write_vmdk(is_flat(options.type) ? whole : own, options, paths.back());
  }
  return paths;
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
