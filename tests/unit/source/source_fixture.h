// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/source/source_file.h"

namespace v2vfs::inspect::testing {

/// A folder of its own for one test, gone at its end.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path(std::string_view name = "") const;
  /// Makes folders on the way.
  void write(std::string_view name, std::string_view content) const;

 private:
  std::filesystem::path folder_;
};

/// Writes tar archives, right ones and lying ones.
class TarBuilder {
 public:
  struct Member {
    std::string name;
    std::string content;
    char type = '0';
    std::string size_field;  // 12 raw bytes; empty: the content's size
    std::string magic = std::string(
        "ustar\0"
        "00",
        8);
    std::string prefix;
  };

  TarBuilder& add(std::string_view name, std::string_view content);
  TarBuilder& add(const Member& member);
  /// A pax header with these records ("size=5"), each of which gets its length.
  TarBuilder& add_pax(const std::vector<std::string>& records, char type = 'x');
  /// Anything, as it is.
  TarBuilder& raw(std::string_view bytes);

  /// With the two blocks of zeros at the end.
  std::string archive() const;
  /// Without them.
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

/// Time that this process used the processor: a busy machine makes no test fail.
class CpuTimer {
 public:
  double seconds() const { return static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC; }

 private:
  std::clock_t start_ = std::clock();
};

std::string read_whole(const std::filesystem::path& path);
std::string read_all(const SourceFile& file);

/// One gzip member.
std::string gzip_of(std::string_view content, int level = 6);

/// An OVF of one machine `name` with one disk of file `href`.
std::string small_ovf(std::string_view name, std::string_view href);

}  // namespace v2vfs::inspect::testing
