// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "convert/disk/nbd_connection.h"
#include "inspect/base/child_process.h"
#include "inspect/base/error.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

/// What a qemu-nbd serves: image_options() for the descriptors from kFirstImageFd on.
struct NbdExport {
  std::string name;  // for messages
  std::string options;
  std::vector<inspect::SourceFile> files;  // in the order of the descriptors
  std::uint64_t bytes = 0;                 // the size that it must say
};

/// The first descriptors are stdin, stdout, stderr and the listening socket.
constexpr int kFirstImageFd = 4;

/// How long a read, and a start, may take before the process counts as hanging: as long as a SCSI
/// disk may take for a command.
constexpr auto kLongestRead = std::chrono::seconds(30);
/// A process that nobody asks anything for so long is ended, and started again when it is needed.
constexpr auto kIdle = std::chrono::seconds(60);

/// One `qemu-nbd --read-only` at work, with several connections so that reads go side by side. It
/// listens on a socket that had a name, in a private folder, only until our own connections were
/// queued on it; it opens what it was given as /proc/self/fd/N, and if it has anything else open
/// after its start, it is not used. A thread of its own starts it, watches it, ends it when it is
/// idle or this object goes, and reaps it. Thread safe.
class NbdServer {
 public:
  /// Starts it and shakes hands. Throws Error(EIO), ETIMEDOUT past the deadline.
  NbdServer(NbdExport what, Deadline deadline);
  ~NbdServer();
  NbdServer(const NbdServer&) = delete;

  /// False once it died, hung or was ended as idle: then nothing is asked of it any more.
  bool usable() const;

  /// nullopt: it was ended before anything was asked. The others throw Error(EIO) with a sentence
  /// if it cannot, or died, or does not answer until the deadline.
  std::optional<std::vector<Stretch>> stretches(std::uint64_t offset, std::uint64_t length,
                                                Deadline deadline);
  /// False: it was ended before anything was asked.
  bool read(std::uint64_t offset, std::span<std::byte> out, Deadline deadline);

 private:
  void keep(UniqueFd listener);
  void watch(const ChildProcess& child);
  bool is_over();
  void shake_hands(std::vector<UniqueFd> sockets, Deadline deadline);
  void check_open_files();
  void end();
  /// A free connection; nullptr if it was ended.
  std::unique_ptr<NbdConnection> borrow(Deadline deadline);
  void give_back(std::unique_ptr<NbdConnection> connection);
  bool use(Deadline deadline, const std::function<void(NbdConnection&)>& body);
  Error obituary(const Error& why);

  const NbdExport what_;
  const UniqueFd wake_;  // an eventfd: the keeper looks whether it is over
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::unique_ptr<NbdConnection>> free_;  // guarded by mutex_, as all below
  std::size_t borrowed_ = 0;
  Deadline last_use_;
  std::optional<std::pair<dev_t, ino_t>> stderr_;  // the file that it writes its words to
  pid_t pid_ = 0;                                  // 0 before the start and from the death on
  bool ended_ = false;
  bool reaped_ = false;
  std::string death_;  // once reaped_: how it died, and its last words
  std::thread keeper_;
};

/// Throws Error(EOPNOTSUPP) with the package's name if qemu-nbd is not installed.
void expect_qemu_nbd(std::string_view file);

}  // namespace v2vfs::convert
