// SPDX-License-Identifier: MIT
#include "inspect/source/tar_files.h"

#include <fmt/core.h>

#include <cerrno>
#include <optional>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/source_name.h"
#include "inspect/source/tar_header.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostMembers = 10'000;
constexpr std::uint64_t kMostPaxBytes = 1 << 20;
constexpr std::uint64_t kMostNameBytes = 4096 + 1;  // GNU writes the NUL too

bool is_regular(char type) { return type == '0' || type == '\0' || type == '7'; }
bool is_link(char type) { return type == '1' || type == '2'; }

std::string_view type_name(char type) {
  switch (type) {
    case '1':
      return "a hard link";
    case '2':
      return "a symbolic link";
    case '3':
    case '4':
      return "a device";
    case '6':
      return "a FIFO";
    case 'S':
      return "a sparse file";
    default:
      return "of an unknown type";
  }
}

}  // namespace

/// One pass over the headers of an archive.
class TarScan {
 public:
  TarScan(const SourceFile& archive, TarFiles& files) : archive_(archive), files_(files) {}

  void run() {
    TarBlock block;
    for (std::size_t headers = 0; read_block(block); ++headers) {
      if (headers >= 4 * kMostMembers) fail("the archive has too many headers");
      member(block);
    }
  }

 private:
  /// What a pax or GNU header said of the member behind it.
  struct Pending {
    std::optional<std::string> name;
    std::optional<std::uint64_t> bytes;
    bool is_sparse = false;
  };

  [[noreturn]] void fail(std::string_view sentence) const {
    throw file_error(EIO, archive_.name(), at_, sentence);
  }

  /// False at the end: a block of zeros, or no whole block left.
  bool read_block(TarBlock& block) {
    if (!range_fits(at_, kTarBlock, archive_.length())) return false;
    archive_.read(at_, block);
    return !is_zero_block(block);
  }

  void member(const TarBlock& block) {
    if (!has_tar_checksum(block)) fail("the checksum of a tar header is wrong");
    const std::optional<TarHeader> header = decode_tar_header(block);
    if (!header) fail("the size in a tar header is no number of bytes");
    switch (header->type) {
      case 'x':
      case 'X':
        return take_pax(*header);
      case 'g':
        return take_global_pax(*header);
      case 'L':
        pending_.name = text_of(*header, kMostNameBytes, "a long name");
        pending_.name->resize(std::min(pending_.name->find('\0'), pending_.name->size()));
        return;
      case 'K':
        text_of(*header, kMostPaxBytes, "a long link name");
        return;
      default:
        take_member(*header);
    }
  }

  /// The content of a header of headers; steps over it.
  std::string text_of(const TarHeader& header, std::uint64_t most, std::string_view what) {
    if (header.bytes > most) fail(fmt::format("{} of {} bytes is too long", what, header.bytes));
    if (!range_fits(at_ + kTarBlock, header.bytes, archive_.length())) {
      fail(fmt::format("the archive ends within {}", what));
    }
    std::string text(header.bytes, '\0');
    archive_.read(at_ + kTarBlock, std::as_writable_bytes(std::span(text)));
    step(header.bytes);
    return text;
  }

  void take_pax(const TarHeader& header) {
    const auto records = decode_pax_records(text_of(header, kMostPaxBytes, "a pax header"));
    if (!records) fail("a pax header is malformed");
    for (const auto& [key, value] : *records) {
      if (key == "path") pending_.name = value;
      if (key == "size") pending_.bytes = decode_pax_number(value);
      if (key == "size" && !pending_.bytes) fail("the size in a pax header is no number of bytes");
      if (key.starts_with("GNU.sparse.")) pending_.is_sparse = true;
    }
  }

  /// A size or a path for all members that follow makes no sense, and readers differ in it.
  void take_global_pax(const TarHeader& header) {
    const auto records = decode_pax_records(text_of(header, kMostPaxBytes, "a pax header"));
    if (!records) fail("a pax header is malformed");
    if (records->contains("size") || records->contains("path")) {
      fail("a global pax header gives all members one size or path");
    }
  }

  void take_member(const TarHeader& header) {
    if (++members_ > kMostMembers) fail("the archive has more than 10,000 members");
    const Pending pending = std::exchange(pending_, {});
    const std::string name = pending.name.value_or(header.name);
    const std::uint64_t bytes = pending.bytes.value_or(header.bytes);
    if (is_link(header.type) && bytes != 0) fail("a link in the archive has content");
    if (header.is_extended) skip_sparse_map();
    keep_or_ignore(header.type, name, bytes, pending.is_sparse);
    step(bytes);
  }

  /// GNU tar manual: blocks of 21 entries each, the byte at 504 says whether another one follows.
  void skip_sparse_map() {
    TarBlock block;
    std::size_t blocks = 0;
    do {
      at_ += kTarBlock;
      if (++blocks > kMostMembers || !range_fits(at_, kTarBlock, archive_.length())) {
        fail("the map of a sparse member does not end");
      }
      archive_.read(at_, block);
    } while (block[504] != std::byte{0});
  }

  void keep_or_ignore(char type, const std::string& name, std::uint64_t bytes, bool is_sparse) {
    if (type == '5' || type == 'V' || (type != '1' && type != '2' && name.ends_with('/'))) return;
    if (!is_regular(type) || is_sparse) {
      return files_.archive_names_.ignore(name, is_sparse ? type_name('S') : type_name(type));
    }
    if (const std::string admitted = files_.archive_names_.admit(name); !admitted.empty()) {
      keep(admitted, bytes);
    }
  }

  void keep(const std::string& name, std::uint64_t bytes) {
    const bool is_new =
        files_.members_.try_emplace(name, TarFiles::Range{at_ + kTarBlock, bytes}).second;
    if (!is_new) fail(fmt::format("the archive has two members \"{}\"", clean_text(name)));
  }

  /// To the header behind `bytes` of content. Content that goes past the end ends the scan: what
  /// the archive held before is still good, the member itself is refused when it is opened.
  void step(std::uint64_t bytes) {
    const std::uint64_t content = at_ + kTarBlock;
    if (range_fits(content, bytes, archive_.length())) {
      at_ = content + round_up(bytes, kTarBlock);
    } else {
      at_ = archive_.length();
    }
  }

  const SourceFile& archive_;
  TarFiles& files_;
  std::uint64_t at_ = 0;
  std::size_t members_ = 0;
  Pending pending_;
};

TarFiles::TarFiles(OpenArchive open_archive) : open_archive_(std::move(open_archive)) {
  const SourceFile archive = open_archive_();
  stat_ = archive.host_stat();
  TarScan(archive, *this).run();
}

SourceFile TarFiles::open(std::string_view name) const {
  const std::string wanted = archive_names_.folder() + relative_name(name);
  const SourceFile archive = open_archive_();
  const std::string shown = fmt::format("{} in {}", clean_text(wanted), archive.name());
  const auto member = members_.find(wanted);
  if (member == members_.end()) throw Error(ENOENT, "{} is not there", shown);
  if (archive.host_stat() != stat_) {
    throw Error(ESTALE, "{} changed since it was read first", archive.name());
  }
  const auto [offset, bytes] = member->second;
  if (!range_fits(offset, bytes, archive.length())) {
    throw Error(
        EIO,
        "{} ends beyond the end of the archive (byte {}): the archive is cut short, copy it "
        "again",
        shown, archive.length());
  }
  return archive.part(offset, bytes, shown);
}

std::vector<std::string> TarFiles::names() const {
  std::vector<std::string> found;
  for (const auto& [name, range] : members_) {
    const std::string& folder = archive_names_.folder();
    if (name.starts_with(folder)) found.push_back(name.substr(folder.size()));
  }
  return found;
}

}  // namespace v2vfs::inspect
