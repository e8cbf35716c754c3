// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

/// Names and paths of guest files, as rules. Pure. A path is absolute in the guest and physical: no
/// part but the last is a symlink, none is "." or "..". Names are bytes, not necessarily UTF-8.
namespace v2vfs::fs {

/// What a name in a folder can be at all; a damaged filesystem may list others.
bool is_file_name(std::string_view name);

/// Why nothing is written at that path, as a sentence; nullopt: it may be. SEMANTICS.md has the
/// list.
std::optional<std::string> why_not_writable(const std::string& path);

/// What the mount gives as the target of a symlink at `link`: relative, so that it holds wherever
/// the mount is, and with so few ".." that following it never leaves the guest's tree. "A/.." is
/// taken for nothing, whatever A is. nullopt: a target that no program could follow.
std::optional<std::string> shown_target(const std::string& link, const std::string& target);

std::string parent_path(const std::string& path);
std::string file_name(const std::string& path);
std::string join_path(const std::string& folder, std::string_view name);

}  // namespace v2vfs::fs
