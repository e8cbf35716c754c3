// SPDX-License-Identifier: MIT
// view-cat [-o OPTION,...] DISK OUT: writes the computed qcow2 of a disk file, sparsely. Options:
// layout=plain, reserve=BYTES, verify (each deflated grain is checked), format=raw|vmdk; info
// prints what the view says of itself, identity its digests too.

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <vector>

#include "convert/disk/disk_view.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "tests/support/output_file.h"
#include "tests/support/test_folder.h"

namespace {

using namespace v2vfs;

struct Arguments {
  convert::ViewOptions view;
  inspect::DiskSpec spec;
  bool info = false;
  bool identity = false;
  std::string disk;
  std::string out;
};

void parse_option(const std::string& word, Arguments& a) {
  if (word == "layout=plain")
    a.view.layout = convert::LayoutChoice::plain;
  else if (word == "layout=auto")
    a.view.layout = convert::LayoutChoice::automatic;
  else if (word.starts_with("reserve="))
    a.view.reserve_bytes = std::stoull(word.substr(8));
  else if (word == "verify")
    a.view.verify_grains = true;
  else if (word == "format=raw")
    a.spec.format = inspect::DiskFormat::raw;
  else if (word == "format=vmdk")
    a.spec.format = inspect::DiskFormat::vmdk;
  else if (word == "info")
    a.info = true;
  else if (word == "identity")
    a.info = a.identity = true;
  else
    throw std::invalid_argument(word);
}

Arguments parse(int argc, char** argv) {
  Arguments a;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "-o" && i + 1 < argc) {
      std::istringstream words(argv[++i]);
      for (std::string word; std::getline(words, word, ',');) parse_option(word, a);
    } else if (a.disk.empty()) {
      a.disk = arg;
    } else {
      a.out = arg;
    }
  }
  if (a.disk.empty() || (a.out.empty() && !a.info)) throw std::invalid_argument("DISK OUT");
  return a;
}

void write_view(convert::DiskView& view, const std::string& path) {
  test::OutputFile out(path, test::OutputFile::Open::create);
  out.resize(view.file_bytes());
  std::vector<std::byte> buffer(1 << 20);
  for (std::uint64_t at = 0; at < view.file_bytes();) {
    const convert::Stretch stretch = view.stretch_at(at);
    while (!stretch.is_hole && at < stretch.end) {
      const auto part =
          std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), stretch.end - at));
      view.read(at, part);
      out.write(at, part);
      at += part.size();
    }
    at = stretch.end;
  }
}

void print_info(convert::DiskView& view, bool with_digests) {
  fmt::print("file {}\nallocated {}\ncold {}\n{}", view.file_bytes(), view.allocated_bytes(),
             view.cold_bytes(), view.layout_record());
  if (!with_digests) return;
  fmt::print("identity {}\ntables {}\n", view.source_identity(), view.tables_digest());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Arguments a = parse(argc, argv);
    log::to_stderr(log::Level::info);
    const std::size_t slash = a.disk.rfind('/');
    const test::TestFolder folder(slash == std::string::npos ? "." : a.disk.substr(0, slash));
    a.spec.file = a.disk.substr(slash + 1);
    const auto view = convert::open_disk(folder, a.spec, a.view, std::nullopt);
    if (a.info) print_info(*view, a.identity);
    if (!a.out.empty()) write_view(*view, a.out);
    return 0;
  } catch (const Error& error) {
    fmt::print(stderr, "view-cat: {}\n", error.sentence());
  } catch (const std::exception& error) {
    fmt::print(stderr, "view-cat: {}\n", error.what());
  }
  return 1;
}
