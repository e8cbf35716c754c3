// SPDX-License-Identifier: MIT
#include "tests/support/test_folder.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::test {

inspect::SourceFile TestFolder::open(std::string_view name) const {
  const std::string path = path_ + "/" + std::string(name);
  auto fd = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat st {};
  if (!*fd || ::fstat(fd->get(), &st) != 0) throw errno_error(clean_text(name));
  return {fd, clean_text(name), 0, static_cast<std::uint64_t>(st.st_size)};
}

}  // namespace v2vfs::test
