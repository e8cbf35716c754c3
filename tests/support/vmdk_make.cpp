// SPDX-License-Identifier: MIT
// vmdk-make [OPTION]... FILE.vmdk: writes a test disk.

#include <fmt/core.h>

#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/chain_content.h"
#include "tests/support/vmdk_writer.h"

namespace {

using namespace v2vfs::test;

constexpr const char* kUsage =
    R"(usage: vmdk-make [OPTION]... FILE.vmdk
  --type=streamOptimized|monolithicSparse|monolithicFlat|twoGbMaxExtentSparse|twoGbMaxExtentFlat|vmfs
         |vmfsSparse|seSparse
  --chain=TYPE[/GRAIN],...   FILE.vmdk and its children FILE-000001.vmdk, ...; --raw is then that of
                       the last one, and RAW.0, RAW.1, ... those of all
  --size=BYTES         of the disk, filled with a pattern (default 1048576)
  --seed=N             of the pattern
  --input=FILE         the content instead of a pattern
  --raw=FILE           write the content there too, as raw
  --grain=SECTORS      default 128
  --extent=BYTES       of the split types' extents, default 2047 MiB
  --header-directory   streamOptimized without a footer
  --pad-last-grain --shift-grains --zero-grains --shuffle
  --full               streamOptimized, every grain allocated, none with data
  --damage=KIND        see vmdk_writer.h
)";

struct Arguments {
  VmdkOptions options;
  std::uint64_t bytes = 1 << 20;
  std::uint64_t seed = 1;
  bool full = false;
  std::string input;
  std::string raw;
  std::string path;
  std::vector<Link> chain;
};

std::vector<Link> parse_chain(const std::string& value) {
  std::vector<Link> chain;
  std::istringstream words(value);
  for (std::string word; std::getline(words, word, ',');) chain.push_back(chain_link(word));
  return chain;
}

void make_chain(const Arguments& a) {
  const auto contents = chain_contents(a.bytes, a.seed, a.chain.size());
  write_chain(contents, a.chain, a.options, a.path);
  if (a.raw.empty()) return;
  write_raw(Whole(contents, contents.size() - 1), a.raw);
  for (std::size_t i = 0; i < contents.size(); ++i) {
    write_raw(Whole(contents, i), fmt::format("{}.{}", a.raw, i));
  }
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    const std::size_t equals = arg.find('=');
    const std::string key = arg.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : arg.substr(equals + 1);
    if (key == "--type") {
      const Link link = chain_link(value);
      a.options.type = link.type;
      a.options.grain_sectors = link.grain_sectors;
    } else if (key == "--chain")
      a.chain = parse_chain(value);
    else if (key == "--size")
      a.bytes = std::stoull(value);
    else if (key == "--seed")
      a.seed = std::stoull(value);
    else if (key == "--input")
      a.input = value;
    else if (key == "--raw")
      a.raw = value;
    else if (key == "--grain")
      a.options.grain_sectors = std::stoull(value);
    else if (key == "--extent")
      a.options.extent_bytes = std::stoull(value);
    else if (key == "--header-directory")
      a.options.directory_in_footer = false;
    else if (key == "--pad-last-grain")
      a.options.pad_last_grain = true;
    else if (key == "--shift-grains")
      a.options.shift_grains = true;
    else if (key == "--zero-grains")
      a.options.zero_grains = true;
    else if (key == "--shuffle")
      a.options.shuffle = true;
    else if (key == "--full")
      a.full = true;
    else if (key == "--damage")
      a.options.damage = vmdk_damage(value);
    else if (!arg.starts_with("-") && a.path.empty())
      a.path = arg;
    else
      throw std::invalid_argument(arg);
  }
  if (a.path.empty()) throw std::invalid_argument("no FILE.vmdk");
  return a;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments a = parse(argc, argv);
    if (a.full) {
      write_full_vmdk(a.bytes, a.path);
      return 0;
    }
    if (!a.chain.empty()) {
      make_chain(a);
      return 0;
    }
    const auto content = a.input.empty() ? pattern(a.bytes, a.seed) : file_content(a.input);
    write_vmdk(*content, a.options, a.path);
    if (!a.raw.empty()) write_raw(*content, a.raw);
    return 0;
  } catch (const std::invalid_argument& error) {
    fmt::print(stderr, "vmdk-make: {}\n{}", error.what(), kUsage);
  } catch (const std::exception& error) {
    fmt::print(stderr, "vmdk-make: {}\n", error.what());
  }
  return 1;
}
