// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace v2vfs::fs {

class OverlayStore;

/// What a store must say, and what it may say after a crash: the oracle O1-O4.
///
/// `now()` is the file as acknowledged. For each 512-byte sector the model also knows every value
/// since the last completed barrier (the value at that barrier first), and so for the size: after a
/// power cut each sector holds one of these (O1), the size is one of these (O3). A sector that no
/// size reached yet has no value, so an extension that survives must have its bytes.
class DiskModel {
 public:
  explicit DiskModel(std::vector<std::byte> base);

  const std::vector<std::byte>& now() const { return now_; }
  std::uint64_t bytes() const { return now_.size(); }

  // An operation is begun, and then either done or (the process died, or it failed) left as it is.
  void write(std::uint64_t offset, std::span<const std::byte> in);
  void punch(std::uint64_t offset, std::uint64_t length);
  void resize(std::uint64_t bytes);
  void begin();
  void done() { in_flight_ = false; }

  void barrier_begins();
  void barrier_succeeded();
  void barrier_failed() { marks_.clear(); }

  /// Each of these returns what is wrong, or nothing.
  std::string check_exact(OverlayStore& store) const;    // no crash
  std::string check_process_death(OverlayStore& store);  // O2: acknowledged, or the one in flight
  std::string check_power_cut(OverlayStore& store);      // O1, O3
  /// What the store says is the truth from now on; durable after a power cut.
  void adopt(OverlayStore& store, bool durable);

 private:
  using Sector = std::array<std::byte, 512>;
  struct Values {
    std::vector<Sector> values;
  };

  void push_changes(const std::vector<std::byte>& old);
  static Sector sector(const std::vector<std::byte>& bytes, std::uint64_t index);

  std::vector<std::byte> now_;
  std::vector<Values> sectors_;
  std::vector<std::uint64_t> sizes_;
  std::vector<std::byte> before_;  // the operation in flight
  bool in_flight_ = false;
  std::vector<std::size_t> marks_;  // values at the beginning of the barrier, by sector
  std::size_t size_mark_ = 0;
};

/// All of it.
std::vector<std::byte> contents_of(OverlayStore& store);

}  // namespace v2vfs::fs
