// SPDX-License-Identifier: MIT
#include "fs/file_attributes.h"

#include <cerrno>

#include "fs/attributes_json.h"
#include "fs/durable_file.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kFileName = "attributes.json";
constexpr std::size_t kLargestXattrTotal = 64 << 10;  // of one file, as ext4's order of size

std::size_t total_bytes(const SavedAttributes& saved) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : saved.xattrs) bytes += name.size() + value.size();
  return bytes;
}

}  // namespace

AttributeStore::AttributeStore(StateFolder folder) : folder_(std::move(folder)) {
  if (const auto text = read_small_file(folder_.path(), kFileName)) {
    files_ = attributes_from_json(*text, folder_.path() + "/" + kFileName);
  }
}

SavedAttributes AttributeStore::get(std::string_view file) const {
  const std::lock_guard lock(mutex_);
  const auto found = files_.find(file);
  return found == files_.end() ? SavedAttributes{} : found->second;
}

void AttributeStore::update(std::string_view file,
                            const std::function<void(SavedAttributes&)>& edit) {
  const std::lock_guard lock(mutex_);
  Files changed = files_;
  SavedAttributes& saved = changed[std::string(file)];
  edit(saved);
  if (total_bytes(saved) > kLargestXattrTotal) {
    throw Error(ENOSPC, "a file keeps at most 64 KiB of extended attributes");
  }
  write_durably(folder_.to_write_in(), kFileName, attributes_to_json(changed));
  files_ = std::move(changed);
}

void AttributeStore::change_owner(std::string_view file, const AttrChange& change) {
  update(file, [&](SavedAttributes& saved) {
    if (change.permissions) saved.permissions = *change.permissions & 0777;
    if (change.uid) saved.uid = *change.uid;
    if (change.gid) saved.gid = *change.gid;
  });
}

void AttributeStore::set_xattr(std::string_view file, std::string_view name, std::string_view value,
                               XattrMode mode) {
  update(file, [&](SavedAttributes& saved) {
    const bool exists = saved.xattrs.contains(name);
    if (mode == XattrMode::create && exists) throw Error(EEXIST, "the attribute exists already");
    if (mode == XattrMode::replace && !exists) throw Error(ENODATA, "there is no such attribute");
    saved.xattrs[std::string(name)] = std::string(value);
  });
}

void AttributeStore::remove_xattr(std::string_view file, std::string_view name) {
  update(file, [&](SavedAttributes& saved) {
    const auto found = saved.xattrs.find(name);
    if (found == saved.xattrs.end()) throw Error(ENODATA, "there is no such attribute");
    saved.xattrs.erase(found);
  });
}

void AttributeStore::clear() {
  const std::lock_guard lock(mutex_);
  remove_durably(folder_.path(), kFileName);
  files_.clear();
}

bool AttributeStore::empty() const {
  const std::lock_guard lock(mutex_);
  for (const auto& [file, saved] : files_) {
    if (!saved.empty()) return false;
  }
  return true;
}

}  // namespace v2vfs::fs
