// SPDX-License-Identifier: MIT
#include "convert/domain/kvm_probe.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "inspect/base/child_process.h"
#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"

namespace v2vfs::convert {
namespace {

namespace stdfs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kVersionLine = "Linux version ";
constexpr std::chrono::milliseconds kPollInterval{100};
constexpr const char* kProbeFile = "/kvm-probe";

ChildSetup child_setup(const KvmProbe& probe, int output) {
  ChildSetup setup;
  setup.program = probe.qemu;
  setup.arguments = {probe.qemu,   "-accel",      probe.accel,
                     "-machine",   "q35",         "-m",
                     "512",        "-nodefaults", "-no-user-config",
                     "-display",   "none",        "-no-reboot",
                     "-serial",    "stdio",       "-kernel",
                     probe.kernel, "-append",     "console=ttyS0 earlyprintk=ttyS0 panic=-1"};
  setup.output = output;
  return setup;
}

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

std::optional<bool> kernel_starts(const KvmProbe& probe, const std::function<bool()>& stop) try {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::nullopt;
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  const auto deadline = Clock::now() + probe.time_limit;
  const ChildProcess child(child_setup(probe, writer.get()));
  writer.reset();
  switch (watch(reader.get(), deadline, stop)) {
    case Serial::version_seen:
      return true;
    case Serial::too_late:
    case Serial::closed:
      return false;
    case Serial::stopped:
      break;
  }
  return std::nullopt;
} catch (const Error&) {  // there is no such program, or it cannot be started
  return std::nullopt;
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
