// SPDX-License-Identifier: MIT
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>

namespace v2vfs {

/// A failure that a person can act on: an errno for programs and a sentence for people. The
/// sentence says what happened, where (file, byte offset) and, where there is one, the way out.
/// Text that comes from a source or a guest is passed through clean_text() before it becomes part
/// of it. "Not there" is no failure: functions that may find nothing return std::optional.
class Error : public std::system_error {
 public:
  Error(int error_number, std::string sentence);

  template <typename... Args>
  Error(int error_number, fmt::format_string<Args...> format, Args&&... args)
      : Error(error_number, fmt::format(format, std::forward<Args>(args)...)) {}

  int error_number() const noexcept { return code().value(); }
  const std::string& sentence() const noexcept { return sentence_; }

 private:
  std::string sentence_;
};

/// An Error whose sentence begins with "FILE, byte OFFSET: ".
Error file_error(int error_number, std::string_view file, std::uint64_t offset,
                 std::string_view sentence);

/// An Error for a failed system call: "WHAT: strerror". Reads errno.
Error errno_error(std::string_view what);
Error errno_error(int error_number, std::string_view what);

}  // namespace v2vfs
