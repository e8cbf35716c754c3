// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "inspect/guest/guest.h"

namespace v2vfs::inspect {

/// The labels that a guest's SELinux policy gives to files by their paths: the files file_contexts,
/// file_contexts.homedirs and file_contexts.local of a policy, and the substitutions beside them
/// (selabel_file(5)). The guest wrote them: lines that are none, or that cannot be matched in
/// linear time, count as not there.
class FileContexts {
 public:
  static constexpr std::size_t kLargestFile = 8 << 20;

  /// Adds a file; of two lines that fit a path the later one counts, but a line without wildcards
  /// goes before any with.
  void add(std::string_view text);
  /// Adds lines "/run /var/run": what is below the first is looked up as if it were below the
  /// second.
  void add_substitutions(std::string_view text);

  /// "system_u:object_r:etc_t:s0"; nullopt: the policy gives none.
  std::optional<std::string> find(std::string path, FileKind kind) const;
  bool empty() const { return lines_.empty(); }

 private:
  struct Line {
    std::string pattern;
    std::string prefix;  // what every path that fits begins with
    bool literal = false;
    std::optional<FileKind> kind;
    std::string context;  // empty: <<none>>
  };
  bool fits(const Line& line, const std::string& path, FileKind kind) const;

  std::vector<Line> lines_;
  std::vector<std::pair<std::string, std::string>> substitutions_;
};

/// The type of policy that /etc/selinux/config names, "targeted"; nullopt: SELinux is off, or the
/// text names no policy.
std::optional<std::string> selinux_policy(std::string_view config);

/// The policy of a guest whose files `text_of` gives (empty: there is none). Empty: SELinux is off.
FileContexts read_file_contexts(const std::function<std::string(const std::string& path)>& text_of);

}  // namespace v2vfs::inspect
