// SPDX-License-Identifier: MIT
#include "fs/guest_labels.h"

namespace v2vfs::fs {

/// Empty: there is no such file, or one too large to be what its name says.
std::string GuestLabels::text_of(const std::string& path) {
  const auto entry = tree_.find(path);
  if (!entry || entry->stat.kind != inspect::FileKind::file) return {};
  if (entry->stat.bytes > inspect::FileContexts::kLargestFile) return {};
  return tree_.read(path, 0, entry->stat.bytes);
}

void GuestLabels::load() {
  const std::uint64_t generation = tree_.generation();
  if (generation == generation_) return;
  inspect::FileContexts contexts;
  if (const auto policy = inspect::selinux_policy(text_of("/etc/selinux/config"))) {
    const std::string files = "/etc/selinux/" + *policy + "/contexts/files/file_contexts";
    for (const char* suffix : {"", ".homedirs", ".local"}) contexts.add(text_of(files + suffix));
    for (const char* suffix : {".subs", ".subs_dist"}) {
      contexts.add_substitutions(text_of(files + suffix));
    }
  }
  contexts_ = std::move(contexts);
  generation_ = generation;
}

std::optional<std::string> GuestLabels::label(const std::string& path, inspect::FileKind kind) {
  load();
  auto label = contexts_.find(path, kind);
  if (label) label->push_back('\0');
  return label;
}

}  // namespace v2vfs::fs
