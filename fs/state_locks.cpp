// SPDX-License-Identifier: MIT
#include "fs/state_locks.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "fs/mount_table.h"
#include "fs/options.h"
#include "inspect/base/digest.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kFile = "/locks";
constexpr auto kLongestWait = std::chrono::seconds(120);
constexpr std::uint64_t kSlotBytes = 4096;
constexpr std::uint16_t kSlots = 1024;  // daemons with one folder of states
/// States lie behind the slots, each with room for as many lengths as there are slots.
constexpr std::uint64_t kFirstState = 1ULL << 40;
constexpr std::uint64_t kStateBytes = 4096;
static_assert(kStateBytes > kSlots);

struct flock range(short type, std::uint64_t start, std::uint64_t length) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(start);
  lock.l_len = static_cast<off_t>(length);
  return lock;
}

bool set_lock(int fd, struct flock lock) { return ::fcntl(fd, F_OFD_SETLK, &lock) == 0; }

/// By a digest of 48 bits: two states of one place are one in 10^14 pairs, and then the second is
/// refused, nothing worse.
std::uint64_t start_of(const std::string& id) {
  return kFirstState + std::stoull(Digest().add(id).hex().substr(0, 12), nullptr, 16) * kStateBytes;
}

/// The slot of who else has the state.
std::optional<std::uint64_t> holding_slot(int fd, const std::string& id) {
  struct flock lock = range(F_WRLCK, start_of(id), kStateBytes);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return static_cast<std::uint64_t>(lock.l_len) - 1;
}

std::string text_of_slot(int fd, std::uint64_t slot) {
  char text[kSlotBytes];
  const ssize_t got = ::pread(fd, text, sizeof text, static_cast<off_t>(slot * kSlotBytes));
  if (got <= 0 || slot >= kSlots) return "";
  return std::string(text, ::strnlen(text, static_cast<std::size_t>(got)));
}

std::optional<std::uint16_t> take_slot(int fd) {
  for (std::uint16_t slot = 0; slot < kSlots; ++slot) {
    if (set_lock(fd, range(F_WRLCK, slot * kSlotBytes, kSlotBytes))) return slot;
  }
  return std::nullopt;
}

}  // namespace

StateLocks::Lock::Lock(std::shared_ptr<const StateLocks> locks, std::uint64_t start)
    : locks_(std::move(locks)), start_(start) {}

StateLocks::Lock::~Lock() {
  if (locks_) set_lock(locks_->fd_.get(), range(F_UNLCK, start_, kStateBytes));
}

StateLocks::StateLocks(std::string path, UniqueFd fd, std::uint16_t slot)
    : path_(std::move(path)), fd_(std::move(fd)), slot_(slot) {}

/// Who can lock all of it is the last. One that opened it meanwhile sees that it has no name.
StateLocks::~StateLocks() {
  if (set_lock(fd_.get(), range(F_WRLCK, 0, 0))) ::unlink(path_.c_str());
}

std::shared_ptr<StateLocks> StateLocks::try_open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw errno_error("cannot open " + path);
  const std::optional<std::uint16_t> slot = take_slot(fd.get());
  struct stat st {};
  if (!slot || ::fstat(fd.get(), &st) != 0 || st.st_nlink == 0) return nullptr;
  return std::shared_ptr<StateLocks>(new StateLocks(path, std::move(fd), *slot));
}

std::shared_ptr<StateLocks> StateLocks::open_or_wait(const std::string& path) {
  for (int tries = 0; tries < 100; ++tries) {
    if (auto locks = try_open(path)) return locks;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its last owner takes it away
  }
  throw Error(EAGAIN, "{}: no place is free in it; more than {} mounts have their states there",
              path, kSlots);
}

std::shared_ptr<StateLocks> StateLocks::open(const std::string& root,
                                             const std::string& mountpoint) try {
  auto locks = open_or_wait(root + kFile);
  locks->write_holder(mountpoint);
  return locks;
} catch (const Error& e) {
  throw StartError(exit_state, e.sentence());
}

void StateLocks::write_holder(const std::string& mountpoint) const {
  std::string text = mountpoint.substr(0, kSlotBytes - 1);
  text.resize(kSlotBytes, '\0');
  const auto at = static_cast<off_t>(slot_ * kSlotBytes);
  if (::pwrite(fd_.get(), text.data(), text.size(), at) != static_cast<ssize_t>(text.size())) {
    throw errno_error("cannot write " + path_);
  }
}

std::optional<StateLocks::Lock> StateLocks::try_lock(const std::string& id) const {
  const std::uint64_t start = start_of(id);
  // Whoever else has it has the first byte of the range, whatever its length.
  if (!set_lock(fd_.get(), range(F_WRLCK, start, slot_ + 1ULL))) {
    if (errno != EAGAIN && errno != EACCES) throw errno_error("cannot lock " + path_);
    return std::nullopt;
  }
  return std::optional<Lock>(std::in_place, shared_from_this(), start);
}

StateLocks::Lock StateLocks::lock(const std::string& id) const {
  if (auto lock = try_lock(id)) return std::move(*lock);
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  const struct Waiting {
    explicit Waiting(std::atomic<int>& count) : count_(count) { ++count_; }
    ~Waiting() { --count_; }
    std::atomic<int>& count_;
  } waiting(waiting_);
  for (;;) {
    const std::string holder = holder_of(id);
    if (is_our_mount(holder)) refuse(id, holder);
    if (auto lock = try_lock(id)) return std::move(*lock);
    if (std::chrono::steady_clock::now() > deadline) refuse(id, holder);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

void StateLocks::refuse(const std::string& id, const std::string& holder) const {
  throw StartError(
      exit_state,
      fmt::format("the state {} in {} is in use by the v2vfs mounted at {}; unmount that first, or "
                  "give -o ephemeral or another -o state=DIR",
                  clean_text(id), path_.substr(0, path_.size() - std::strlen(kFile)),
                  clean_text(holder, 4096)));
}

std::string StateLocks::holder_of(const std::string& id) const {
  const auto slot = holding_slot(fd_.get(), id);
  return slot ? text_of_slot(fd_.get(), *slot) : "";
}

std::optional<std::string> StateLocks::holder_in(const std::string& root, const std::string& id) {
  const UniqueFd fd(::open((root + kFile).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return std::nullopt;
  const auto slot = holding_slot(fd.get(), id);
  if (!slot) return std::nullopt;
  return text_of_slot(fd.get(), *slot);
}

}  // namespace v2vfs::fs
