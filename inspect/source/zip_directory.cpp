// SPDX-License-Identifier: MIT
#include "inspect/source/zip_directory.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::inspect {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kEndMagic = "PK\x05\x06"sv;
constexpr std::string_view kEnd64Magic = "PK\x06\x06"sv;
constexpr std::string_view kLocatorMagic = "PK\x06\x07"sv;
constexpr std::string_view kEntryMagic = "PK\x01\x02"sv;
constexpr std::string_view kLocalMagic = "PK\x03\x04"sv;
constexpr std::size_t kEndBytes = 22;
constexpr std::size_t kEnd64Bytes = 56;
constexpr std::size_t kLocatorBytes = 20;
constexpr std::size_t kEntryBytes = 46;
constexpr std::size_t kLocalBytes = 30;
constexpr std::size_t kMostComment = 65'535;
constexpr std::uint64_t kMostDirectory = 16 << 20;
constexpr std::uint64_t kMostMembers = 10'000;
constexpr std::uint64_t kIn64 = 0xffff'ffff;  // the number stands in a Zip64 field
constexpr unsigned kZip64Field = 1;
constexpr unsigned kMadeOnUnix = 3;

std::uint64_t number(std::string_view bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[offset + i]);
  }
  return value;
}

class DirectoryReader {
 public:
  explicit DirectoryReader(const SourceFile& archive) : archive_(archive) {}

  std::vector<ZipMember> run() {
    find_end();
    if (members_ > kMostMembers) fail(start_, "the archive has more than 10,000 members");
    if (bytes_ > kMostDirectory) fail(start_, "the archive's directory is larger than 16 MiB");
    const std::string directory = text(start_, bytes_);
    std::vector<ZipMember> members;
    for (std::string_view rest = directory; members.size() < members_;) {
      members.push_back(take_entry(rest));
    }
    return members;
  }

 private:
  [[noreturn]] void fail(std::uint64_t offset, std::string_view sentence) const {
    throw file_error(EIO, archive_.name(), offset, sentence);
  }

  std::string text(std::uint64_t offset, std::uint64_t bytes) const {
    if (!range_fits(offset, bytes, archive_.length())) {
      fail(archive_.length(),
           "the archive ends before its directory: it is cut short, copy it again");
    }
    std::string found(bytes, '\0');
    archive_.read(offset, std::as_writable_bytes(std::span(found)));
    return found;
  }

  void find_end() {
    const std::uint64_t most = std::min<std::uint64_t>(kEndBytes + kMostComment, archive_.length());
    const std::uint64_t from = archive_.length() - most;
    const std::string tail = text(from, most);
    for (std::size_t at = tail.rfind(kEndMagic); at != std::string::npos;) {
      const bool is_whole = tail.size() - at >= kEndBytes;
      if (is_whole && at + kEndBytes + number(tail, at + 20, 2) == tail.size()) {
        return take_end(std::string_view(tail).substr(at, kEndBytes), from + at);
      }
      at = at == 0 ? std::string::npos : tail.rfind(kEndMagic, at - 1);
    }
    fail(archive_.length(), "the archive has no directory: it is cut short, copy it again");
  }

  void take_end(std::string_view end, std::uint64_t at) {
    if (number(end, 4, 2) != number(end, 6, 2)) fail(at, "the archive is split into several files");
    members_ = number(end, 10, 2);
    bytes_ = number(end, 12, 4);
    start_ = number(end, 16, 4);
    if (at >= kLocatorBytes) {
      const std::string locator = text(at - kLocatorBytes, kLocatorBytes);
      if (locator.starts_with(kLocatorMagic)) take_end64(number(locator, 8, 8));
    }
    if (!range_fits(start_, bytes_, at)) fail(at, "the archive's directory lies outside of it");
  }

  void take_end64(std::uint64_t at) {
    const std::string end = text(at, kEnd64Bytes);
    if (!end.starts_with(kEnd64Magic)) fail(at, "the archive's Zip64 directory has no end");
    members_ = number(end, 32, 8);
    bytes_ = number(end, 40, 8);
    start_ = number(end, 48, 8);
  }

  ZipMember take_entry(std::string_view& rest) const {
    const std::uint64_t at = start_ + bytes_ - rest.size();
    if (rest.size() < kEntryBytes || !rest.starts_with(kEntryMagic)) {
      fail(at, "the archive's directory has fewer members than it says");
    }
    const std::size_t name_bytes = number(rest, 28, 2);
    const std::size_t extra_bytes = number(rest, 30, 2);
    const std::size_t whole = kEntryBytes + name_bytes + extra_bytes + number(rest, 32, 2);
    if (rest.size() < whole) fail(at, "an entry of the archive's directory is cut short");
    ZipMember member;
    member.flags = static_cast<unsigned>(number(rest, 8, 2));
    member.method = static_cast<unsigned>(number(rest, 10, 2));
    member.crc = static_cast<std::uint32_t>(number(rest, 16, 4));
    member.stored_bytes = number(rest, 20, 4);
    member.bytes = number(rest, 24, 4);
    member.header = number(rest, 42, 4);
    member.name = rest.substr(kEntryBytes, name_bytes);
    if (number(rest, 5, 1) == kMadeOnUnix) {
      member.mode = static_cast<std::uint32_t>(number(rest, 40, 2));
    }
    take_zip64(rest.substr(kEntryBytes + name_bytes, extra_bytes), member, at);
    rest.remove_prefix(whole);
    return member;
  }

  /// 4.5.3: the numbers that did not fit, in this order.
  void take_zip64(std::string_view extra, ZipMember& member, std::uint64_t at) const {
    std::string_view field;
    while (extra.size() >= 4) {
      const std::size_t bytes = number(extra, 2, 2);
      if (bytes > extra.size() - 4) break;
      if (number(extra, 0, 2) == kZip64Field) field = extra.substr(4, bytes);
      extra.remove_prefix(4 + bytes);
    }
    for (std::uint64_t* const value : {&member.bytes, &member.stored_bytes, &member.header}) {
      if (*value != kIn64) continue;
      if (field.size() < 8) fail(at, "a Zip64 number of the archive's directory is missing");
      *value = number(field, 0, 8);
      field.remove_prefix(8);
    }
  }

  const SourceFile& archive_;
  std::uint64_t members_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t start_ = 0;
};

}  // namespace

std::vector<ZipMember> read_zip_directory(const SourceFile& archive) {
  return DirectoryReader(archive).run();
}

SourceFile zip_content(const SourceFile& archive, const ZipMember& member, std::string shown) {
  const auto fail = [&](std::string_view sentence) {
    throw file_error(EIO, shown, member.header, sentence);
  };
  std::string head(kLocalBytes, '\0');
  if (!range_fits(member.header, head.size(), archive.length()))
    fail("it lies outside the archive");
  archive.read(member.header, std::as_writable_bytes(std::span(head)));
  const std::size_t name_bytes = number(head, 26, 2);
  const std::uint64_t content = member.header + kLocalBytes + name_bytes + number(head, 28, 2);
  const bool agrees = head.starts_with(kLocalMagic) && number(head, 8, 2) == member.method &&
                      name_bytes == member.name.size();
  if (!agrees) fail("its header is not as the archive's directory says");
  if (!range_fits(content, member.stored_bytes, archive.length())) {
    fail("it ends beyond the end of the archive: the archive is cut short, copy it again");
  }
  return archive.part(content, member.stored_bytes, shown);
}

}  // namespace v2vfs::inspect
