// SPDX-License-Identifier: MIT
#include "convert/domain/kvm_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "inspect/base/unique_fd.h"

namespace v2vfs::convert {
namespace {

namespace stdfs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kVersionLine = "Linux version ";
constexpr std::chrono::milliseconds kPollInterval{100};
constexpr int kNotStarted = 125;  // timeout(1): 125 to 127 are its own failures
constexpr const char* kProbeFile = "/kvm-probe";

/// timeout(1) in front ends QEMU should this process die meanwhile.
std::vector<std::string> command_line(const KvmProbe& probe) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(probe.time_limit).count();
  return {"timeout",
          "-s",
          "KILL",
          std::to_string(seconds + 2),
          probe.qemu,
          "-accel",
          probe.accel,
          "-machine",
          "q35",
          "-m",
          "512",
          "-nodefaults",
          "-no-user-config",
          "-display",
          "none",
          "-no-reboot",
          "-serial",
          "stdio",
          "-kernel",
          probe.kernel,
          "-append",
          "console=ttyS0 earlyprintk=ttyS0 panic=-1"};
}

/// posix_spawn's two objects: the child gets /dev/null, the pipe and no other descriptor, a process
/// group of its own, and no signal blocked or ignored.
class SpawnSetup {
 public:
  explicit SpawnSetup(int out) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, out, 1);
    ::posix_spawn_file_actions_addopen(&actions_, 2, "/dev/null", O_WRONLY, 0);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, 3);
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
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }

  /// The child's pid; nullopt if it could not be started.
  std::optional<pid_t> start(const std::vector<std::string>& command) const {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    pid_t pid = 0;
    const int error =
        ::posix_spawnp(&pid, arguments[0], &actions_, &attributes_, arguments.data(), environ);
    return error == 0 ? std::optional(pid) : std::nullopt;
  }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

/// Owns a process group: it is killed and its leader reaped at the end.
class ProcessGroup {
 public:
  explicit ProcessGroup(pid_t leader) : leader_(leader) {}
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;
  ~ProcessGroup() {
    if (leader_ == 0) return;
    ::kill(-leader_, SIGKILL);
    reap(0);
  }

  /// The leader's exit code, if it ends by itself within `time`.
  std::optional<int> exit_code_within(std::chrono::milliseconds time) {
    const auto deadline = Clock::now() + time;
    do {
      if (const std::optional<int> status = reap(WNOHANG)) {
        return WIFEXITED(*status) ? std::optional(WEXITSTATUS(*status)) : std::nullopt;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    } while (Clock::now() < deadline);
    return std::nullopt;
  }

 private:
  std::optional<int> reap(int flags) {
    int status = 0;
    pid_t pid = 0;
    do {
      pid = ::waitpid(leader_, &status, flags);
    } while (pid < 0 && errno == EINTR);
    if (pid != leader_) return std::nullopt;
    leader_ = 0;
    return status;
  }

  pid_t leader_;
};

enum class Serial { version_seen, closed, too_late, stopped };

/// Reads until the version line, the end, the deadline or `stop`. Keeps only what a line that is
/// cut between two reads needs.
Serial watch(int fd, Clock::time_point deadline, const std::function<bool()>& stop) {
  std::string seen;
  std::array<char, 4096> piece;
  while (Clock::now() < deadline) {
    if (stop()) return Serial::stopped;
    pollfd waiting{fd, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(kPollInterval.count())) <= 0) continue;
    const ssize_t bytes = ::read(fd, piece.data(), piece.size());
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes <= 0) return Serial::closed;
    seen.append(piece.data(), static_cast<std::size_t>(bytes));
    if (seen.find(kVersionLine) != seen.npos) return Serial::version_seen;
    const std::size_t keep = std::min(seen.size(), std::strlen(kVersionLine));
    seen.erase(0, seen.size() - keep);
  }
  return Serial::too_late;
}

/// "6.1.0-9-amd64" before "6.1.0-10-amd64": digits as numbers.
bool is_older(const std::string& a, const std::string& b) {
  return ::strverscmp(a.c_str(), b.c_str()) < 0;
}

}  // namespace

std::optional<std::string> newest_host_kernel(const std::string& boot, const std::string& modules) {
  constexpr std::string_view kPrefix = "vmlinuz-";
  std::optional<std::string> newest;
  std::error_code ignored;
  for (const stdfs::directory_entry& entry : stdfs::directory_iterator(boot, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.compare(0, kPrefix.size(), kPrefix) != 0) continue;
    const std::string path = entry.path().string();
    const std::string version = name.substr(kPrefix.size());
    const bool usable =
        ::access(path.c_str(), R_OK) == 0 && stdfs::is_directory(modules + "/" + version, ignored);
    if (usable && (!newest || is_older(*newest, path))) newest = path;
  }
  return newest;
}

std::optional<bool> kernel_starts(const KvmProbe& probe, const std::function<bool()>& stop) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const auto deadline = Clock::now() + probe.time_limit;
  const std::optional<pid_t> pid = SpawnSetup(writer.get()).start(command_line(probe));
  if (!pid) return std::nullopt;
  ProcessGroup group(*pid);
  writer.reset();
  switch (watch(reader.get(), deadline, stop)) {
    case Serial::version_seen:
      return true;
    case Serial::too_late:
      return false;
    case Serial::stopped:
      return std::nullopt;
    case Serial::closed:
      break;
  }
  const std::optional<int> code = group.exit_code_within(std::chrono::seconds(1));
  if (code && *code >= kNotStarted) return std::nullopt;
  return false;
}

std::optional<bool> remembered_probe(const std::string& folder, const std::string& boot_id) {
  std::ifstream in(folder + kProbeFile);
  std::string id;
  std::string word;
  if (boot_id.empty() || !(in >> id >> word) || id != boot_id) return std::nullopt;
  if (word == "works") return true;
  if (word == "fails") return false;
  return std::nullopt;
}

void remember_probe(const std::string& folder, const std::string& boot_id, bool works) {
  const std::string path = folder + kProbeFile;
  const std::string fresh = fmt::format("{}.{}", path, ::getpid());
  std::ofstream(fresh) << boot_id << (works ? " works\n" : " fails\n");
  std::error_code ignored;
  stdfs::rename(fresh, path, ignored);
}

}  // namespace v2vfs::convert
