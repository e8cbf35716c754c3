// SPDX-License-Identifier: MIT
#include "fs/unpacked_archives.h"

#include <utility>

#include "fs/durable_file.h"
#include "fs/private_folder.h"
#include "fs/state_dir.h"
#include "fs/state_folder.h"
#include "fs/state_json.h"

namespace v2vfs::fs {
namespace {

std::shared_ptr<StateLocks> open_locks(const std::string& root, const std::string& mountpoint) {
  make_private_root(root);
  return StateLocks::open(root, mountpoint);
}

}  // namespace

UnpackedArchives::UnpackedArchives(std::string root, const std::string& mountpoint)
    : root_(std::move(root)), locks_(open_locks(root_, mountpoint)) {}

std::string UnpackedArchives::folder(const std::string& key, const std::string& archive) {
  const std::string id = "unpacked-" + key.substr(0, 16);
  const std::string path = root_ + "/" + id;
  const std::lock_guard lock(mutex_);
  if (held_.contains(id)) return path;
  StateLocks::Lock held = locks_->lock(id);
  make_private_folder(path);
  if (!read_small_file(path, kStateRecordFile)) {
    write_durably(path, kStateRecordFile, state_to_json({key, id, id, archive, {}}));
  }
  held_.emplace(id, std::move(held));
  return path;
}

}  // namespace v2vfs::fs
