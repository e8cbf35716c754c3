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
  contexts_ =
      inspect::read_file_contexts([this](const std::string& path) { return text_of(path); });
  generation_ = generation;
}

std::optional<std::string> GuestLabels::label(const std::string& path, inspect::FileKind kind) {
  load();
  auto label = contexts_.find(path, kind);
  if (label) label->push_back('\0');
  return label;
}

}  // namespace v2vfs::fs
