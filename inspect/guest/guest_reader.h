// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inspect/guest/guest.h"
#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// Reads a mounted guest for inspection, where most of what one looks for is not there and some of
/// it is damaged: what is missing is nullopt or empty, what cannot be read or is too large as well
/// and leaves a note. Only a reader that has ended (see Guest) makes it throw. Not thread safe.
class GuestReader {
 public:
  explicit GuestReader(Guest& guest) : guest_(guest) {}

  Guest& guest() { return guest_; }

  /// A whole text file. Symlinks are followed inside the guest.
  std::optional<std::string> text(const std::string& path, std::size_t most_bytes);
  /// Its first bytes, at most 4 MiB; empty: it is not there, or is no file.
  std::string head(const std::string& path, std::size_t bytes);
  /// A configuration file (kConfigFileBytes) that is also kept in config().
  std::optional<std::string> config(const std::string& path);
  std::optional<std::string> resolve(const std::string& path);
  /// To be called when something was mounted or unmounted: what was seen is not so any more.
  void forget() { seen_.clear(); }
  /// Of what the path leads to.
  std::optional<FileStat> stat(const std::string& path);
  bool is_file(const std::string& path);
  bool is_directory(const std::string& path);
  /// Entries of a folder by name, symlinks to folders followed; at most kEntriesOfAFolder.
  std::vector<FileEntry> list(const std::string& path);
  /// Full paths of the entries of `folder` whose name ends so; sorted. What a folder of drop-ins
  /// is.
  std::vector<std::string> files(const std::string& folder, std::string_view suffix);
  std::optional<std::string> resolve_case(const std::string& path);
  std::optional<RegistryValue> registry_value(const std::string& hive, const std::string& key,
                                              const std::string& value);
  std::vector<std::string> registry_keys(const std::string& hive, const std::string& key);

  /// Runs a step that may fail because the guest is damaged; the failure becomes a note.
  void attempt(const std::string& what, const std::function<void()>& step);
  void note(std::string sentence);

  std::map<std::string, ConfigFile> take_config() { return std::move(config_); }
  std::vector<std::string> take_notes() { return std::move(notes_); }

 private:
  template <typename Result, typename Step>
  Result guarded(const std::string& what, Result otherwise, const Step& step);
  /// What a path leads to. Its last part is resolved only where it is a symlink: for libguestfs
  /// that is ten times slower than a stat.
  struct Seen {
    std::string path;
    FileStat stat;
  };
  std::optional<Seen> look(const std::string& path);
  std::string read_all(const Seen& file, std::size_t most_bytes);

  /// Throws when the reader itself has ended.
  void check_alive(int error_number);

  Guest& guest_;
  std::map<std::string, ConfigFile> config_;
  std::size_t config_bytes_ = 0;
  std::map<std::string, std::optional<Seen>> seen_;  // at most kPathsRemembered
  std::vector<std::string> notes_;
};

}  // namespace v2vfs::inspect
