// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {

/// Who has which state: locks on ranges of one file, `locks` in the folder of states, so that a
/// state of which nothing is kept needs neither a folder nor a descriptor. The file holds, in slots
/// of 4 KiB, where daemons are mounted; the length of a state's range is the holder's slot. The
/// locks go with the process however it ends, and the file with the last who has it. Thread safe.
class StateLocks : public std::enable_shared_from_this<StateLocks> {
 public:
  /// Ends when it goes.
  class Lock {
   public:
    Lock(std::shared_ptr<const StateLocks> locks, std::uint64_t start);
    Lock(Lock&&) noexcept = default;
    Lock& operator=(Lock&&) = delete;
    ~Lock();
    /// False once it was moved from.
    bool is_held() const { return locks_ != nullptr; }

   private:
    std::shared_ptr<const StateLocks> locks_;
    std::uint64_t start_;
  };

  /// `mountpoint` is what others are told. Throws StartError(exit_state).
  static std::shared_ptr<StateLocks> open(const std::string& root, const std::string& mountpoint);
  ~StateLocks();

  /// nullopt: somebody else has the state.
  std::optional<Lock> try_lock(const std::string& id) const;
  /// Waits up to 120 s for a daemon whose mount is gone: it is flushing. Throws
  /// StartError(exit_state) if another one has the state.
  Lock lock(const std::string& id) const;
  /// True while a lock() waits.
  bool is_waiting() const { return waiting_ > 0; }
  /// Where who else has the state is mounted; empty: nobody has it, or it cannot be told.
  std::string holder_of(const std::string& id) const;
  /// The same for who has no locks of his own: makes nothing. nullopt: nobody has it.
  static std::optional<std::string> holder_in(const std::string& root, const std::string& id);

 private:
  StateLocks(std::string path, UniqueFd fd, std::uint16_t slot);
  [[noreturn]] void refuse(const std::string& id, const std::string& holder) const;
  static std::shared_ptr<StateLocks> try_open(const std::string& path);
  static std::shared_ptr<StateLocks> open_or_wait(const std::string& path);
  void write_holder(const std::string& mountpoint) const;

  const std::string path_;
  const UniqueFd fd_;
  const std::uint16_t slot_;
  mutable std::atomic<int> waiting_ = 0;
};

}  // namespace v2vfs::fs
