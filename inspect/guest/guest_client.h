// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "inspect/base/error.h"
#include "inspect/guest/guest.h"
#include "inspect/guest/guest_channel.h"

/// The daemon's end of guest_wire.h.
namespace v2vfs::inspect {

/// The process behind the socket, as its client needs it.
class GuestPeer {
 public:
  virtual ~GuestPeer() = default;
  /// Ends it at once, with all that it started. Returns what is to be thrown: `why`, with what the
  /// process had to say.
  virtual Error bury(const Error& why) = 0;
  /// Why it is gone, after the socket was closed: the reason that somebody ended it for, or how it
  /// died.
  virtual Error obituary() = 0;
};

/// A Guest in another process. It starts with the first call, which so takes as long as an
/// appliance needs to start. After the peer died, was ended, or talked nonsense, every call throws
/// the same Error.
class GuestClient : public Guest {
 public:
  struct Limits {
    std::chrono::milliseconds silence{300'000};     // without a frame: ended with ETIMEDOUT
    std::chrono::milliseconds one_call{3'600'000};  // with any number of progress frames
  };

  /// `peer` outlives it.
  GuestClient(UniqueFd socket, GuestSettings settings, Limits limits, GuestPeer& peer);

  /// True until a call found that the peer can no longer be used.
  bool usable() const { return !over_; }
  /// Called with what the peer says while a call is under way, on the thread of that call.
  std::function<void(GuestProgress)> on_progress;

  Storage storage() override;
  void unlock(const std::string& device, std::string_view key, const std::string& mapping) override;
  std::vector<BtrfsSubvolume> btrfs_subvolumes(const std::string& device) override;
  std::string read_device(const std::string& device, std::uint64_t offset,
                          std::size_t length) override;
  void mount(const GuestMount& mount) override;
  void unmount_all() override;
  FilesystemSpace space(const std::string& mountpoint) override;
  FileStat stat(const std::string& path) override;
  std::vector<FileEntry> list(const std::string& path) override;
  std::string readlink(const std::string& path) override;
  std::string read(const std::string& path, std::uint64_t offset, std::size_t length) override;
  std::vector<Xattr> xattrs(const std::string& path) override;
  std::optional<std::string> resolve(const std::string& path) override;
  std::optional<std::string> resolve_case(const std::string& path) override;
  std::vector<PackageEntry> rpm_packages(const std::string& root_device) override;
  std::optional<RegistryValue> registry_value(const std::string& hive, const std::string& key,
                                              const std::string& value) override;
  std::vector<std::string> registry_keys(const std::string& hive, const std::string& key) override;
  void write_file(const std::string& path, std::string_view content) override;
  void append(const std::string& path, std::string_view content) override;
  void truncate(const std::string& path, std::uint64_t bytes) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void make_directory(const std::string& path, std::uint32_t permissions) override;
  void make_symlink(const std::string& target, const std::string& path) override;
  void set_permissions(const std::string& path, std::uint32_t permissions) override;
  void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) override;
  void set_xattr(const std::string& path, const Xattr& xattr) override;
  void remove_xattr(const std::string& path, const std::string& name) override;
  std::string run_program(const std::vector<std::string>& words) override;
  void sync() override;
  void start_anew() override;
  void finish() override;

 private:
  template <typename Result, typename... Arguments>
  Result ask(GuestCall call, Result (Guest::*)(Arguments...),
             const std::type_identity_t<std::decay_t<Arguments>>&... arguments);
  void start();
  std::string exchange(const std::string& request);
  std::string receive_reply(WireClock::time_point last_moment);
  Frame next_frame(WireClock::time_point last_moment);
  void note_progress(const Frame& frame);
  [[noreturn]] void pass_on(const Frame& error);
  [[noreturn]] void end(const Error& why);
  [[noreturn]] void nonsense(const std::string& what);
  [[noreturn]] void too_late();
  [[noreturn]] void gone();

  GuestChannel channel_;
  const GuestSettings settings_;
  const Limits limits_;
  GuestPeer& peer_;
  std::chrono::milliseconds silence_ = limits_.silence;  // that is borne now
  bool started_ = false;
  std::optional<Error> over_;  // what every later call throws
};

}  // namespace v2vfs::inspect
