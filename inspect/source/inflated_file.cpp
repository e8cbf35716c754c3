// SPDX-License-Identifier: MIT
#include "inspect/source/inflated_file.h"

#include <algorithm>
#include <mutex>

#include "inspect/base/digest.h"
#include "inspect/base/log.h"
#include "inspect/source/cursor_pool.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kSampleBytes = 64 << 10;

/// Says which bytes on which host these are: identity and time of the files, length, both ends.
std::string key_of(const DeflatedStream& stream) {
  const SourceFile& file = stream.stored;
  Digest digest;
  for (const SourceFile& each : file.stored_files()) {
    const SourceFile::HostStat stat = each.host_stat();
    digest.add_number(stat.device).add_number(stat.inode).add_number(stat.bytes);
    digest.add_number(static_cast<std::uint64_t>(stat.mtime_ns));
    if (const auto range = each.host_range()) digest.add_number(range->offset);
  }
  digest.add_number(static_cast<std::uint64_t>(stream.format())).add_number(file.length());
  std::vector<std::byte> sample(std::min<std::uint64_t>(kSampleBytes, file.length()));
  for (const std::uint64_t offset : {std::uint64_t{0}, file.length() - sample.size()}) {
    file.read(offset, sample);
    digest.add(sample);
  }
  return digest.hex();
}

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
    if (!points_) points_ = cache_->get(key_of(stream_), [&](const auto& f) { return find(f); });
    return *points_;
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
