// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

namespace v2vfs::ctl {

/// Data of a file, 4 MiB at most, never across a multiple of that: so the same file has the same
/// pieces whenever it is looked at.
struct Piece {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

constexpr std::uint64_t kPieceBytes = 4 << 20;

/// The data of an open file, piece by piece; holes are jumped over (SEEK_DATA). Thread safe.
class DataPieces {
 public:
  /// `on_hole` is called for each hole, under the lock.
  using OnHole = std::function<void(const Piece&)>;
  DataPieces(int fd, std::uint64_t bytes, OnHole on_hole = nullptr);

  /// nullopt: no more. Throws Error.
  std::optional<Piece> next();

 private:
  bool find_data();

  const int fd_;
  const std::uint64_t bytes_;
  const OnHole on_hole_;
  std::mutex mutex_;
  std::uint64_t at_ = 0;
  std::uint64_t data_end_ = 0;  // of the run that at_ is in
};

}  // namespace v2vfs::ctl
