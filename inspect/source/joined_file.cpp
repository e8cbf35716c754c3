// SPDX-License-Identifier: MIT
#include "inspect/source/joined_file.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"

namespace v2vfs::inspect {
namespace {

class JoinedContent : public SourceContent {
 public:
  explicit JoinedContent(std::vector<SourceFile> files) {
    for (SourceFile& file : files) {
      for (SourceFile& stored : file.stored_files()) stored_.push_back(std::move(stored));
      if (file.length() == 0) continue;
      const Checked end = checked_add(length_, file.length());
      if (!end) throw Error(EIO, "{}: the parts are longer than any file", file.name());
      parts_.push_back({length_, std::move(file)});
      length_ = *end;
    }
  }

  std::uint64_t length() const override { return length_; }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    for (auto part = part_at(offset); !out.empty(); ++part) {
      const std::uint64_t within = offset - part->start;
      const std::size_t bytes = std::min<std::uint64_t>(part->file.length() - within, out.size());
      part->file.read(within, out.first(bytes));
      out = out.subspan(bytes);
      offset += bytes;
    }
  }

  std::string head(std::size_t most) const override {
    std::string bytes(std::min<std::uint64_t>(most, length_), '\0');
    read(0, std::as_writable_bytes(std::span(bytes)));
    return bytes;
  }

  std::uint64_t next_data(std::uint64_t offset) const override {
    for (auto part = part_at(offset); part != parts_.end(); ++part) {
      const std::uint64_t found = part->file.next_data(std::max(offset, part->start) - part->start);
      if (found < part->file.length()) return part->start + found;
    }
    return length_;
  }

  std::uint64_t next_hole(std::uint64_t offset) const override {
    for (auto part = part_at(offset); part != parts_.end(); ++part) {
      const std::uint64_t found = part->file.next_hole(std::max(offset, part->start) - part->start);
      if (found < part->file.length()) return part->start + found;
    }
    return length_;
  }

  std::vector<SourceFile> stored_files() const override { return stored_; }

 private:
  struct Part {
    std::uint64_t start;
    SourceFile file;  // not empty
  };

  /// The part that holds `offset`, which lies inside.
  std::vector<Part>::const_iterator part_at(std::uint64_t offset) const {
    const auto next = std::ranges::upper_bound(parts_, offset, {}, &Part::start);
    return next == parts_.begin() ? next : std::prev(next);
  }

  std::vector<Part> parts_;
  std::vector<SourceFile> stored_;
  std::uint64_t length_ = 0;
};

}  // namespace

SourceFile joined_file(std::vector<SourceFile> parts, std::string name) {
  if (parts.size() == 1) return parts[0].part(0, parts[0].length(), std::move(name));
  return {std::make_shared<const JoinedContent>(std::move(parts)), std::move(name)};
}

}  // namespace v2vfs::inspect
