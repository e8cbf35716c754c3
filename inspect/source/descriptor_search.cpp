// SPDX-License-Identifier: MIT
#include "inspect/source/descriptor_search.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <set>
#include <span>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/image_links.h"
#include "inspect/source/inflated_file.h"
#include "inspect/source/packed_files.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostDepth = 4;
constexpr std::size_t kMostDescriptors = 20'000;
constexpr std::size_t kMostDisks = 200'000;
constexpr std::size_t kMostEntries = 200'000;

/// Files of these names are never looked into when a folder is searched: there may be thousands.
constexpr std::array<std::string_view, 17> kOtherSuffixes = {
    ".vmxf", ".vmsd", ".vmsn", ".vmem", ".vmss", ".vswp", ".nvram",  ".log", ".lck",
    ".mf",   ".cert", ".iso",  ".flp",  ".fd",   ".fdi",  ".sha256", ".txt"};
/// Disks: they are looked into when no machine has them.
constexpr std::array<std::string_view, 14> kDiskSuffixes = {
    ".vmdk", ".qcow2", ".qcow", ".raw", ".img", ".dd",   ".vhd",
    ".vhdx", ".vdi",   ".qed",  ".hdd", ".hds", ".avhd", ".avhdx"};

bool has_one_of(std::string_view name, std::span<const std::string_view> suffixes) {
  return std::any_of(suffixes.begin(), suffixes.end(),
                     [&](std::string_view suffix) { return has_suffix(name, suffix); });
}

std::string real_path(const std::string& path) {
  char* const resolved = ::realpath(path.c_str(), nullptr);
  if (!resolved) throw errno_error(fmt::format("\"{}\"", clean_text(path)));
  std::string real = resolved;
  std::free(resolved);
  return real;
}

bool is_called_descriptor(std::string_view name) {
  return has_suffix(name, ".ovf") || has_suffix(without_gzip_suffix(name), ".ova") ||
         has_suffix(name, ".vmx");
}

/// What a folder's file has to be to count by its content alone.
bool is_descriptor(ContentKind kind) {
  return kind == ContentKind::ovf || kind == ContentKind::vmx || kind == ContentKind::xen ||
         kind == ContentKind::domain;
}

class Search {
 public:
  SearchResult run(const std::vector<std::string>& paths) {
    for (const std::string& path : paths) add_source(path);
    std::sort(found_.descriptors.begin(), found_.descriptors.end(),
              [](const Descriptor& a, const Descriptor& b) { return a.path() < b.path(); });
    found_.roots = std::make_shared<const SourceRoots>(std::move(roots_));
    return std::move(found_);
  }

 private:
  void add_source(const std::string& path) {
    const std::string real = real_path(path);
    struct stat st {};
    if (::stat(real.c_str(), &st) != 0) throw errno_error(fmt::format("\"{}\"", clean_text(path)));
    if (S_ISDIR(st.st_mode)) {
      roots_.push_back(std::make_shared<const SourceRoot>(real));
      return add_folder(roots_.back());
    }
    const auto root = std::make_shared<const SourceRoot>(std::string(folder_part(real)));
    roots_.push_back(root);
    const std::string name(file_part(real));
    const SourceFile file = FolderFiles(root, "").open(name);
    const ContentKind kind = content_kind(file);
    add(root, name, is_disk(kind, file, name) ? ContentKind::disk : kind);
  }

  /// One that has nothing is said: it may be a share that is not mounted.
  void add_folder(const std::shared_ptr<const SourceRoot>& root) {
    const std::size_t before = seen_;
    search(root, "", 0);
    if (seen_ > before) return;
    add_problem("folder-empty", fmt::format("\"{}\" holds no file", clean_text(root->path())));
  }

  static bool is_disk(ContentKind kind, const SourceFile& file, const std::string& name) {
    if (kind == ContentKind::other) return is_disk_image(file, name);
    if (kind != ContentKind::gzip || !is_called_gzip(name)) return false;
    return is_disk_image(inflated_file({file}, file.name(), nullptr), name);
  }

  void search(const std::shared_ptr<const SourceRoot>& root, const std::string& folder,
              std::size_t depth) {
    for (const SourceRoot::Entry& entry : list(*root, folder)) {
      const std::string name = folder + entry.name;
      if (entry.name.starts_with(".")) continue;
      if (!S_ISDIR(entry.type)) ++seen_;
      if (S_ISREG(entry.type)) look_at(root, name);
      if (S_ISDIR(entry.type) && depth < kMostDepth) search(root, name + "/", depth + 1);
      if (S_ISLNK(entry.type) && is_called_descriptor(entry.name)) {
        add_problem("link-left-out", fmt::format("{}: links are not followed in a folder",
                                                 clean_text(root->path() + "/" + name)));
      }
    }
  }

  /// A folder below that cannot be read hides its machines, not those beside it.
  std::vector<SourceRoot::Entry> list(const SourceRoot& root, const std::string& folder) {
    try {
      auto entries = root.entries(folder.empty() ? "." : folder, kMostEntries);
      if (entries.size() == kMostEntries) {
        add_problem("folder-too-large", fmt::format("{}: only 200,000 entries are looked at",
                                                    clean_text(root.path() + "/" + folder)));
      }
      return entries;
    } catch (const Error& error) {
      if (folder.empty()) throw;
      add_problem("folder-unreadable", error.sentence());
      return {};
    }
  }

  void look_at(const std::shared_ptr<const SourceRoot>& root, const std::string& name) {
    if (has_one_of(name, kOtherSuffixes)) return;
    if (has_one_of(without_gzip_suffix(name), kDiskSuffixes)) return add_disk(root, name);
    try {
      const ContentKind kind = content_kind(FolderFiles(root, "").open(name));
      if (is_descriptor(kind) || is_called_descriptor(name)) add(root, name, kind);
    } catch (const Error& error) {
      if (is_called_descriptor(name)) add(root, name, ContentKind::other);
    }
  }

  void add(const std::shared_ptr<const SourceRoot>& root, const std::string& name,
           ContentKind kind) {
    Descriptor descriptor{root, name, kind};
    if (!paths_.insert(descriptor.path()).second) return;
    if (found_.descriptors.size() < kMostDescriptors) {
      found_.descriptors.push_back(std::move(descriptor));
    } else if (found_.descriptors.size() == paths_.size() - 1) {
      add_problem("too-many", "More than 20,000 descriptors were found; the rest is left out");
    }
  }

  void add_disk(const std::shared_ptr<const SourceRoot>& root, const std::string& name) {
    if (found_.disks.size() < kMostDisks) found_.disks.push_back({root, name});
  }

  void add_problem(std::string code, const std::string& sentence) {
    if (found_.problems.size() < 200) {
      found_.problems.push_back({std::move(code), Severity::info, sentence + ".", ""});
    }
  }

  SearchResult found_;
  std::set<std::string> paths_;
  std::size_t seen_ = 0;  // files in folders
  SourceRoots roots_;
};

}  // namespace

SearchResult search_descriptors(const std::vector<std::string>& paths) {
  return Search().run(paths);
}

}  // namespace v2vfs::inspect
