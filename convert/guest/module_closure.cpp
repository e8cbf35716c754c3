// SPDX-License-Identifier: MIT
#include "convert/guest/module_closure.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::lines_of;
using inspect::module_name;
using inspect::words_of;

constexpr std::size_t kMostModules = 200;  // of one supplement; virtio needs about a dozen

/// module-init-tools wrote absolute paths.
std::string below_folder(std::string_view path) {
  constexpr std::string_view kFolder = "lib/modules/";
  const std::size_t at = path.find(kFolder);
  if (!path.starts_with('/') || at == std::string_view::npos) return std::string(path);
  const std::size_t slash = path.find('/', at + kFolder.size());
  return slash == std::string_view::npos ? "" : std::string(path.substr(slash + 1));
}

bool is_plain_path(std::string_view path) {
  return !path.empty() && path.size() < 1024 && !path.starts_with('/') &&
         ("/" + std::string(path) + "/").find("/../") == std::string::npos;
}

class Closure {
 public:
  Closure(const ModuleTexts& texts, const std::set<std::string>& present) : present_(present) {
    read_dep(texts.dep);
    for (const std::string_view line : lines_of(texts.builtin)) builtin_.insert(module_name(line));
    read_softdep(texts.softdep);
    read_alias(texts.alias);
  }

  /// False: the kernel has no such driver.
  bool add(const std::string& name) {
    if (builtin_.count(name) > 0 || present_.count(name) > 0) return true;
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) return false;
    if (!seen_.insert(name).second || seen_.size() > kMostModules) return true;
    const auto soft = soft_.find(name);
    if (soft != soft_.end()) {
      for (const std::string& other : soft->second) add_soft(other);
    }
    // The nearest comes first in modules.dep: what they need themselves follows.
    for (auto it = found->second.needs.rbegin(); it != found->second.needs.rend(); ++it) add(*it);
    modules_.push_back({name, found->second.path, found->second.needs});
    return true;
  }

  std::vector<WantedModule> take() { return std::move(modules_); }

 private:
  struct Module {
    std::string path;
    std::vector<std::string> needs;
  };

  void read_dep(std::string_view text) {
    for (const std::string_view line : lines_of(text)) {
      const std::size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      Module module{below_folder(line.substr(0, colon)), {}};
      if (!is_plain_path(module.path)) continue;
      for (const std::string_view word : words_of(line.substr(colon + 1))) {
        module.needs.push_back(module_name(word));
      }
      by_name_.try_emplace(module_name(module.path), std::move(module));
    }
  }

  /// "softdep NAME pre: A B post: C"
  void read_softdep(std::string_view text) {
    for (const std::string_view line : lines_of(text)) {
      const auto words = words_of(line);
      if (words.size() < 3 || words[0] != "softdep") continue;
      std::vector<std::string>& others = soft_[module_name(words[1])];
      for (std::size_t i = 2; i < words.size(); ++i) {
        if (!words[i].ends_with(':')) others.emplace_back(words[i]);
      }
    }
  }

  /// Only aliases that a softdep names.
  void read_alias(std::string_view text) {
    std::set<std::string> asked;
    for (const auto& [name, others] : soft_) asked.insert(others.begin(), others.end());
    for (const std::string_view line : lines_of(text)) {
      const auto words = words_of(line);
      if (words.size() != 3 || words[0] != "alias") continue;
      const std::string alias(words[1]);
      if (asked.count(alias) > 0) aliases_[alias].push_back(module_name(words[2]));
    }
  }

  void add_soft(const std::string& other) {
    if (add(module_name(other))) return;
    const auto found = aliases_.find(other);
    if (found == aliases_.end()) return;
    for (const std::string& name : found->second) add(name);
  }

  const std::set<std::string>& present_;
  std::map<std::string, Module> by_name_;
  std::set<std::string> builtin_;
  std::map<std::string, std::vector<std::string>> soft_;     // name -> names or aliases
  std::map<std::string, std::vector<std::string>> aliases_;  // alias -> names
  std::set<std::string> seen_;
  std::vector<WantedModule> modules_;
};

}  // namespace

ModuleClosure module_closure(const ModuleTexts& texts, const std::vector<std::string>& wanted,
                             const std::set<std::string>& present) {
  Closure closure(texts, present);
  ModuleClosure result;
  for (const std::string& name : wanted) {
    if (!closure.add(name)) result.absent.push_back(name);
  }
  result.modules = closure.take();
  return result;
}

}  // namespace v2vfs::convert
