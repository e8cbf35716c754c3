// SPDX-License-Identifier: MIT
#include "inspect/base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

#include <syslog.h>

#include <memory>

#include "inspect/base/text.h"

namespace v2vfs::log {
namespace {

constexpr std::size_t kLongestLine = 4096;

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger>& current() {
  static std::shared_ptr<spdlog::logger> logger = [] {
    auto first = std::make_shared<spdlog::logger>(
        "v2vfs", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    first->set_level(spdlog::level::warn);
    first->set_pattern("v2vfs: %v");
    return first;
  }();
  return logger;
}

void replace(spdlog::sink_ptr sink, Level lowest, const std::string& pattern) {
  auto logger = std::make_shared<spdlog::logger>("v2vfs", std::move(sink));
  logger->set_level(spdlog_level(lowest));
  logger->set_pattern(pattern);
  logger->flush_on(spdlog::level::debug);
  current() = std::move(logger);
}

}  // namespace

void write(Level level, std::string_view line) {
  current()->log(spdlog_level(level), clean_text(line, kLongestLine));
}

void to_stderr(Level lowest) {
  replace(std::make_shared<spdlog::sinks::stderr_color_sink_mt>(), lowest, "%H:%M:%S.%e %^%l%$ %v");
}

void to_syslog(Level lowest) {
  replace(std::make_shared<spdlog::sinks::syslog_sink_mt>("v2vfs", LOG_PID, LOG_DAEMON, false),
          lowest, "%v");
}

void to_file(const std::string& path, Level lowest) {
  replace(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path), lowest,
          "%Y-%m-%dT%H:%M:%S.%e%z %l %v");
}

}  // namespace v2vfs::log
