// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_reader.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;

/// Errors that only say that there is no such thing.
bool means_absent(int error_number) {
  return error_number == ENOENT || error_number == ENOTDIR || error_number == ELOOP ||
         error_number == EINVAL || error_number == ENAMETOOLONG;
}

}  // namespace

void GuestReader::check_alive(int error_number) {
  // A damaged file and a dead reader are both EIO; a dead reader cannot stat "/" either. It may be
  // that nothing is mounted: then the answer is another error.
  if (error_number == ETIMEDOUT || error_number == ECANCELED) throw;
  if (error_number != EIO) return;
  try {
    guest_.stat("/");
  } catch (const Error& again) {
    if (again.error_number() == EIO || again.error_number() == ETIMEDOUT) throw;
  }
}

template <typename Result, typename Step>
Result GuestReader::guarded(const std::string& what, Result otherwise, const Step& step) {
  try {
    return step();
  } catch (const Error& error) {
    check_alive(error.error_number());
    if (!means_absent(error.error_number())) note(clean_text(what) + ": " + error.sentence());
  }
  return otherwise;
}

void GuestReader::note(std::string sentence) {
  if (notes_.size() < kNotes) notes_.push_back(clean_text(sentence, 1024));
}

void GuestReader::attempt(const std::string& what, const std::function<void()>& step) {
  guarded(what, false, [&] {
    step();
    return true;
  });
}

std::optional<GuestReader::Seen> GuestReader::look(const std::string& path) {
  if (const auto known = seen_.find(path); known != seen_.end()) return known->second;
  std::optional<Seen> found = guarded(path, std::optional<Seen>(), [&] {
    Seen seen{path, guest_.stat(path)};
    if (seen.stat.kind != FileKind::symlink) return std::optional<Seen>(seen);
    const std::optional<std::string> real = guest_.resolve(path);
    if (!real) return std::optional<Seen>();
    return std::optional<Seen>({*real, guest_.stat(*real)});
  });
  if (seen_.size() < kPathsRemembered) seen_[path] = found;
  return found;
}

std::string GuestReader::read_all(const Seen& file, std::size_t most_bytes) {
  if (file.stat.bytes > most_bytes) {
    throw Error(EFBIG, "it is larger than what is read of such a file ({} bytes)", most_bytes);
  }
  std::string text;
  while (text.size() < most_bytes) {
    const std::size_t want = std::min(kPieceBytes, most_bytes - text.size());
    const std::string piece = guest_.read(file.path, text.size(), want);
    text += piece;
    if (piece.size() < want) break;
  }
  return text;
}

std::optional<std::string> GuestReader::text(const std::string& path, std::size_t most_bytes) {
  const std::optional<Seen> file = look(path);
  if (!file || file->stat.kind != FileKind::file) return std::nullopt;
  return guarded(path, std::optional<std::string>(),
                 [&] { return std::optional<std::string>(read_all(*file, most_bytes)); });
}

std::string GuestReader::head(const std::string& path, std::size_t bytes) {
  const std::optional<Seen> file = look(path);
  if (!file || file->stat.kind != FileKind::file) return "";
  return guarded(path, std::string(), [&] { return guest_.read(file->path, 0, bytes); });
}

std::optional<std::string> GuestReader::config(const std::string& path) {
  if (const auto kept = config_.find(path); kept != config_.end()) return kept->second.text;
  std::optional<std::string> content = text(path, kConfigFileBytes);
  if (content && config_bytes_ + content->size() <= kKeptConfigBytes) {
    config_bytes_ += content->size();
    const std::optional<Seen> file = look(path);
    config_[path] = {file ? file->path : path, *content};
  }
  return content;
}

std::optional<std::string> GuestReader::resolve(const std::string& path) {
  return guarded(path, std::optional<std::string>(), [&] { return guest_.resolve(path); });
}

std::optional<FileStat> GuestReader::stat(const std::string& path) {
  const std::optional<Seen> found = look(path);
  return found ? std::optional<FileStat>(found->stat) : std::nullopt;
}

bool GuestReader::is_file(const std::string& path) {
  const std::optional<FileStat> found = stat(path);
  return found && found->kind == FileKind::file;
}

bool GuestReader::is_directory(const std::string& path) {
  const std::optional<FileStat> found = stat(path);
  return found && found->kind == FileKind::directory;
}

std::vector<FileEntry> GuestReader::list(const std::string& path) {
  const std::optional<Seen> folder = look(path);
  if (!folder || folder->stat.kind != FileKind::directory) return {};
  std::vector<FileEntry> entries =
      guarded(path, std::vector<FileEntry>(), [&] { return guest_.list(folder->path); });
  std::sort(entries.begin(), entries.end(),
            [](const FileEntry& a, const FileEntry& b) { return a.name < b.name; });
  if (entries.size() > kEntriesOfAFolder) {
    note(clean_text(path) + " has more entries than are looked at");
    entries.resize(kEntriesOfAFolder);
  }
  return entries;
}

std::vector<std::string> GuestReader::files(const std::string& folder, std::string_view suffix) {
  std::vector<std::string> paths;
  for (const FileEntry& entry : list(folder)) {
    const bool may_be_text =
        entry.stat.kind == FileKind::file || entry.stat.kind == FileKind::symlink;
    if (may_be_text && entry.name.ends_with(suffix)) paths.push_back(folder + "/" + entry.name);
  }
  return paths;
}

std::optional<std::string> GuestReader::resolve_case(const std::string& path) {
  return guarded(path, std::optional<std::string>(), [&] { return guest_.resolve_case(path); });
}

std::optional<RegistryValue> GuestReader::registry_value(const std::string& hive,
                                                         const std::string& key,
                                                         const std::string& value) {
  return guarded(hive + " " + key, std::optional<RegistryValue>(),
                 [&] { return guest_.registry_value(hive, key, value); });
}

std::vector<std::string> GuestReader::registry_keys(const std::string& hive,
                                                    const std::string& key) {
  return guarded(hive + " " + key, std::vector<std::string>(),
                 [&] { return guest_.registry_keys(hive, key); });
}

}  // namespace v2vfs::inspect
