// SPDX-License-Identifier: MIT
//
// Both GRUBs. GRUB 2's configuration is a script; what grub-mkconfig writes of it, and what people
// write by hand, is read line by line: menuentry and submenu open a block, '}' closes one, the rest
// are commands.
#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/boot_menu.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::inspect {
namespace {

using Environment = std::map<std::string, std::string>;

std::string joined(const std::vector<std::string>& words, std::size_t first) {
  std::string text;
  for (std::size_t i = first; i < words.size(); ++i) text += (i == first ? "" : " ") + words[i];
  return text;
}

class Grub2Reader {
 public:
  explicit Grub2Reader(const Environment& environment) : environment_(environment) {}

  BootMenu read(std::string_view text) {
    for (const std::string_view raw : lines_of(text)) {
      const std::string_view line = without_comment(raw);
      if (!line.empty()) take(line);
    }
    choose_default();
    return std::move(menu_);
  }

 private:
  struct Block {
    bool is_menu = false;  // a submenu or entry
    bool is_entry = false;
    MenuStep step;
    std::size_t children = 0;
  };

  void take(std::string_view line) {
    const std::vector<std::string> words = shell_words(line);
    if (words.empty()) return;
    const std::string& command = words[0];
    if (command == "menuentry" || command == "submenu") {
      open(words, command == "menuentry");
    } else if (command == "}") {
      close();
    } else if (command == "set" && words.size() > 1) {
      assign(words[1]);
    } else if (command.starts_with("linux") && words.size() > 1) {
      take_kernel(words);
    } else if (command.starts_with("initrd") && words.size() > 1) {
      take_initrds(words);
    } else if (command == "blscfg") {
      menu_.uses_bls = true;
    } else if ((command == "configfile" || command == "source" || command == ".") &&
               words.size() > 1 && menu_.includes.size() < kFilesIncluded) {
      menu_.includes.push_back(words[1]);
    } else if (line.ends_with('{')) {
      push({});  // function NAME {
    }
  }

  /// Depth is bounded by the stack's own limit: blocks beyond it are counted, not kept.
  void push(Block block) {
    if (blocks_.size() < 32) {
      blocks_.push_back(std::move(block));
    } else {
      ++too_deep_;
    }
  }

  void open(const std::vector<std::string>& words, bool is_entry) {
    Block block{true, is_entry, {}, 0};
    block.step.index = count_here()++;
    if (words.size() > 1) block.step.title = words[1];
    for (std::size_t i = 2; i + 1 < words.size(); ++i) {
      const bool names_id = words[i] == "--id" || words[i] == "$menuentry_id_option" ||
                            words[i] == "${menuentry_id_option}";
      if (names_id) block.step.id = words[i + 1];
    }
    push(std::move(block));
    if (is_entry && too_deep_ == 0 && menu_.entries.size() < kBootEntries) add_entry();
  }

  void add_entry() {
    MenuEntry found;
    for (const Block& block : blocks_) {
      if (block.is_menu) found.steps.push_back(block.step);
    }
    found.entry.title = found.steps.back().title;
    found.entry.id = found.steps.back().id;
    menu_.entries.push_back(std::move(found));
  }

  std::size_t& count_here() {
    for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
      if (block->is_menu) return block->children;
    }
    return top_level_;
  }

  void close() {
    if (too_deep_ > 0) {
      --too_deep_;
    } else if (!blocks_.empty()) {
      blocks_.pop_back();
    }
  }

  bool in_entry() const {
    return !menu_.entries.empty() &&
           std::any_of(blocks_.begin(), blocks_.end(), [](const Block& b) { return b.is_entry; });
  }

  void take_kernel(const std::vector<std::string>& words) {
    if (!in_entry()) return;
    menu_.entries.back().entry.kernel = words[1];
    menu_.entries.back().entry.options = joined(words, 2);
  }

  void take_initrds(const std::vector<std::string>& words) {
    if (!in_entry()) return;
    BootEntry& entry = menu_.entries.back().entry;
    for (std::size_t i = 1; i < words.size() && entry.initrds.size() < 16; ++i) {
      entry.initrds.push_back(words[i]);
    }
  }

  void assign(const std::string& assignment) {
    if (!assignment.starts_with("default=")) return;
    const std::string value = assignment.substr(8);
    if (value.find("next_entry") == std::string::npos) default_ = value;
  }

  std::string environment(const std::string& name) const {
    const auto found = environment_.find(name);
    return found == environment_.end() ? "" : found->second;
  }

  void choose_default() {
    const bool saved = default_ == "saved" || default_.find("saved_entry") != std::string::npos;
    menu_.default_name = saved ? environment("saved_entry") : default_;
    if (!environment("next_entry").empty()) menu_.default_name = environment("next_entry");
  }

  const Environment& environment_;
  BootMenu menu_;
  std::vector<Block> blocks_;
  std::size_t too_deep_ = 0;
  std::size_t top_level_ = 0;
  std::string default_;
};

/// "default=0", "default 0" and "default = 0" are one.
std::pair<std::string, std::string_view> legacy_command(std::string_view line) {
  const std::size_t end = std::min(line.find_first_of(" \t="), line.size());
  std::string_view rest = trim(line.substr(end));
  if (rest.starts_with('=')) rest = trim(rest.substr(1));
  return {to_lower(line.substr(0, end)), rest};
}

void take_legacy_module(BootEntry& entry, std::string_view rest) {
  // Under Xen the kernel is the hypervisor, Linux its first module and the initrd its second.
  const auto words = words_of(rest);
  if (words.empty()) return;
  if (entry.kernel.find("xen") != std::string::npos && entry.initrds.empty() &&
      words[0].find("initr") == std::string_view::npos) {
    entry.kernel = words[0];
    entry.options = trim(rest.substr(words[0].size()));
  } else if (entry.initrds.size() < 16) {
    entry.initrds.emplace_back(words[0]);
  }
}

}  // namespace

BootMenu parse_grub2(std::string_view text, const Environment& environment) {
  return Grub2Reader(environment).read(text);
}

BootMenu parse_grub_legacy(std::string_view text) {
  BootMenu menu;
  for (const std::string_view raw : lines_of(text)) {
    const std::string_view line = trim(raw);
    if (line.empty() || line[0] == '#') continue;
    const auto [command, rest] = legacy_command(line);
    if (command == "default" && menu.entries.empty()) menu.default_name = rest;
    if (command == "title" && menu.entries.size() < kBootEntries) {
      MenuEntry found;
      found.entry.title = rest;
      found.steps.push_back({menu.entries.size(), found.entry.title, ""});
      menu.entries.push_back(std::move(found));
    }
    if (menu.entries.empty()) continue;
    BootEntry& entry = menu.entries.back().entry;
    if (command == "kernel") {
      auto words = words_of(rest);
      while (!words.empty() && words[0].starts_with("--")) words.erase(words.begin());
      if (words.empty()) continue;
      entry.kernel = words[0];
      entry.options = trim(rest.substr(rest.find(words[0]) + words[0].size()));
    } else if (command == "initrd") {
      for (const std::string_view word : words_of(rest)) {
        if (entry.initrds.size() < 16) entry.initrds.emplace_back(word);
      }
    } else if (command == "module") {
      take_legacy_module(entry, rest);
    }
  }
  return menu;
}

}  // namespace v2vfs::inspect
