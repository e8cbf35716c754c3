// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

#include "convert/guest/cpio_writer.h"
#include "convert/guest/initrd_supplement.h"
#include "inspect/guest/initrd_archive.h"
#include "tests/support/folder_guest.h"
#include "tests/support/scratch.h"
#include "tests/unit/initrd/made_up_module.h"

/// A guest with one kernel and its modules, and initrds in the shape of each tool, made by hand.
namespace v2vfs::test {

constexpr const char* kRelease = "6.1.0-18-amd64";

/// The modules of the guest: path below the modules' folder -> what they say.
const std::map<std::string, ModuleSpec>& guest_modules();
std::string guest_module(const std::string& path);

using Pack = std::string (*)(const std::string&);

/// An archive being put together; parents come first, as the tools have it.
class InitrdMaker {
 public:
  InitrdMaker& folder(const std::string& name);
  InitrdMaker& file(const std::string& name, const std::string& text, std::uint32_t mode = 0100644);
  InitrdMaker& link(const std::string& name, const std::string& target);
  /// Merged /usr: lib, bin and sbin are links.
  InitrdMaker& merged_usr();
  /// Modules as they lie in the guest, decompressed, in `folder`, with kmod's index of them.
  InitrdMaker& modules(const std::string& folder, const std::vector<std::string>& paths);
  /// Takes entries with such a name's start away.
  InitrdMaker& without(const std::string& start);

  std::string archive() const { return convert::write_cpio(entries_); }
  std::vector<convert::CpioFile> entries_;
};

class MadeUpGuest {
 public:
  /// `suffix` of modules in the guest: "", ".xz", ".zst" or ".gz".
  explicit MadeUpGuest(const std::string& suffix = "");

  void write(const std::string& path, const std::string& content);
  std::string read(const std::string& path);
  /// Puts the image there and asks for the usual drivers.
  convert::Supplement make(const std::string& image);
  /// The same, then writes and verifies.
  convert::Supplement apply(const std::string& image);
  inspect::InitrdArchive image();

  Scratch scratch;
  Scratch work;
  FolderGuest guest{scratch.path()};
  convert::SupplementRequest request;
};

/// kmod's index of modules: "modules.dep", ... Runs this host's depmod.
std::map<std::string, std::string> depmod_index(const std::map<std::string, std::string>& modules);

std::string padded(std::string text, std::size_t unit);

}  // namespace v2vfs::test
