// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>

#include "fs/overlay/io.h"
#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::fs {
namespace {

/// Of a small file of /proc or /sys; empty if it is not there.
std::string first_line(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t got = fd ? ::read(fd.get(), text, sizeof text) : -1;
  if (got <= 0) return {};
  const std::string_view line(text, static_cast<std::size_t>(got));
  return std::string(line.substr(0, line.find('\n')));
}

/// The kernel's `diskseq` of the disk that holds `folder`: never given twice in a boot. A
/// partition's is its disk's. Empty where the file system lies on no block device.
std::string disk_sequence(const std::string& folder) {
  struct stat st {};
  if (::stat(folder.c_str(), &st) != 0) return {};
  const std::string device =
      "/sys/dev/block/" + std::to_string(major(st.st_dev)) + ":" + std::to_string(minor(st.st_dev));
  const std::string own = first_line(device + "/diskseq");
  return own.empty() ? first_line(device + "/../diskseq") : own;
}

class RealMapping final : public IoMapping {
 public:
  RealMapping(void* start, std::size_t bytes) : start_(start), bytes_(bytes) {}
  ~RealMapping() override { ::munmap(start_, bytes_); }
  RealMapping(const RealMapping&) = delete;
  RealMapping& operator=(const RealMapping&) = delete;
  std::byte* data() override { return static_cast<std::byte*>(start_); }

 private:
  void* start_;
  std::size_t bytes_;
};

class RealFile final : public IoFile {
 public:
  RealFile(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  std::size_t pread(std::uint64_t offset, std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail(offset + done, "reading failed");
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  void pwrite(std::uint64_t offset, std::span<const std::byte> in) override {
    std::size_t done = 0;
    while (done < in.size()) {
      const ssize_t n = ::pwrite(fd_.get(), in.data() + done, in.size() - done,
                                 static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n == 0) errno = EIO;
      if (n <= 0) fail(offset + done, "writing failed");
      done += static_cast<std::size_t>(n);
    }
  }

  std::uint64_t bytes() override {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) fail(0, "fstat failed");
    return static_cast<std::uint64_t>(st.st_size);
  }

  void truncate(std::uint64_t bytes) override {
    while (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0)
      if (errno != EINTR) fail(bytes, "truncating failed");
  }

  void allocate(std::uint64_t bytes) override {
    // Where the file system has no fallocate(2) the C library writes a byte to each block: what is
    // mapped must have its room, or a full disk is a SIGBUS.
    int error = 0;
    do {
      error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
    } while (error == EINTR);
    if (error == 0) return;
    errno = error;
    fail(bytes, "no room could be allocated");
  }

  bool punch(std::uint64_t offset, std::uint64_t length) override {
    const int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    while (::fallocate(fd_.get(), mode, static_cast<off_t>(offset), static_cast<off_t>(length))) {
      if (errno == EOPNOTSUPP) return false;
      if (errno != EINTR) fail(offset, "punching a hole failed");
    }
    return true;
  }

  // Never repeated, not even after EINTR: a second call may answer 0 for pages the first has lost.
  void fdatasync() override {
    if (::fdatasync(fd_.get()) != 0) fail(0, "fdatasync failed");
  }

  std::unique_ptr<IoMapping> map_shared(std::uint64_t bytes) override {
    void* start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (start == MAP_FAILED) fail(0, "mmap failed");
    return std::make_unique<RealMapping>(start, bytes);
  }

 private:
  [[noreturn]] void fail(std::uint64_t offset, const char* what) const {
    const int error_number = errno;
    throw file_error(error_number, path_, offset, errno_error(error_number, what).sentence());
  }

  UniqueFd fd_;
  std::string path_;
};

class RealIo final : public Io {
 public:
  std::unique_ptr<IoFile> open(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    if (!fd && errno == ENOENT) return nullptr;
    if (!fd) throw errno_error(path);
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  std::unique_ptr<IoFile> create(const std::string& path) override {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd) throw errno_error(path);
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  void rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) throw errno_error("rename " + from);
  }

  void remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw errno_error("unlink " + path);
  }

  void sync_folder(const std::string& folder) override {
    UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd || ::fsync(fd.get()) != 0) throw errno_error("fsync " + folder);
  }

  void make_folder(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw errno_error("mkdir " + path);
    sync_folder(std::filesystem::path(path).parent_path());
  }

  void remove_folder(const std::string& path) override {
    std::error_code error;
    std::filesystem::remove_all(path, error);
    if (error) throw errno_error(error.value(), "cannot remove " + path);
  }

  std::string cache_life(const std::string& folder) override {
    const std::string boot = first_line("/proc/sys/kernel/random/boot_id");
    if (boot.empty()) return {};
    const std::string sequence = disk_sequence(folder);
    return sequence.empty() ? boot : boot + "/" + sequence;
  }

  void random(std::span<std::byte> out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::getrandom(out.data() + done, out.size() - done, 0);
      if (n < 0 && errno != EINTR) throw errno_error("getrandom");
      if (n > 0) done += static_cast<std::size_t>(n);
    }
  }
};

}  // namespace

Io& real_io() {
  static RealIo io;
  return io;
}

}  // namespace v2vfs::fs
