// SPDX-License-Identifier: MIT
#include "convert/disk/nbd_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

namespace stdfs = std::filesystem;

constexpr const char* kProgram = "qemu-nbd";
// Of address space. Its tables are cached within bounds of its own, but for those of formats that
// it loads whole: 512 MiB for the largest VHDX.
constexpr std::uint64_t kMemoryBytes = std::uint64_t{4} << 30;
constexpr int kLookMilliseconds = 5000;  // for idleness
constexpr int kReapMilliseconds = 2000;
constexpr auto kMournTime = std::chrono::seconds(1);
constexpr std::size_t kConnections = 8;

sockaddr_un socket_address(const UniqueFd& folder) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}/nbd", folder.get());  // always short
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

UniqueFd unix_socket() {
  UniqueFd made(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!made) throw errno_error("a socket");
  return made;
}

/// A listening socket and connections to it, which wait there to be accepted. Its name is gone when
/// this returns: nobody else gets in.
struct Sockets {
  explicit Sockets(std::size_t count) : listener(unix_socket()) {
    std::string path = (stdfs::temp_directory_path() / "v2vfs-nbd-XXXXXX").string();
    if (!::mkdtemp(path.data())) throw errno_error(path);
    try {
      connect_all(path, count);
    } catch (...) {
      std::error_code ignored;
      stdfs::remove_all(path, ignored);
      throw;
    }
    std::error_code ignored;
    stdfs::remove_all(path, ignored);
  }

  UniqueFd listener;
  std::vector<UniqueFd> clients;

 private:
  void connect_all(const std::string& path, std::size_t count) {
    const UniqueFd folder(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder) throw errno_error(path);
    const sockaddr_un address = socket_address(folder);
    const auto* const general = reinterpret_cast<const sockaddr*>(&address);
    if (::bind(listener.get(), general, sizeof address) != 0 ||
        ::listen(listener.get(), static_cast<int>(count)) != 0) {
      throw errno_error(path);
    }
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(unix_socket());
      if (::connect(clients.back().get(), general, sizeof address) != 0) throw errno_error(path);
    }
  }
};

ChildSetup child_setup(const NbdExport& what, int listener) {
  ChildSetup setup;
  setup.program = kProgram;
  setup.arguments = {kProgram, "--read-only", fmt::format("--shared={}", kConnections),
                     "--image-opts", what.options};
  // A buffer for each request: given back to the kernel every time, its pages cost more than the
  // reading (mallopt(3)).
  setup.environment = {"MALLOC_MMAP_THRESHOLD_=33554432", "MALLOC_TRIM_THRESHOLD_=33554432"};
  setup.files = {listener};
  for (const inspect::SourceFile& file : what.files) {
    setup.files.push_back(file.host_range()->fd);
  }
  setup.listens = true;
  setup.memory_bytes = kMemoryBytes;
  return setup;
}

bool is_content(mode_t mode) { return S_ISREG(mode) || S_ISBLK(mode); }

}  // namespace

void expect_qemu_nbd(std::string_view file) {
  if (!find_program(kProgram).empty()) return;
  throw Error(EOPNOTSUPP,
              "{}: reading this format takes qemu-nbd, which is not installed: install "
              "the package qemu-utils and mount again",
              file);
}

NbdServer::NbdServer(NbdExport what, Deadline deadline)
    : what_(std::move(what)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      last_use_(std::chrono::steady_clock::now()) {
  Sockets sockets(kConnections);
  keeper_ = std::thread(
      [this, listener = std::move(sockets.listener)]() mutable { keep(std::move(listener)); });
  try {
    shake_hands(std::move(sockets.clients), deadline);
    check_open_files();
  } catch (const Error& error) {
    const Error why = obituary(error);
    end();
    keeper_.join();
    throw why;
  }
}

NbdServer::~NbdServer() {
  end();
  keeper_.join();
}

/// qemu-nbd answers once it has opened everything.
void NbdServer::shake_hands(std::vector<UniqueFd> sockets, Deadline deadline) {
  for (UniqueFd& socket : sockets) {
    free_.push_back(std::make_unique<NbdConnection>(std::move(socket), deadline));
  }
  if (const std::uint64_t bytes = free_.front()->bytes(); bytes != what_.bytes) {
    throw Error(EIO, "QEMU reads {} bytes of disk in it, its header says {}", bytes, what_.bytes);
  }
}

/// Whatever somebody changed in the files between our reading of their headers and qemu's: it has
/// nothing else open.
void NbdServer::check_open_files() {
  std::unique_lock lock(mutex_);  // so the number is not another process's
  // It may have answered before the thread that started it knows its number.
  changed_.wait(lock, [this] { return pid_ != 0 || ended_; });
  if (pid_ == 0) throw Error(EIO, "qemu-nbd ended at once");
  std::error_code error;
  for (const auto& entry : stdfs::directory_iterator(fmt::format("/proc/{}/fd", pid_), error)) {
    struct stat st {};
    if (::stat(entry.path().c_str(), &st) != 0 || !is_content(st.st_mode)) continue;
    const bool is_given = std::ranges::any_of(what_.files, [&](const inspect::SourceFile& file) {
      const auto given = file.host_stat();
      return given.device == st.st_dev && given.inode == st.st_ino;
    });
    if (is_given || (stderr_ && stderr_->first == st.st_dev && stderr_->second == st.st_ino)) {
      continue;
    }
    throw Error(EIO, "qemu-nbd opened a file that it was not given: {}",
                clean_text(stdfs::read_symlink(entry.path(), error).string()));
  }
  if (error) throw errno_error(error.value(), "looking at what qemu-nbd has open");
}

/// The keeper's thread. The one that starts a child has to live as long as it: see ChildProcess.
void NbdServer::keep(UniqueFd listener) {
  std::string death;
  try {
    const ChildProcess child(child_setup(what_, listener.get()));
    listener.reset();
    watch(child);
    const bool died = child.wait_for_death(0);
    child.kill();
    child.wait_for_death(kReapMilliseconds);
    const std::string words = child.last_words();
    death = (died ? child.death() : "it was ended") + (words.empty() ? "" : ": " + words);
    const std::scoped_lock lock(mutex_);
    pid_ = 0;
  } catch (const Error& error) {
    death = error.sentence();
  }
  listener.reset();  // who waits to be accepted waits no longer
  const std::scoped_lock lock(mutex_);
  death_ = std::move(death);
  ended_ = reaped_ = true;
  changed_.notify_all();
}

void NbdServer::watch(const ChildProcess& child) {
  {
    struct stat st {};
    const std::scoped_lock lock(mutex_);
    if (::fstat(child.stderr_file(), &st) == 0) stderr_ = {st.st_dev, st.st_ino};
    pid_ = child.pid();
    changed_.notify_all();
  }
  log::info("{}: read by qemu-nbd, process {}", what_.name, child.pid());
  while (!is_over()) {
    std::array<pollfd, 2> events = {{{child.pidfd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
    if (::poll(events.data(), events.size(), kLookMilliseconds) > 0 && events[0].revents != 0) {
      return;
    }
  }
}

bool NbdServer::is_over() {
  const std::scoped_lock lock(mutex_);
  const bool is_idle = borrowed_ == 0 && std::chrono::steady_clock::now() - last_use_ >= kIdle;
  ended_ |= is_idle;
  return ended_;
}

void NbdServer::end() {
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t told = ::write(wake_.get(), &one, sizeof one);
}

bool NbdServer::usable() const {
  const std::scoped_lock lock(mutex_);
  return !ended_;
}

std::unique_ptr<NbdConnection> NbdServer::borrow(Deadline deadline) {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_until(lock, deadline, [this] { return ended_ || !free_.empty(); })) {
    throw Error(EIO, "{}: qemu-nbd, which reads it, has too much to do", what_.name);
  }
  if (ended_) return nullptr;
  std::unique_ptr<NbdConnection> connection = std::move(free_.back());
  free_.pop_back();
  ++borrowed_;
  return connection;
}

void NbdServer::give_back(std::unique_ptr<NbdConnection> connection) {
  const std::scoped_lock lock(mutex_);
  --borrowed_;
  last_use_ = std::chrono::steady_clock::now();
  if (connection->usable()) free_.push_back(std::move(connection));
  changed_.notify_all();
}

bool NbdServer::use(Deadline deadline, const std::function<void(NbdConnection&)>& body) {
  std::unique_ptr<NbdConnection> connection = borrow(deadline);
  if (!connection) return false;
  try {
    body(*connection);
  } catch (const Error& error) {
    const bool is_alive = connection->usable();
    give_back(std::move(connection));
    if (is_alive) throw Error(EIO, "{}: {}", what_.name, error.sentence());
    const Error why = obituary(error);
    end();
    throw why;
  }
  give_back(std::move(connection));
  return true;
}

bool NbdServer::read(std::uint64_t offset, std::span<std::byte> out, Deadline deadline) {
  return use(deadline, [&](NbdConnection& connection) { connection.read(offset, out, deadline); });
}

std::optional<std::vector<Stretch>> NbdServer::stretches(std::uint64_t offset, std::uint64_t length,
                                                         Deadline deadline) {
  std::vector<Stretch> found;
  const bool asked = use(deadline, [&](NbdConnection& connection) {
    found = connection.stretches(offset, length, deadline);
  });
  return asked ? std::optional(std::move(found)) : std::nullopt;
}

/// Why a connection is of no more use: the process's own reason, if it died.
Error NbdServer::obituary(const Error& why) {
  if (why.error_number() == ETIMEDOUT) {
    return {EIO, what_.name +
                     ": qemu-nbd, which reads it, does not answer and was ended; the next "
                     "read starts it again"};
  }
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kMournTime, [this] { return reaped_; });
  if (!reaped_) return {EIO, what_.name + ": " + why.sentence()};
  return {EIO, fmt::format("{}: qemu-nbd, which reads it, ended unexpectedly ({}); the next read "
                           "starts it again",
                           what_.name, death_)};
}

}  // namespace v2vfs::convert
