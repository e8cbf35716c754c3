// SPDX-License-Identifier: MIT
#include "inspect/source/access_points.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "inspect/base/checked.h"
#include "inspect/base/deflate.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kMostInMemory = 64 << 20;
constexpr std::uint64_t kMostInFile = 4ULL << 30;
constexpr std::size_t kMostPoints = 1 << 20;

/// The end of a kept file, behind the windows and the table of points. In the byte order of the
/// machine: it is read where it was written.
struct Trailer {
  std::array<char, 8> magic{};
  std::array<char, 64> key{};
  std::uint64_t points = 0;
  std::uint64_t length = 0;
  std::uint64_t spacing = 0;
  std::uint32_t table_crc = 0;
  std::uint32_t own_crc = 0;  // of what stands before it
};
constexpr std::array<char, 8> kMagic = {'v', '2', 'v', 'f', 's', 'A', 'P', '1'};

std::uint32_t crc_of(const Trailer& trailer) {
  return crc32(std::as_bytes(std::span(&trailer, 1)).first(offsetof(Trailer, own_crc)));
}

void write_at(int fd, std::span<const std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) throw errno_error("the places of a compressed file cannot be kept");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
}

bool read_at(int fd, std::span<std::byte> bytes, std::uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
  return true;
}

std::string file_name(const std::string& folder, const std::string& key) {
  return folder + "/" + key + ".points";
}

/// Memory that counts as ours, like a vector, but is a file as the other kind is.
UniqueFd memory_file() {
  UniqueFd fd(::memfd_create("v2vfs-points", MFD_CLOEXEC));
  if (!fd) throw errno_error("memory for the places of a compressed file");
  return fd;
}

}  // namespace

AccessPoints::AccessPoints(const std::string& folder) {
  if (!folder.empty()) {
    file_.reset(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    has_folder_ = static_cast<bool>(file_);
  }
  if (!file_) file_ = memory_file();
}

void AccessPoints::add(std::uint64_t stored, std::uint64_t offset, unsigned bits,
                       std::span<const std::byte> window) {
  const std::vector<std::byte> packed = deflate_zlib(window);
  write_at(file_.get(), packed, file_bytes_);
  points_.push_back({stored, offset, file_bytes_, static_cast<std::uint32_t>(packed.size()), bits});
  file_bytes_ += packed.size();
  const std::uint64_t most = has_folder_ ? kMostInFile : kMostInMemory;
  if (file_bytes_ > most || points_.size() > kMostPoints) thin_out();
}

/// Every second point goes, and what is left moves together: always to lower places, so nothing is
/// overwritten before it is read.
void AccessPoints::thin_out() {
  std::vector<Point> kept;
  std::vector<std::byte> window;
  file_bytes_ = 0;
  for (std::size_t i = 0; i < points_.size(); i += 2) {
    Point point = points_[i];
    window.resize(point.window_bytes);
    if (!read_at(file_.get(), window, point.window)) {
      throw errno_error("the places of a compressed file cannot be read back");
    }
    point.window = file_bytes_;
    write_at(file_.get(), window, file_bytes_);
    file_bytes_ += window.size();
    kept.push_back(point);
  }
  points_ = std::move(kept);
  spacing_ *= 2;
  (void)!::ftruncate(file_.get(), static_cast<off_t>(file_bytes_));
}

const AccessPoints::Point& AccessPoints::before(std::uint64_t offset) const {
  return *std::prev(std::ranges::upper_bound(points_, offset, {}, &Point::offset));
}

std::size_t AccessPoints::read_window(const Point& point, InflateStream::Window& out) const {
  std::vector<std::byte> packed(point.window_bytes);
  const bool is_read = read_at(file_.get(), packed, point.window);
  const auto bytes = is_read ? inflate_zlib(packed, out) : std::nullopt;
  if (!bytes) {
    throw Error(EIO,
                "what is kept of the places in a compressed file is damaged; unmount, remove the "
                "folder \"places\" of the cache, and mount again");
  }
  return *bytes;
}

void AccessPoints::keep(const std::string& folder, const std::string& key) {
  if (!has_folder_ || key.size() != Trailer{}.key.size()) return;
  const auto table = std::as_bytes(std::span(points_));
  Trailer trailer{kMagic, {}, points_.size(), length_, spacing_, crc32(table), 0};
  std::copy(key.begin(), key.end(), trailer.key.begin());
  trailer.own_crc = crc_of(trailer);
  const std::string name = file_name(folder, key);
  const std::string self = fmt::format("/proc/self/fd/{}", file_.get());
  try {
    write_at(file_.get(), table, file_bytes_);
    write_at(file_.get(), std::as_bytes(std::span(&trailer, 1)), file_bytes_ + table.size());
    // Once it has a name, it is whole.
    if (::fdatasync(file_.get()) != 0) throw errno_error(name);
    ::unlink(name.c_str());
    if (::linkat(AT_FDCWD, self.c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) != 0) {
      throw errno_error(name);
    }
  } catch (const Error& error) {
    log::warning("{}; the next mount reads the compressed file anew", error.sentence());
  }
}

std::optional<AccessPoints> AccessPoints::kept(const std::string& folder, const std::string& key) {
  if (folder.empty() || key.size() != Trailer{}.key.size()) return std::nullopt;
  AccessPoints points;
  points.file_.reset(
      ::open(file_name(folder, key).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!points.file_ || !points.load(key)) return std::nullopt;
  ::futimens(points.file_.get(), nullptr);  // the day of its last use
  return points;
}

bool AccessPoints::load(const std::string& key) {
  struct stat st {};
  if (::fstat(file_.get(), &st) != 0 || !S_ISREG(st.st_mode)) return false;
  const auto all = static_cast<std::uint64_t>(st.st_size);
  Trailer trailer;
  if (all < sizeof trailer) return false;
  if (!read_at(file_.get(), std::as_writable_bytes(std::span(&trailer, 1)), all - sizeof trailer)) {
    return false;
  }
  const bool is_ours = trailer.magic == kMagic && trailer.own_crc == crc_of(trailer) &&
                       std::equal(key.begin(), key.end(), trailer.key.begin());
  if (!is_ours || trailer.points == 0 || trailer.points > kMostPoints) return false;
  const std::uint64_t table_bytes = trailer.points * sizeof(Point);
  if (table_bytes > all - sizeof trailer) return false;
  points_.resize(trailer.points);
  file_bytes_ = all - sizeof trailer - table_bytes;
  const auto table = std::as_writable_bytes(std::span(points_));
  if (!read_at(file_.get(), table, file_bytes_) || crc32(table) != trailer.table_crc) return false;
  length_ = trailer.length;
  spacing_ = trailer.spacing;
  has_folder_ = true;
  return std::all_of(points_.begin(), points_.end(), [&](const Point& point) {
    return range_fits(point.window, point.window_bytes, file_bytes_) &&
           point.window_bytes <= 2 * kInflateWindow && point.bits < 8;
  });
}

}  // namespace v2vfs::inspect
