// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "inspect/source/source_file.h"

namespace v2vfs::test {

/// The files of a folder, for tests of rooms that get SourceFiles and do not care whose.
class TestFolder : public inspect::SourceFiles {
 public:
  explicit TestFolder(std::string path) : path_(std::move(path)) {}
  inspect::SourceFile open(std::string_view name) const override;
  std::vector<std::string> names() const override { return {}; }

 private:
  std::string path_;
};

}  // namespace v2vfs::test
