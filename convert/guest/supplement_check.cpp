// SPDX-License-Identifier: MIT
#include "convert/guest/supplement_check.h"

#include <map>
#include <set>

#include "inspect/base/digest.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::InitrdEntry;

std::string content_digest(std::string_view content) { return Digest().add(content).hex(); }

void add_entry(Digest& digest, const std::string& name, std::uint32_t mode,
               const std::string& content) {
  digest.add_field(name).add_number(mode).add_field(content);
}

/// The digest of each wanted entry's content, the last one of a name.
class Contents {
 public:
  explicit Contents(const Supplement& supplement)
      : wanted_(supplement.entries.begin(), supplement.entries.end()) {}

  inspect::InitrdSink sink() {
    inspect::InitrdSink sink;
    sink.on_entry = [this](const InitrdEntry& entry) { return take(entry); };
    sink.on_data = [this](std::string_view bytes) { digests_.at(current_).add(bytes); };
    return sink;
  }

  std::string of(const std::string& name) {
    const auto found = digests_.find(name);
    return found == digests_.end() ? "" : found->second.hex();
  }

 private:
  bool take(const InitrdEntry& entry) {
    if (wanted_.count(entry.name) == 0) return false;
    current_ = entry.name;
    digests_[current_] = Digest();
    return true;
  }

  const std::set<std::string> wanted_;
  std::map<std::string, Digest> digests_;
  std::string current_;
};

}  // namespace

std::string archive_digest(const std::vector<CpioFile>& files) {
  Digest digest;
  for (const CpioFile& file : files) {
    add_entry(digest, file.name, file.mode, content_digest(file.content));
  }
  return digest.hex();
}

std::string check_supplemented(std::uint64_t image_bytes, const inspect::ReadAt& read_at,
                               const Supplement& supplement) {
  Contents contents(supplement);
  const inspect::InitrdArchive archive =
      inspect::unpack_initrd(image_bytes, read_at, contents.sink());
  if (!archive.problem.empty()) return "it cannot be read: " + clean_text(archive.problem);
  if (archive.tail != supplement.tail) return "its end is not what it was";
  const std::size_t count = supplement.entries.size();
  if (archive.entries.size() < count) return "the added archive is not in it";
  Digest digest;
  for (std::size_t i = archive.entries.size() - count; i < archive.entries.size(); ++i) {
    const InitrdEntry& entry = archive.entries[i];
    add_entry(digest, entry.name, entry.mode, contents.of(entry.name));
  }
  return digest.hex() == supplement.archive_digest
             ? ""
             : "its last archive is not the one that was added";
}

}  // namespace v2vfs::convert
