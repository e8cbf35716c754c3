// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "mount-helpers/ctl/terminal.h"

/// What is shown while somebody waits: on a terminal one line that is drawn again and again, in a
/// pipe plain lines from time to time. On stderr, so that stdout has results only.
namespace v2vfs::ctl {

struct Progress {
  std::string what;  // "web/disk.qcow2"
  std::uint64_t done_bytes = 0, total_bytes = 0;
  std::uint64_t skipped_bytes = 0;  // of the done ones: those that took no time
  std::chrono::milliseconds elapsed{0};
};

/// "web/disk.qcow2  [=====>    ]  52 %  212 of 406 MiB  812 MiB/s  1 s left", in `columns`. Pure.
std::string progress_line(const Progress& progress, std::size_t columns);

/// The line itself.
class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine() { clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  void show(const Progress& progress);
  /// Something that has no measure: "the guest is being converted, 12 s".
  void show_waiting(const std::string& what, std::chrono::seconds elapsed);
  /// A line that stays.
  void say(const std::string& line);
  void clear();

 private:
  void draw(const std::string& line);
  bool is_due();

  const bool quiet_;
  const Terminal terminal_;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace v2vfs::ctl
