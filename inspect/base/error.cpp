// SPDX-License-Identifier: MIT
#include "inspect/base/error.h"

#include <cerrno>
#include <utility>

namespace v2vfs {

Error::Error(int error_number, std::string sentence)
    : std::system_error(error_number, std::generic_category(), sentence),
      sentence_(std::move(sentence)) {}

Error file_error(int error_number, std::string_view file, std::uint64_t offset,
                 std::string_view sentence) {
  return Error(error_number, fmt::format("{}, byte {}: {}", file, offset, sentence));
}

Error errno_error(std::string_view what) { return errno_error(errno, what); }

Error errno_error(int error_number, std::string_view what) {
  const char* const advice = error_number == EMFILE ? ": raise the limit (ulimit -n)" : "";
  return Error(error_number, fmt::format("{}: {}{}", what,
                                         std::generic_category().message(error_number), advice));
}

}  // namespace v2vfs
