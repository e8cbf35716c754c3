// SPDX-License-Identifier: MIT
#include "inspect/source/inflated_file.h"

#include <mutex>

#include "inspect/base/log.h"
#include "inspect/source/cursor_pool.h"
#include "inspect/source/stored_key.h"

namespace v2vfs::inspect {
namespace {

class InflatedContent : public SourceContent {
 public:
  InflatedContent(DeflatedStream stream, std::shared_ptr<AccessPointCache> cache)
      : stream_(std::move(stream)), cache_(std::move(cache)) {}

  std::uint64_t length() const override {
    return stream_.zip_member ? stream_.zip_member->length : points().length();
  }

  std::string head(std::size_t most) const override { return inflate_head(stream_, most); }

  std::vector<SourceFile> stored_files() const override { return stream_.stored.stored_files(); }

  void read(std::uint64_t offset, std::span<std::byte> out) const override {
    if (out.empty()) return;
    const AccessPoints& all = points();
    const AccessPoints::Point& point = all.before(offset);
    cursors_.with(offset, point.offset, [&](InflateCursor& cursor) {
      if (!cursor.is_behind(offset, point.offset)) cursor.go_to(all, point);
      cursor.read(offset, out);
    });
  }

 private:
  const AccessPoints& points() const {
    const std::lock_guard lock(points_mutex_);
    if (!points_) points_ = cache_->get(key(), [&](const auto& f) { return find(f); });
    return *points_;
  }

  std::string key() const {
    return stored_key(stream_.stored, static_cast<std::uint64_t>(stream_.format()));
  }

  AccessPoints find(const std::string& folder) const {
    log::info("{}: it is compressed and read once to its end, {} bytes", stream_.stored.name(),
              stream_.stored.length());
    return find_access_points(stream_, folder, [&] { return cache_->is_stopped(); });
  }

  const DeflatedStream stream_;
  const std::shared_ptr<AccessPointCache> cache_;
  mutable std::mutex points_mutex_;
  mutable std::shared_ptr<const AccessPoints> points_;  // guarded until it is there
  mutable CursorPool<InflateCursor> cursors_{
      [this] { return std::make_unique<InflateCursor>(stream_); }};
};

}  // namespace

SourceFile inflated_file(DeflatedStream stream, std::string name,
                         std::shared_ptr<AccessPointCache> cache) {
  return {std::make_shared<const InflatedContent>(std::move(stream), std::move(cache)),
          std::move(name)};
}

}  // namespace v2vfs::inspect
