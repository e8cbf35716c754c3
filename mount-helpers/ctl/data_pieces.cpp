// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/data_pieces.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::ctl {

DataPieces::DataPieces(int fd, std::uint64_t bytes, OnHole on_hole)
    : fd_(fd), bytes_(bytes), on_hole_(std::move(on_hole)) {}

/// The next run of data from at_ on; false: there is none.
bool DataPieces::find_data() {
  const off_t start = ::lseek(fd_, static_cast<off_t>(at_), SEEK_DATA);
  if (start < 0 && errno != ENXIO) throw errno_error("looking for data");
  const std::uint64_t data = start < 0 ? bytes_ : static_cast<std::uint64_t>(start);
  if (on_hole_ && data > at_) on_hole_({at_, data - at_});
  at_ = data;
  if (at_ >= bytes_) return false;
  const off_t end = ::lseek(fd_, start, SEEK_HOLE);
  if (end < 0) throw errno_error("looking for a hole");
  data_end_ = std::min<std::uint64_t>(bytes_, static_cast<std::uint64_t>(end));
  return true;
}

std::optional<Piece> DataPieces::next() {
  const std::lock_guard lock(mutex_);
  if (at_ >= bytes_ || (at_ >= data_end_ && !find_data())) return std::nullopt;
  const std::uint64_t border = (at_ / kPieceBytes + 1) * kPieceBytes;
  const Piece piece{at_, std::min(border, data_end_) - at_};
  at_ += piece.bytes;
  return piece;
}

}  // namespace v2vfs::ctl
