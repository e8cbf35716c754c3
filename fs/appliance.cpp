// SPDX-License-Identifier: MIT
#include "fs/appliance.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#include "convert/domain/kvm_probe.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

namespace stdfs = std::filesystem;

constexpr std::size_t kWordsBytes = 64 << 10;
constexpr std::size_t kShownWords = 600;
constexpr int kSocketFd = 3;
constexpr int kDeathMilliseconds = 10'000;
constexpr int kObituaryMilliseconds = 1000;
constexpr const char* kRunPrefix = "appliance-";

/// A file in memory that cannot grow: a child may write what it likes.
UniqueFd bounded_file(std::size_t bytes) {
  UniqueFd file(::memfd_create("v2vfs-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    throw errno_error("starting the appliance: a file in memory");
  }
  return file;
}

void make_private_folder(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw errno_error(path);
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) throw errno_error(path);
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 0022) != 0) {
    throw Error(EPERM, "{} is not a folder of this user alone: remove it", path);
  }
}

std::string make_run_folder(const std::string& work_folder) {
  make_private_folder(work_folder);
  std::string path = work_folder + "/" + kRunPrefix + "XXXXXX";
  if (!::mkdtemp(path.data())) throw errno_error(path);
  return path;
}

void expect_kernel(const ApplianceSetup& setup) {
  if (convert::newest_host_kernel(setup.boot_folder, setup.modules_folder)) return;
  throw Error(
      ENOPKG,
      "the appliance that reads guests cannot start: {} has no readable kernel with modules in {}. "
      "Install linux-image-cloud-amd64 (or linux-image-amd64)",
      setup.boot_folder, setup.modules_folder);
}

/// posix_spawn's two objects.
class Spawn {
 public:
  Spawn(int words, int socket) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, 1, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, words, 2);
    ::posix_spawn_file_actions_adddup2(&actions_, socket, kSocketFd);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kSocketFd + 1);
    ::posix_spawn_file_actions_addchdir_np(&actions_, "/");
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    ::posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;
  ~Spawn() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }

  pid_t start(const std::string& program, const std::string& folder) const {
    std::vector<std::string> environment = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
        "HOME=" + folder, "TMPDIR=" + folder};
    std::vector<char*> variables;
    for (std::string& variable : environment) variables.push_back(variable.data());
    variables.push_back(nullptr);
    std::array<char*, 3> arguments = {const_cast<char*>("v2vfs"),
                                      const_cast<char*>(kApplianceCommand), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_,
                                    arguments.data(), variables.data());
    if (error != 0) throw errno_error(error, "starting the appliance's process");
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

}  // namespace

Appliance::Appliance(const ApplianceSetup& setup, inspect::GuestSettings settings) {
  expect_kernel(setup);
  make_private_folder(setup.cache_folder);
  words_ = bounded_file(kWordsBytes);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw errno_error("starting the appliance: a socket pair");
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  folder_ = make_run_folder(setup.work_folder);
  settings.cache_folder = setup.cache_folder;
  settings.temporary_folder = folder_;
  try {
    start(setup, theirs.get());
  } catch (...) {
    std::error_code ignored;
    stdfs::remove_all(folder_, ignored);
    throw;
  }
  client_.emplace(std::move(ours), std::move(settings), setup.limits,
                  static_cast<inspect::GuestPeer&>(*this));
}

void Appliance::start(const ApplianceSetup& setup, int socket) {
  pid_ = Spawn(words_.get(), socket).start(setup.program, folder_);
  process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
}

Appliance::~Appliance() {
  ::kill(-pid_, SIGKILL);
  if (wait_for_death(kDeathMilliseconds)) {
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  } else {
    log::error("the appliance's process {} does not die; it is left behind", pid_);
  }
  std::error_code ignored;
  stdfs::remove_all(folder_, ignored);
}

void Appliance::end(const Error& why) {
  const std::scoped_lock lock(mutex_);
  if (!ended_) ended_ = why;
  ::kill(-pid_, SIGKILL);  // not reaped before the destructor, so the number is its own
}

bool Appliance::usable() const {
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return false;
  }
  return !wait_for_death(0);
}

Error Appliance::bury(const Error& why) {
  end(why);
  const std::string words = last_words();
  if (words.empty()) return why;
  return {why.error_number(), why.sentence() + "; " + words};
}

Error Appliance::obituary() {
  wait_for_death(kObituaryMilliseconds);
  {
    const std::scoped_lock lock(mutex_);
    if (ended_) return *ended_;
  }
  const std::string words = last_words();
  return {EIO, fmt::format("the appliance that read the guest ended unexpectedly ({}){}{}", death(),
                           words.empty() ? "" : ": ", words)};
}

std::string Appliance::last_words() const {
  // The child's stderr shares its file position with this descriptor.
  const off_t written = ::lseek(words_.get(), 0, SEEK_CUR);
  if (written <= 0) return "";
  std::string words(static_cast<std::size_t>(written), '\0');
  const ssize_t got = ::pread(words_.get(), words.data(), words.size(), 0);
  words.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  const std::string_view shown = trim(words);
  return clean_text(shown.substr(shown.size() - std::min(shown.size(), kShownWords)),
                    2 * kShownWords);
}

std::string Appliance::death() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return "it closed its socket";
  }
  if (info.si_code == CLD_EXITED) return fmt::format("exit code {}", info.si_status);
  return fmt::format("signal {}", info.si_status);
}

bool Appliance::wait_for_death(int milliseconds) const {
  pollfd dead{process_.get(), POLLIN, 0};
  int result = 0;
  do {
    result = ::poll(&dead, 1, milliseconds);
  } while (result < 0 && errno == EINTR);
  return result > 0;
}

}  // namespace v2vfs::fs
