// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

/// The one door to the log. Thread safe. Text of a source or guest is cleaned by the caller
/// (clean_text); what reaches the log is one line all the same.
namespace v2vfs::log {

enum class Level { debug, info, warning, error };

void write(Level level, std::string_view line);

/// Where lines go. Until one of these is called: stderr, from warning on.
void to_stderr(Level lowest);
void to_syslog(Level lowest);
void to_file(const std::string& path, Level lowest);

template <typename... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace v2vfs::log
