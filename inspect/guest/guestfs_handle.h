// SPDX-License-Identifier: MIT
#pragma once

#include <guestfs.h>

#include <memory>
#include <string>
#include <vector>

#include "inspect/guest/guest_server.h"

namespace v2vfs::inspect {

struct FreeMemory {
  void operator()(void* memory) const noexcept { std::free(memory); }
};
/// A string or buffer that libguestfs gave away.
using GuestfsText = std::unique_ptr<char, FreeMemory>;

/// A list of strings that libguestfs gave away, as ours.
std::vector<std::string> take_list(char** list);

/// The one owner of a libguestfs handle: a started appliance with the settings' disks. Nothing of
/// the environment, no network. Not thread safe.
class GuestfsHandle {
 public:
  /// Starts the appliance. Throws GuestGone if it does not come up.
  GuestfsHandle(const GuestSettings& settings, GuestAlive alive);
  GuestfsHandle(const GuestfsHandle&) = delete;
  GuestfsHandle& operator=(const GuestfsHandle&) = delete;
  ~GuestfsHandle();

  guestfs_h* get() const { return g_; }

  /// The last call failed: throws what it says, as Error(errno) or, if the appliance is no longer
  /// there, GuestGone. `what` is a path or device, cleaned here.
  [[noreturn]] void fail(std::string_view what) const;
  int check(int result, std::string_view what) const {
    if (result == -1) fail(what);
    return result;
  }
  std::int64_t check64(std::int64_t result, std::string_view what) const {
    if (result == -1) fail(what);
    return result;
  }
  template <typename T>
  T* check_pointer(T* result, std::string_view what) const {
    if (!result) fail(what);
    return result;
  }
  /// For a call that may fail because there is nothing: throws only if the appliance is gone.
  void forgive() const;
  int last_errno() const;
  /// The text of the last error, cleaned.
  std::string last_words() const;

  /// Unmounts, stops the appliance and says whether all of it went well (Error(EIO)).
  void shut_down();

 private:
  static void on_event(guestfs_h*, void* opaque, std::uint64_t event, int handle, int flags,
                       const char* text, std::size_t length, const std::uint64_t* array,
                       std::size_t array_length);
  void configure(const GuestSettings& settings);
  void add(const GuestDisk& disk);
  void launch();
  bool gone() const;

  guestfs_h* g_ = nullptr;
  GuestAlive alive_;
  bool launched_ = false;
  std::string console_;  // the end of what kernel and qemu said
};

}  // namespace v2vfs::inspect
