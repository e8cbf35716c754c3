// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "mount-helpers/ctl/data_pieces.h"
#include "mount-helpers/ctl/part_record.h"

namespace v2vfs::ctl {

/// One disk on its way from a mount into FILE.part. A few threads, each takes a piece, reads it,
/// makes its digest and writes what is not zeros.
class DiskCopy {
 public:
  struct Ends {
    std::string from_name, to_name;
    int from = -1, to = -1;
  };
  struct Resumed {
    bool any = false;      // there are pieces of an earlier run
    bool trusted = false;  // and nobody can have written to the disk since then
  };
  struct Counters {
    std::atomic<std::uint64_t> done_bytes = 0, skipped_bytes = 0;
  };

  DiskCopy(Ends ends, std::uint64_t bytes, PartRecord& record, Resumed resumed, Counters& counters);

  /// Copies. `tick` is called five times a second in the calling thread; what it throws ends the
  /// copying, as does what fails itself.
  void run(const std::function<void()>& tick);

  /// Makes it durable, drops it from memory, reads all pieces again and compares. Throws
  /// Error(EIO).
  void verify(const std::function<void()>& tick);

 private:
  using Body = std::function<void(std::span<std::byte> buffer)>;

  void work_in_threads(const Body& body, const std::function<void()>& tick);
  void work(const Body& body);
  bool stopped() const { return stop_.load(std::memory_order_relaxed); }
  void copy_all(std::span<std::byte> buffer);
  bool copy(const Piece& piece, std::span<std::byte> buffer);
  bool is_there(const Piece& piece, const std::string& digest, std::span<std::byte> buffer) const;
  bool target_has(const Piece& piece, const std::string& digest, std::span<std::byte> buffer) const;
  void write_data(std::uint64_t offset, std::span<const std::byte> data);
  void punch(const Piece& hole) const;

  const Ends ends_;
  const std::uint64_t bytes_;
  PartRecord& record_;
  const Resumed resumed_;
  Counters& counters_;
  DataPieces pieces_;
  std::atomic<bool> stop_ = false;
  std::atomic<unsigned> working_ = 0;
  std::mutex write_mutex_;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace v2vfs::ctl
