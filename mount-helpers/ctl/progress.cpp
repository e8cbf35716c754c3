// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/progress.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "mount-helpers/ctl/human.h"

namespace v2vfs::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kBetweenLines{10};  // in a pipe
constexpr std::size_t kLeastBar = 10, kMostBar = 40;

std::string bar(double part, std::size_t columns) {
  const auto filled = static_cast<std::size_t>(part * static_cast<double>(columns));
  std::string text(columns, ' ');
  std::fill_n(text.begin(), filled, '=');
  if (filled < columns) text[filled] = '>';
  return "[" + text + "]";
}

/// Bytes a second of what took time; 0 before there is anything to say.
double rate_of(const Progress& progress) {
  const double seconds = static_cast<double>(progress.elapsed.count()) / 1000;
  if (seconds < 0.3) return 0;
  return static_cast<double>(progress.done_bytes - progress.skipped_bytes) / seconds;
}

std::string numbers(const Progress& progress, double part) {
  std::string text = fmt::format("{:3.0f} %  {} of {}", part * 100, bytes_text(progress.done_bytes),
                                 bytes_text(progress.total_bytes));
  const double rate = rate_of(progress);
  if (rate < 1) return text;
  const auto left = static_cast<double>(progress.total_bytes - progress.done_bytes) / rate;
  return text + fmt::format("  {}/s  {} left", bytes_text(static_cast<std::uint64_t>(rate)),
                            duration_text(std::chrono::seconds(static_cast<long>(left + 0.5))));
}

}  // namespace

std::string progress_line(const Progress& given, std::size_t columns) {
  Progress progress = given;
  // More than was expected: somebody wrote meanwhile, or holes were counted as data.
  progress.total_bytes = std::max(progress.total_bytes, progress.done_bytes);
  const double part = progress.total_bytes ? static_cast<double>(progress.done_bytes) /
                                                 static_cast<double>(progress.total_bytes)
                                           : 1;
  const std::string text = numbers(progress, part);
  const std::size_t used = text_columns(progress.what) + 2 + text.size() + 4;
  if (columns < used + kLeastBar) return progress.what + "  " + text;
  return fmt::format("{}  {}  {}", progress.what, bar(part, std::min(columns - used, kMostBar)),
                     text);
}

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(Terminal::of(STDERR_FILENO)) {}

bool ProgressLine::is_due() {
  if (quiet_) return false;
  if (terminal_.is_terminal()) return true;
  const auto now = steady_clock::now();
  if (last_ == steady_clock::time_point{}) last_ = now;  // what is done at once says nothing
  if (now - last_ < kBetweenLines) return false;
  last_ = now;
  return true;
}

void ProgressLine::show(const Progress& progress) {
  if (is_due())
    draw(progress_line(progress, terminal_.is_terminal() ? terminal_.columns() - 1 : 0));
}

void ProgressLine::show_waiting(const std::string& what, std::chrono::seconds elapsed) {
  if (is_due()) draw(fmt::format("{} ({})", what, duration_text(elapsed)));
}

void ProgressLine::draw(const std::string& line) {
  if (!terminal_.is_terminal()) {
    std::fprintf(stderr, "%s\n", line.c_str());
    return;
  }
  std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
  std::fflush(stderr);
  drawn_ = true;
}

void ProgressLine::say(const std::string& line) {
  clear();
  if (!quiet_) std::fprintf(stderr, "%s\n", line.c_str());
}

void ProgressLine::clear() {
  if (!drawn_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace v2vfs::ctl
