// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "inspect/base/inflate_stream.h"
#include "inspect/source/access_points.h"
#include "inspect/source/source_file.h"

/// A compressed file of a source, read from its beginning to its end and from anywhere within.
namespace v2vfs::inspect {

/// gzip members, any number of them, perhaps with zeros behind (RFC 1952); or the one raw stream of
/// a zip member, of which the archive says what it holds.
struct DeflatedStream {
  SourceFile stored;
  struct Member {
    std::uint64_t length = 0;
    std::uint32_t crc = 0;
  };
  std::optional<Member> zip_member = std::nullopt;

  InflateStream::Format format() const {
    return zip_member ? InflateStream::Format::raw : InflateStream::Format::gzip;
  }
};

/// Reads all of the stream and checks it. Throws Error(EIO) with file and offset: it is damaged,
/// cut short, has anything behind its end, holds something else than the archive says or more than
/// 64 TiB; Error(EINTR) if `stop`, asked every MiB or so, said so. `folder` is as AccessPoints has
/// it.
AccessPoints find_access_points(const DeflatedStream& stream, const std::string& folder,
                                const std::function<bool()>& stop);

/// The first bytes, at most `most`, without access points. Throws Error(EIO).
std::string inflate_head(const DeflatedStream& stream, std::size_t most);

/// Where somebody reads in a stream whose access points are known: reading on is cheap, as is going
/// back a little. Not thread safe.
class InflateCursor {
 public:
  explicit InflateCursor(const DeflatedStream& stream);

  /// True if `offset` can be reached from here without going back to an access point that is
  /// nearer.
  bool is_behind(std::uint64_t offset, std::uint64_t point) const;
  void go_to(const AccessPoints& points, const AccessPoints::Point& point);
  /// `offset` is not before what is_behind() allows. Throws Error(EIO).
  void read(std::uint64_t offset, std::span<std::byte> out);

 private:
  void fill_input();
  void make_more();
  void next_member();
  [[noreturn]] void fail(std::string_view sentence) const;

  const DeflatedStream& stream_;
  InflateStream inflate_;
  bool has_trailer_ = false;      // of a gzip member that was begun within
  std::uint64_t stored_ = 0;      // behind what is in input_
  std::vector<std::byte> input_;  // of which input_used_ were taken
  std::size_t input_used_ = 0;
  std::uint64_t made_start_ = 0;  // offset of the first byte in made_
  std::vector<std::byte> made_;
};

}  // namespace v2vfs::inspect
