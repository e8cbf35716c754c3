// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fs/node.h"
#include "fs/state_folder.h"

namespace v2vfs::fs {

/// Owner, permissions and extended attributes that somebody gave to one file of the view: libvirt
/// chowns a disk to the user QEMU runs as and remembers the old owner in
/// trusted.libvirt.security.*, and both must outlive the daemon.
struct SavedAttributes {
  std::optional<mode_t> permissions;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::map<std::string, std::string, std::less<>> xattrs;
  bool empty() const { return !permissions && !uid && !gid && xattrs.empty(); }
};

/// Kept in attributes.json of a VM's state folder, for all of its files. Thread safe; a change is
/// durable when the call returns.
class AttributeStore {
 public:
  /// Reads what `folder` has. Throws Error if it is damaged.
  explicit AttributeStore(StateFolder folder);

  SavedAttributes get(std::string_view file) const;
  void change_owner(std::string_view file, const AttrChange& change);
  void set_xattr(std::string_view file, std::string_view name, std::string_view value,
                 XattrMode mode);
  void remove_xattr(std::string_view file, std::string_view name);
  void clear();
  bool empty() const;

 private:
  using Files = std::map<std::string, SavedAttributes, std::less<>>;
  void update(std::string_view file, const std::function<void(SavedAttributes&)>& edit);

  const StateFolder folder_;
  mutable std::mutex mutex_;
  Files files_;  // guarded by mutex_
};

}  // namespace v2vfs::fs
