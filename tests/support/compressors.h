// SPDX-License-Identifier: MIT
#pragma once

#include <string>

/// What initrds and modules are packed with, each by its own library.
namespace v2vfs::test {

std::string gzip(const std::string& text);
std::string bzip2(const std::string& text);
std::string xz(const std::string& text);
std::string lzma(const std::string& text);
std::string zstd(const std::string& text);
/// One block, as `lz4 -l` writes it.
std::string lz4(const std::string& text);

}  // namespace v2vfs::test
