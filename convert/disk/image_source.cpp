// SPDX-License-Identifier: MIT
#include "convert/disk/image_source.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "convert/disk/image_fields.h"
#include "inspect/base/checked.h"
#include "inspect/base/log.h"

namespace v2vfs::convert {
namespace {

constexpr auto kLongestSeek = std::chrono::seconds(5);
constexpr auto kBetweenStarts = std::chrono::seconds(1);
constexpr std::uint64_t kAskedAtOnce = std::uint64_t{2} << 30;
constexpr std::uint64_t kBlocksAtOnce = 1 << 20;
constexpr int kTries = 3;

Deadline from_now(std::chrono::seconds seconds) {
  return std::chrono::steady_clock::now() + seconds;
}

}  // namespace

ImageSource::ImageSource(const inspect::SourceFiles& files, const std::string& path,
                         const inspect::SourceFile& file, ImageFormat format, Digest& digest)
    : chain_(open_chain(files, path, file, format, digest)) {
  expect_qemu_nbd(file.name());
}

std::vector<inspect::SourceFile> ImageSource::files() const {
  std::vector<inspect::SourceFile> files;
  for (const ImageLayer& layer : chain_.layers) files.push_back(layer.file);
  return files;
}

/// The one that runs, or a new one. Many may ask while it cannot be started: after a second failure
/// it is tried once a second. A first one may be chance, as where somebody kills it while it
/// starts.
std::shared_ptr<NbdServer> ImageSource::server(Deadline deadline) const {
  const std::unique_lock lock(server_mutex_, deadline);
  const std::string& name = chain_.layers.front().file.name();
  if (!lock) throw Error(EIO, "{}: qemu-nbd, which reads it, does not start", name);
  if (server_ && server_->usable()) return server_;
  if (failure_ && std::chrono::steady_clock::now() < next_start_) throw *failure_;
  server_.reset();
  try {
    server_ = std::make_shared<NbdServer>(
        NbdExport{name, image_options(chain_, kFirstImageFd), files(), bytes()}, deadline);
    failure_.reset();
  } catch (const Error& error) {
    next_start_ = from_now(failure_ ? kBetweenStarts : std::chrono::seconds(0));
    failure_ = Error(EIO, error.sentence());
    throw *failure_;
  }
  return server_;
}

/// The first damaged range that does not end before `offset`.
const ByteRange* ImageSource::damage_behind(std::uint64_t offset) const {
  const auto found = std::ranges::upper_bound(chain_.damaged, offset, {}, &ByteRange::end);
  return found == chain_.damaged.end() ? nullptr : &*found;
}

void ImageSource::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (const ByteRange* damage = damage_behind(offset);
      damage && damage->offset < offset + out.size()) {
    throw Error(
        EIO, "{}: the disk's bytes from {} on lie beyond the end of the file: the copy is cut off",
        chain_.layers.front().file.name(), damage->offset);
  }
  // QEMU serves whole sectors of some formats only; the disk consists of such.
  const std::uint64_t begin = round_down(offset, kImageSector);
  const std::uint64_t end = round_up(offset + out.size(), kImageSector);
  if (end - begin == out.size()) return read_sectors(offset, out);
  std::vector<std::byte> sectors(end - begin);
  read_sectors(begin, sectors);
  std::memcpy(out.data(), sectors.data() + (offset - begin), out.size());
}

void ImageSource::read_sectors(std::uint64_t offset, std::span<std::byte> out) const {
  const Deadline deadline = from_now(kLongestRead);
  for (int i = 0; i < kTries; ++i) {
    // One that was ended as idle, just now, is no failure.
    if (server(deadline)->read(offset, out, deadline)) return;
  }
  throw Error(EIO, "{}: qemu-nbd, which reads it, ends again and again",
              chain_.layers.front().file.name());
}

std::vector<Stretch> ImageSource::ask(std::uint64_t offset, std::uint64_t length) const {
  try {
    const Deadline deadline = from_now(kLongestSeek);
    for (int i = 0; i < kTries; ++i) {
      if (auto found = server(deadline)->stretches(offset, length, deadline)) return *found;
    }
  } catch (const Error& error) {
    log::warning("{}; where its holes are is not known", error.sentence());
  }
  return {{offset + length, false}};
}

Stretch ImageSource::table_stretch(std::uint64_t offset) const {
  const std::uint64_t size = chain_.layers.front().header.block_bytes;
  const std::uint64_t first = offset / size;
  const bool is_stored = chain_.stored[first];
  std::uint64_t end = first;
  while (end < chain_.stored.size() && end - first < kBlocksAtOnce &&
         chain_.stored[end] == is_stored) {
    ++end;
  }
  return {end * size, !is_stored};
}

Stretch ImageSource::asked_stretch(std::uint64_t offset) const {
  const std::scoped_lock lock(stretch_mutex_);
  if (offset >= stretches_begin_) {
    const auto found = std::ranges::upper_bound(stretches_, offset, {}, &Stretch::end);
    if (found != stretches_.end()) return *found;
  }
  stretches_begin_ = round_down(offset, kImageSector);
  stretches_ = ask(stretches_begin_, std::min(kAskedAtOnce, bytes() - stretches_begin_));
  return stretches_.front();
}

Stretch ImageSource::stretch_at(std::uint64_t offset) const {
  Stretch stretch = chain_.stored.empty() ? asked_stretch(offset) : table_stretch(offset);
  if (const ByteRange* damage = damage_behind(offset)) {
    if (damage->offset <= offset) return {damage->end(), false};
    stretch.end = std::min(stretch.end, damage->offset);
  }
  stretch.end = std::min(stretch.end, bytes());
  return stretch;
}

}  // namespace v2vfs::convert
