// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/processes.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

#include "inspect/base/text.h"

namespace v2vfs::ctl {
namespace {

namespace stdfs = std::filesystem;

bool is_inside(const std::string& path, const std::string& mountpoint) {
  return path == mountpoint || path.starts_with(mountpoint + "/");
}

/// Where a link of /proc leads; empty where that may not be seen.
std::string target_of(const stdfs::path& link) {
  std::error_code error;
  return stdfs::read_symlink(link, error).string();
}

bool has_open_file(const stdfs::path& process, const std::string& mountpoint) {
  std::error_code error;
  for (stdfs::directory_iterator at(process / "fd", error), end; !error && at != end;
       at.increment(error)) {
    if (is_inside(target_of(at->path()), mountpoint)) return true;
  }
  return false;
}

bool has_mapping(const stdfs::path& process, const std::string& mountpoint) {
  std::ifstream maps(process / "maps");
  for (std::string line; std::getline(maps, line);) {
    const std::size_t path = line.find('/');
    if (path != std::string::npos && is_inside(line.substr(path), mountpoint)) return true;
  }
  return false;
}

bool uses(const stdfs::path& process, const std::string& mountpoint) {
  return is_inside(target_of(process / "cwd"), mountpoint) ||
         is_inside(target_of(process / "root"), mountpoint) || has_open_file(process, mountpoint) ||
         has_mapping(process, mountpoint);
}

std::optional<pid_t> pid_of(const std::string& name) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || end != name.data() + name.size()) return std::nullopt;
  return pid;
}

}  // namespace

std::string process_text(pid_t pid) {
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
  if (name.empty()) return fmt::format("process {}", pid);
  return fmt::format("{} ({})", clean_text(name), pid);
}

std::string processes_text(const std::vector<pid_t>& pids) {
  std::string text;
  for (const pid_t pid : pids) text += (text.empty() ? "" : ", ") + process_text(pid);
  return text;
}

std::vector<pid_t> processes_in(const std::string& mountpoint) {
  std::vector<pid_t> pids;
  std::error_code error;
  for (stdfs::directory_iterator at("/proc", error), end; !error && at != end;
       at.increment(error)) {
    const std::optional<pid_t> pid = pid_of(at->path().filename().string());
    if (pid && *pid != ::getpid() && uses(at->path(), mountpoint)) pids.push_back(*pid);
  }
  std::ranges::sort(pids);
  return pids;
}

}  // namespace v2vfs::ctl
