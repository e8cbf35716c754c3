// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "inspect/base/inflate_stream.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::inspect {

/// Where inflating can begin within a deflate stream: every few MiB the place of a block and the
/// 32 KiB before it, deflated. Kept in a file without a name, or in memory, in either case bounded:
/// what would go beyond is thinned out. Made by one thread, then read by any number.
class AccessPoints {
 public:
  struct Point {
    std::uint64_t stored = 0;  // the next byte of the compressed file
    std::uint64_t offset = 0;  // the next byte of what it holds
    std::uint64_t window = 0;  // where the deflated window begins in our file
    std::uint32_t window_bytes = 0;
    std::uint32_t bits = 0;  // as InflateStream::Boundary
  };

  /// In `folder`; empty, or a folder that cannot have such files: in memory.
  explicit AccessPoints(const std::string& folder);

  /// How far apart points should be, in bytes of what the stream holds; grows.
  std::uint64_t spacing() const { return spacing_; }
  /// Points come in the order of their offsets, the first at 0. Throws Error where the folder's
  /// file system fails.
  void add(std::uint64_t stored, std::uint64_t offset, unsigned bits,
           std::span<const std::byte> window);
  /// The end: what the stream holds, in bytes.
  void finish(std::uint64_t length) { length_ = length; }

  std::uint64_t length() const { return length_; }
  const std::vector<Point>& points() const { return points_; }
  /// The last point at or before `offset`. There is at least one.
  const Point& before(std::uint64_t offset) const;
  /// The window of a point. Throws Error(EIO) if what is kept is damaged.
  std::size_t read_window(const Point& point, InflateStream::Window& out) const;

  /// Gives the file a name in its folder; does nothing for what is in memory. `key` is 64
  /// characters that say which stream this is of. A failure is logged: the next mount makes it
  /// anew.
  void keep(const std::string& folder, const std::string& key);
  /// What keep() left, unless it is not there, of another stream or version, or damaged.
  static std::optional<AccessPoints> kept(const std::string& folder, const std::string& key);

 private:
  AccessPoints() = default;
  void thin_out();
  bool load(const std::string& key);

  UniqueFd file_;
  bool has_folder_ = false;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t spacing_ = 4 << 20;
  std::uint64_t length_ = 0;
  std::vector<Point> points_;
};

}  // namespace v2vfs::inspect
