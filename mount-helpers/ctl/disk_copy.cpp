// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/disk_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <thread>

#include "inspect/base/digest.h"
#include "inspect/base/error.h"

namespace v2vfs::ctl {
namespace {

// Reading is a wait for the daemon, hashing and writing are work. Parts are small enough to stay in
// a processor's cache on their way.
constexpr unsigned kThreads = 4;
constexpr std::size_t kBufferBytes = 512 << 10;
constexpr std::chrono::milliseconds kTick{200};
constexpr std::size_t kZeroBlock = 64 << 10;  // zeros of this size are left out
constexpr std::size_t kAlignment = 4096;

struct Free {
  void operator()(std::byte* buffer) const { std::free(buffer); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Buffer aligned_buffer() {
  auto* const memory = static_cast<std::byte*>(std::aligned_alloc(kAlignment, kBufferBytes));
  if (!memory) throw std::bad_alloc();
  return Buffer(memory);
}

void read_fully(int fd, const std::string& name, std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw file_error(errno, name, offset, std::strerror(errno));
    if (got == 0) throw file_error(ESTALE, name, offset, "it became shorter while it was read");
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

void write_fully(int fd, const std::string& name, std::uint64_t offset,
                 std::span<const std::byte> in) {
  while (!in.empty()) {
    const ssize_t put = ::pwrite(fd, in.data(), in.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw file_error(errno, name, offset, std::strerror(errno));
    offset += static_cast<std::uint64_t>(put);
    in = in.subspan(static_cast<std::size_t>(put));
  }
}

bool is_zero(std::span<const std::byte> block) {
  return block[0] == std::byte{} &&
         std::memcmp(block.data(), block.data() + 1, block.size() - 1) == 0;
}

/// Reads a piece through the buffer; `use` gets each part with its place. The piece's digest.
template <typename Use>
std::string read_through(int fd, const std::string& name, const Piece& piece,
                         std::span<std::byte> buffer, Use use) {
  Digest digest;
  for (std::uint64_t done = 0; done < piece.bytes;) {
    const std::span<std::byte> part =
        buffer.first(std::min<std::uint64_t>(buffer.size(), piece.bytes - done));
    read_fully(fd, name, piece.offset + done, part);
    digest.add(part);
    use(piece.offset + done, part);
    done += part.size();
  }
  return digest.hex();
}

void nothing(std::uint64_t, std::span<const std::byte>) {}

}  // namespace

DiskCopy::DiskCopy(Ends ends, std::uint64_t bytes, PartRecord& record, Resumed resumed,
                   Counters& counters)
    : ends_(std::move(ends)),
      bytes_(bytes),
      record_(record),
      resumed_(resumed),
      counters_(counters),
      pieces_(ends_.from, bytes, [this](const Piece& hole) {
        if (resumed_.any) punch(hole);
      }) {}

void DiskCopy::run(const std::function<void()>& tick) {
  if (::ftruncate(ends_.to, static_cast<off_t>(bytes_)) != 0) throw errno_error(ends_.to_name);
  work_in_threads([this](std::span<std::byte> buffer) { copy_all(buffer); }, tick);
  if (::fsync(ends_.to) != 0) throw errno_error(ends_.to_name);
}

/// The first failure, of a thread or of `tick`, ends all.
void DiskCopy::work_in_threads(const Body& body, const std::function<void()>& tick) {
  std::vector<std::jthread> threads;
  working_ = kThreads;
  for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([&] { work(body); });
  while (working_ > 0 && !stopped()) {
    // In small steps: what is copied in a moment is not held up by a whole tick.
    const auto until = std::chrono::steady_clock::now() + kTick;
    while (working_ > 0 && std::chrono::steady_clock::now() < until) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    try {
      tick();
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
      stop_ = true;
    }
  }
  threads.clear();
  if (failure_) std::rethrow_exception(failure_);
}

void DiskCopy::work(const Body& body) {
  try {
    const Buffer buffer = aligned_buffer();
    body({buffer.get(), kBufferBytes});
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
    stop_ = true;
  }
  --working_;
}

void DiskCopy::copy_all(std::span<std::byte> buffer) {
  while (!stopped()) {
    const std::optional<Piece> piece = pieces_.next();
    if (!piece) return;
    if (!copy(*piece, buffer)) counters_.skipped_bytes += piece->bytes;
    counters_.done_bytes += piece->bytes;
  }
}

/// False: it was there already.
bool DiskCopy::copy(const Piece& piece, std::span<std::byte> buffer) {
  const std::optional<std::string> before = record_.digest_of(piece);
  if (before && is_there(piece, *before, buffer)) return false;
  if (resumed_.any) punch(piece);
  const auto write = [&](std::uint64_t offset, std::span<const std::byte> part) {
    write_data(offset, part);
  };
  record_.add(piece, read_through(ends_.from, ends_.from_name, piece, buffer, write));
  // So that the disk writes while we read on, and not all of it at the end.
  ::sync_file_range(ends_.to, static_cast<off_t>(piece.offset), static_cast<off_t>(piece.bytes),
                    SYNC_FILE_RANGE_WRITE);
  return true;
}

/// The record is right about the target, and, where the source may have changed, about that too.
bool DiskCopy::is_there(const Piece& piece, const std::string& digest,
                        std::span<std::byte> buffer) const {
  if (!resumed_.trusted &&
      read_through(ends_.from, ends_.from_name, piece, buffer, nothing) != digest) {
    return false;
  }
  return target_has(piece, digest, buffer);
}

bool DiskCopy::target_has(const Piece& piece, const std::string& digest,
                          std::span<std::byte> buffer) const {
  return read_through(ends_.to, ends_.to_name, piece, buffer, nothing) == digest;
}

/// All but zeros. By one thread at a time: the kernel lets one write into a file, and the others
/// would wait for it spinning.
void DiskCopy::write_data(std::uint64_t offset, std::span<const std::byte> data) {
  const std::lock_guard lock(write_mutex_);
  for (std::size_t start = 0; start < data.size();) {
    std::size_t end = start;
    while (end < data.size()) {
      const std::size_t block = std::min(kZeroBlock, data.size() - end);
      if (is_zero(data.subspan(end, block))) break;
      end += block;
    }
    write_fully(ends_.to, ends_.to_name, offset + start, data.subspan(start, end - start));
    start = end + std::min(kZeroBlock, data.size() - end);
  }
}

/// Where an earlier run left something else.
void DiskCopy::punch(const Piece& hole) const {
  if (::fallocate(ends_.to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(hole.offset), static_cast<off_t>(hole.bytes)) != 0) {
    throw errno_error(ends_.to_name + ": making a hole");
  }
}

void DiskCopy::verify(const std::function<void()>& tick) {
  ::posix_fadvise(ends_.to, 0, 0, POSIX_FADV_DONTNEED);  // run() left nothing dirty
  const auto recorded = record_.pieces();
  auto at = recorded.begin();
  std::mutex mutex;
  work_in_threads(
      [&](std::span<std::byte> buffer) {
        while (!stopped()) {
          std::unique_lock lock(mutex);
          if (at == recorded.end()) return;
          const Piece piece{at->first, at->second.first};
          const std::string digest = (at++)->second.second;
          lock.unlock();
          if (!target_has(piece, digest, buffer)) {
            throw file_error(EIO, ends_.to_name, piece.offset,
                             "what was read again is not what was written: this disk, or the "
                             "machine, is damaged");
          }
          counters_.done_bytes += piece.bytes;
        }
      },
      tick);
}

}  // namespace v2vfs::ctl
