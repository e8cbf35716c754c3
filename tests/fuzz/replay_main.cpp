// SPDX-License-Identifier: MIT
//
// replay FILE|FOLDER...: gives each file to a fuzz target once, without libFuzzer. So that what was
// found stays mended, the seeds and findings are run by the tests of sanitized builds.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" [[gnu::weak]] int LLVMFuzzerInitialize(int* argc, char*** argv);

namespace {

namespace stdfs = std::filesystem;

void replay(const stdfs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error(file.string() + " cannot be read");
  const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
  std::printf("%s\n", file.c_str());
  std::fflush(stdout);  // the last one that is named is the one that fails
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

std::vector<stdfs::path> files_of(const stdfs::path& path) {
  if (!stdfs::is_directory(path)) return {path};
  std::vector<stdfs::path> files;
  for (const auto& entry : stdfs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  if (files.empty()) throw std::runtime_error(path.string() + " is empty");
  return files;
}

}  // namespace

int main(int argc, char** argv) {
  if (LLVMFuzzerInitialize) LLVMFuzzerInitialize(&argc, &argv);
  unsigned count = 0;
  for (int i = 1; i < argc; ++i) {
    for (const stdfs::path& file : files_of(argv[i])) {
      replay(file);
      ++count;
    }
  }
  std::printf("%u inputs\n", count);
  return count > 0 ? 0 : 1;
}
