// SPDX-License-Identifier: MIT
#include "inspect/source/access_point_cache.h"

#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "inspect/base/log.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostIdle = 64;
constexpr auto kKeptFor = std::chrono::days(90);

/// What nobody used for long goes.
void tidy(const std::string& folder) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(error);
    if (!error && age > kKeptFor && entry.path().extension() == ".points") {
      fs::remove(entry.path(), error);
    }
  }
}

}  // namespace

std::string AccessPointCache::made_folder() {
  if (folder_.empty()) return "";
  std::error_code error;
  fs::create_directories(fs::path(folder_).parent_path(), error);
  if (::mkdir(folder_.c_str(), 0700) != 0 && errno != EEXIST) {
    log::warning("{} cannot be made: compressed files are read anew at each mount", folder_);
    return "";
  }
  const std::lock_guard lock(mutex_);
  if (!is_tidied_) tidy(folder_);
  is_tidied_ = true;
  return folder_;
}

std::shared_ptr<AccessPointCache::Slot> AccessPointCache::slot(const std::string& key) {
  const std::lock_guard lock(mutex_);
  if (slots_.size() > kMostIdle) {
    std::erase_if(slots_, [](const auto& each) { return each.second.use_count() == 1; });
  }
  std::shared_ptr<Slot>& slot = slots_[key];
  if (!slot) slot = std::make_shared<Slot>();
  return slot;
}

std::shared_ptr<const AccessPoints> AccessPointCache::get(const std::string& key,
                                                          const Find& find) {
  const std::shared_ptr<Slot> mine = slot(key);
  const std::lock_guard lock(mine->mutex);
  if (mine->points) return mine->points;
  const std::string folder = made_folder();
  std::optional<AccessPoints> points = AccessPoints::kept(folder, key);
  if (!points) {
    points = find(folder);
    points->keep(folder, key);
  }
  mine->points = std::make_shared<const AccessPoints>(std::move(*points));
  return mine->points;
}

}  // namespace v2vfs::inspect
