// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

/// Numbers as people read them. Pure.
namespace v2vfs::ctl {

/// "0 B", "812 KiB", "1.5 GiB": three digits at most in front of the point.
std::string bytes_text(std::uint64_t bytes);

/// "7 s", "2:05 min", "1:02:03 h".
std::string duration_text(std::chrono::seconds duration);

/// "1 disk", "3 disks".
std::string count_text(std::uint64_t count, const std::string& thing);

}  // namespace v2vfs::ctl
