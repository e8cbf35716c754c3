// SPDX-License-Identifier: MIT
#include "convert/guest/sandboxed_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <exception>
#include <thread>

#include "convert/guest/thread_sandbox.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::convert {
namespace {

constexpr int kMilliseconds = 60'000;
constexpr rlim_t kMemoryBytes = 3ULL << 30;  // modules are mapped: at most 1 GiB of them
constexpr rlim_t kFileBytes = 256 << 20;
constexpr rlim_t kCpuSeconds = 60;
constexpr std::size_t kErrorBytes = 4096;
constexpr std::size_t kOutputBytes = 64 << 20;

std::string find_program(const std::string& name) {
  for (const char* const folder : {"/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"}) {
    std::string path = folder + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  throw Error(ENOPKG, "{} is not installed on this host: install kmod", name);
}

UniqueFd memory_file(const char* name) {
  UniqueFd file(::memfd_create(name, MFD_CLOEXEC));
  if (!file) throw errno_error("a file in memory");
  return file;
}

std::string content_of(const UniqueFd& file, std::size_t most_bytes) {
  std::string text;
  std::array<char, 65536> piece;
  while (text.size() < most_bytes) {
    const ssize_t got =
        ::pread(file.get(), piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got <= 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
  }
  return text;
}

/// posix_spawn's two objects.
class Spawn {
 public:
  Spawn(const UniqueFd& output, const UniqueFd& errors, const std::string& folder) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output.get(), 1);
    ::posix_spawn_file_actions_adddup2(&actions_, errors.get(), 2);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
    ::posix_spawn_file_actions_addchdir_np(&actions_, folder.c_str());
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

  pid_t start(const std::string& program, std::vector<std::string> arguments) const {
    std::vector<char*> argv = {const_cast<char*>(program.c_str())};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::array<char*, 2> environment = {const_cast<char*>("LC_ALL=C"), nullptr};
    pid_t pid = 0;
    const int error = ::posix_spawn(&pid, program.c_str(), &actions_, &attributes_, argv.data(),
                                    environment.data());
    if (error != 0) throw errno_error(error, "starting " + program);
    return pid;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

/// What a thread may do, its children may; so the restrictions are those of a thread that ends.
pid_t start_in_sandbox(const Spawn& spawn, const std::string& program,
                       const std::vector<std::string>& arguments, const std::string& folder) {
  pid_t pid = 0;
  std::exception_ptr failure;
  std::thread([&] {
    try {
      restrict_this_thread(folder);
      pid = spawn.start(program, arguments);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return pid;
}

void set_limits(pid_t pid) {
  const auto limit = [pid](__rlimit_resource what, rlim_t value) {
    const rlimit both{value, value};
    ::prlimit(pid, what, &both, nullptr);
  };
  limit(RLIMIT_AS, kMemoryBytes);
  limit(RLIMIT_FSIZE, kFileBytes);
  limit(RLIMIT_CPU, kCpuSeconds);
  limit(RLIMIT_CORE, 0);
}

/// Its exit code; -1: killed.
int wait_for(pid_t pid) {
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = process ? ::poll(&ended, 1, kMilliseconds) : 0;
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) ::kill(-pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return -1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

CommandResult run_sandboxed(const std::string& program, const std::vector<std::string>& arguments,
                            const std::string& folder) {
  const std::string path = find_program(program);
  const UniqueFd output = memory_file("v2vfs-stdout");
  const UniqueFd errors = memory_file("v2vfs-stderr");
  const Spawn spawn(output, errors, folder);
  const pid_t pid = start_in_sandbox(spawn, path, arguments, folder);
  set_limits(pid);
  CommandResult result;
  result.status = wait_for(pid);
  result.output = content_of(output, kOutputBytes);
  result.errors = content_of(errors, kErrorBytes);
  return result;
}

}  // namespace v2vfs::convert
