// SPDX-License-Identifier: MIT
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/source/tar_files.h"

namespace {

/// libFuzzer cannot guess checksums: a block whose type field is plausible gets the right one.
void mend_checksums(std::string& bytes) {
  for (std::size_t at = 0; at + 512 <= bytes.size(); at += 512) {
    if (bytes.compare(at + 257, 5, "ustar") != 0) continue;
    unsigned sum = 0;
    for (std::size_t i = 0; i < 512; ++i) {
      sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(bytes[at + i]);
    }
    for (std::size_t digit = 0; digit < 6; ++digit) {
      bytes[at + 153 - digit] = static_cast<char>('0' + (sum >> 3 * digit) % 8);
    }
    bytes[at + 154] = '\0';
    bytes[at + 155] = ' ';
  }
}

}  // namespace

/// Any bytes: members that can be read to their ends, or an Error.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace v2vfs;
  std::string bytes(reinterpret_cast<const char*>(data), size);
  mend_checksums(bytes);
  const auto fd = std::make_shared<const UniqueFd>(::memfd_create("fuzz", MFD_CLOEXEC));
  if (::write(fd->get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    return 0;
  try {
    const inspect::TarFiles files(
        [&] { return inspect::SourceFile(fd, "fuzz.ova", 0, bytes.size()); });
    for (const std::string& name : files.names()) {
      try {
        const inspect::SourceFile file = files.open(name);
        if (file.length() > size) std::abort();
        std::vector<std::byte> content(file.length());
        file.read(0, content);
      } catch (const Error&) {
      }
    }
  } catch (const Error&) {
  }
  return 0;
}
