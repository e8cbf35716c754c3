// SPDX-License-Identifier: MIT
#include "tests/support/memory_files.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::test {

void MemoryFiles::add(const std::string& name, std::string_view bytes) {
  UniqueFd fd(::memfd_create("v2vfs-test", MFD_CLOEXEC));
  if (!fd || ::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    std::abort();
  }
  files_[name] = {std::make_shared<const UniqueFd>(std::move(fd)), bytes.size()};
}

inspect::SourceFile MemoryFiles::open(std::string_view name) const {
  const auto found = files_.find(name);
  if (found == files_.end()) throw Error(ENOENT, "{}: it is not there", clean_text(name));
  return {found->second.fd, clean_text(name), 0, found->second.bytes};
}

std::vector<std::string> MemoryFiles::names() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

}  // namespace v2vfs::test
