// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <memory>
#include <string>

#include "inspect/source/source_file.h"

namespace v2vfs::test {

/// Files in memory, by name: for tests whose files nobody else has to see. Another program can be
/// given them as descriptors.
class MemoryFiles : public inspect::SourceFiles {
 public:
  void add(const std::string& name, std::string_view bytes);
  /// Throws Error(ENOENT).
  inspect::SourceFile open(std::string_view name) const override;
  std::vector<std::string> names() const override;

 private:
  struct File {
    std::shared_ptr<const UniqueFd> fd;
    std::uint64_t bytes = 0;
  };
  std::map<std::string, File, std::less<>> files_;
};

}  // namespace v2vfs::test
