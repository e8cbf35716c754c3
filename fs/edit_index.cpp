// SPDX-License-Identifier: MIT
#include "fs/edit_index.h"

#include <cerrno>

#include "inspect/base/digest.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr std::string_view kMagic = "v2vfs edits 1\n";
constexpr std::size_t kDigestBytes = 64;

class Writer {
 public:
  std::string text{kMagic};

  void number(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8) text.push_back(static_cast<char>(value >> shift));
  }
  void string(std::string_view value) {
    number(value.size());
    text.append(value);
  }
};

class Reader {
 public:
  Reader(std::string_view text, const std::string& file) : left_(text), file_(file) {}

  std::uint64_t number() {
    const std::string_view bytes = take(8);
    std::uint64_t value = 0;
    for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
    return value;
  }
  bool flag() { return number() != 0; }
  std::uint32_t small() { return static_cast<std::uint32_t>(number()); }
  std::string string() { return std::string(take(number())); }
  /// Of a list, each element of which takes at least eight bytes.
  std::uint64_t count() {
    const std::uint64_t value = number();
    if (value > left_.size() / 8) fail();
    return value;
  }
  bool at_end() const { return left_.empty(); }
  [[noreturn]] void fail() const { throw Error(EIO, "{}: the list of edits is damaged", file_); }

 private:
  std::string_view take(std::uint64_t bytes) {
    if (bytes > left_.size()) fail();
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }

  std::string_view left_;
  const std::string& file_;
};

void write(Writer& out, const convert::EditedState& state) {
  out.number(static_cast<std::uint64_t>(state.kind));
  out.number(state.permissions);
  out.number(state.uid);
  out.number(state.gid);
  out.number(state.xattrs.size());
  for (const inspect::Xattr& xattr : state.xattrs) {
    out.string(xattr.name);
    out.string(xattr.value);
  }
  out.string(state.target);
  out.number(state.has_content);
}

convert::EditedState read_state(Reader& in) {
  convert::EditedState state;
  const std::uint64_t kind = in.number();
  if (kind > static_cast<std::uint64_t>(convert::EditKind::symlink)) in.fail();
  state.kind = static_cast<convert::EditKind>(kind);
  state.permissions = in.small();
  state.uid = in.small();
  state.gid = in.small();
  for (std::uint64_t left = in.count(); left > 0; --left) {
    inspect::Xattr xattr;
    xattr.name = in.string();
    xattr.value = in.string();
    state.xattrs.push_back(std::move(xattr));
  }
  state.target = in.string();
  state.has_content = in.flag();
  return state;
}

void write(Writer& out, const convert::ReplacedFile& replaced) {
  out.number(replaced.there);
  out.number(static_cast<std::uint64_t>(replaced.kind));
  out.number(replaced.inode);
  out.number(replaced.bytes);
  out.number(static_cast<std::uint64_t>(replaced.modified_ns));
}

convert::ReplacedFile read_replaced(Reader& in) {
  convert::ReplacedFile replaced;
  replaced.there = in.flag();
  const std::uint64_t kind = in.number();
  if (kind > static_cast<std::uint64_t>(inspect::FileKind::socket)) in.fail();
  replaced.kind = static_cast<inspect::FileKind>(kind);
  replaced.inode = in.number();
  replaced.bytes = in.number();
  replaced.modified_ns = static_cast<std::int64_t>(in.number());
  return replaced;
}

void write(Writer& out, const JournalEntry& entry) {
  out.string(entry.path);
  write(out, entry.wanted);
  write(out, entry.replaced);
  out.number(entry.chosen.permissions | entry.chosen.owner << 1 | entry.chosen.label << 2 |
             entry.chosen.xattrs << 3);
  out.number(static_cast<std::uint64_t>(entry.saved_ns));
  out.number(entry.content.has_value());
  if (entry.content) {
    out.number(entry.content->slot);
    out.number(entry.content->bytes);
    out.string(entry.content->sha256);
  }
  out.number(entry.run);
  out.number(entry.over_run);
  out.number(entry.over_there);
}

JournalEntry read_entry(Reader& in) {
  JournalEntry entry;
  entry.path = in.string();
  entry.wanted = read_state(in);
  entry.replaced = read_replaced(in);
  const std::uint64_t chosen = in.number();
  entry.chosen = {(chosen & 1) != 0, (chosen & 2) != 0, (chosen & 4) != 0, (chosen & 8) != 0};
  entry.saved_ns = static_cast<std::int64_t>(in.number());
  if (in.flag()) {
    entry.content.emplace();
    entry.content->slot = in.number();
    entry.content->bytes = in.number();
    entry.content->sha256 = in.string();
  }
  entry.run = in.number();
  entry.over_run = in.number();
  entry.over_there = in.flag();
  return entry;
}

}  // namespace

std::string to_text(const EditIndex& index) {
  Writer out;
  out.number(index.slots);
  out.number(index.applied.size());
  for (const std::string& path : index.applied) out.string(path);
  out.number(index.edits.size());
  for (const auto& [path, entry] : index.edits) write(out, entry);
  return out.text + Digest().add(out.text).hex();
}

EditIndex parse_edit_index(std::string_view text, const std::string& file) {
  const Reader whole(text, file);
  if (text.size() < kMagic.size() + kDigestBytes || !text.starts_with(kMagic)) whole.fail();
  const std::string_view body = text.substr(0, text.size() - kDigestBytes);
  if (Digest().add(body).hex() != text.substr(body.size())) whole.fail();
  Reader fields(body.substr(kMagic.size()), file);
  EditIndex index;
  index.slots = fields.number();
  for (std::uint64_t left = fields.count(); left > 0; --left)
    index.applied.push_back(fields.string());
  for (std::uint64_t left = fields.count(); left > 0; --left) {
    JournalEntry entry = read_entry(fields);
    index.edits[entry.path] = std::move(entry);
  }
  if (!fields.at_end()) fields.fail();
  return index;
}

}  // namespace v2vfs::fs
