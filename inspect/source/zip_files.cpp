// SPDX-License-Identifier: MIT
#include "inspect/source/zip_files.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/inflated_file.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

constexpr unsigned kStored = 0;
constexpr unsigned kDeflated = 8;
constexpr unsigned kEncrypted = 1;

/// Why a member is no file that can be read; empty: it is one.
std::string_view objection(const ZipMember& member) {
  if (member.flags & kEncrypted) return "encrypted";
  if (member.mode != 0 && S_ISLNK(member.mode)) return "a symbolic link";
  const bool is_odd = (member.mode & S_IFMT) != 0 && !S_ISREG(member.mode);
  if (is_odd) return "no regular file";
  if (member.method != kStored && member.method != kDeflated) {
    return "compressed in another way than deflate";
  }
  if (member.method == kStored && member.stored_bytes != member.bytes) {
    return "stored, but of two different sizes";
  }
  return "";
}

}  // namespace

ZipFiles::ZipFiles(OpenArchive open_archive, std::shared_ptr<AccessPointCache> cache)
    : open_archive_(std::move(open_archive)), cache_(std::move(cache)) {
  const SourceFile archive = open_archive_();
  stat_ = archive.host_stat();
  for (ZipMember& member : read_zip_directory(archive)) keep_or_ignore(std::move(member));
}

void ZipFiles::keep_or_ignore(ZipMember member) {
  if (member.name.ends_with('/')) return;
  if (const std::string_view why = objection(member); !why.empty()) {
    return archive_names_.ignore(member.name, why);
  }
  const std::string name = archive_names_.admit(member.name);
  if (name.empty()) return;
  const std::uint64_t at = member.header;
  if (!members_.try_emplace(name, std::move(member)).second) {
    throw file_error(EIO, open_archive_().name(), at,
                     fmt::format("the archive has two members \"{}\"", clean_text(name)));
  }
}

SourceFile ZipFiles::open(std::string_view name) const {
  const std::string wanted = archive_names_.folder() + relative_name(name);
  const SourceFile archive = open_archive_();
  std::string shown = fmt::format("{} in {}", clean_text(wanted), archive.name());
  const auto found = members_.find(wanted);
  if (found == members_.end()) throw Error(ENOENT, "{} is not there", shown);
  if (archive.host_stat() != stat_) {
    throw Error(ESTALE, "{} changed since it was read first", archive.name());
  }
  const ZipMember& member = found->second;
  SourceFile content = zip_content(archive, member, shown);
  if (member.method == kStored) return content;
  return inflated_file({std::move(content), DeflatedStream::Member{member.bytes, member.crc}},
                       std::move(shown), cache_);
}

std::vector<std::string> ZipFiles::names() const {
  std::vector<std::string> found;
  const std::string& folder = archive_names_.folder();
  for (const auto& [name, member] : members_) {
    if (name.starts_with(folder)) found.push_back(name.substr(folder.size()));
  }
  return found;
}

}  // namespace v2vfs::inspect
