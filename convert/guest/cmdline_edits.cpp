// SPDX-License-Identifier: MIT
#include "convert/guest/cmdline_edits.h"

#include <array>

#include "inspect/base/text.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::words_of;
using Changed = std::optional<std::string>;

/// Parameters whose value is a device, or begins with one before a ':' or ','.
constexpr std::array kDeviceParameters = {
    "root=", "resume=", "real_root=", "boot=", "cryptdevice=", "resume2=", "journal_dev="};

constexpr std::string_view kBreaks = " \t\r\n\f\v\"'";

/// The part of a parameter's value that names the device.
std::string_view device_part(std::string_view key, std::string_view value) {
  const bool with_more = key == "cryptdevice=";
  return value.substr(0, with_more ? std::min(value.find(':'), value.size()) : value.size());
}

Changed edit_device_word(std::string_view word, std::string_view kernel, const RenameFor& rename) {
  // cryptopts=source=/dev/sda5,target=x of initramfs-tools.
  if (word.starts_with("cryptopts=")) {
    const std::size_t at = word.find("source=");
    if (at == std::string_view::npos) return std::nullopt;
    const std::string_view rest = word.substr(at + 7);
    const std::string_view device = rest.substr(0, std::min(rest.find(','), rest.size()));
    const Changed name = rename(device, kernel);
    if (!name) return std::nullopt;
    return std::string(word.substr(0, at + 7)) + *name + std::string(rest.substr(device.size()));
  }
  for (const std::string_view key : kDeviceParameters) {
    if (!word.starts_with(key)) continue;
    const std::string_view value = word.substr(key.size());
    const std::string_view device = device_part(key, value);
    const Changed name = rename(device, kernel);
    if (!name) return std::nullopt;
    return std::string(key) + *name + std::string(value.substr(device.size()));
  }
  return std::nullopt;
}

/// Words between blanks and quotes of a part of the text.
void edit_words(TextEdit& text, std::string_view part, std::string_view kernel,
                const WordEdit& edit) {
  std::size_t at = part.find_first_not_of(kBreaks);
  while (at != std::string_view::npos) {
    const std::size_t end = std::min(part.find_first_of(kBreaks, at), part.size());
    const std::string_view word = part.substr(at, end - at);
    if (Changed changed = edit(word, kernel)) text.replace(word, std::move(*changed));
    at = part.find_first_not_of(kBreaks, end);
  }
}

std::string_view behind(std::string_view line, std::string_view word) {
  return line.substr(static_cast<std::size_t>(word.data() - line.data()) + word.size());
}

}  // namespace

WordEdit device_words(const RenameFor& rename) {
  return [rename](std::string_view word, std::string_view kernel) {
    return edit_device_word(word, kernel, rename);
  };
}

WordEdit console_words() {
  return [](std::string_view word, std::string_view) -> Changed {
    for (const std::string_view old : {"console=hvc0", "console=xvc0"}) {
      if (word == old || word.starts_with(std::string(old) + ",")) {
        return "console=ttyS0" + std::string(word.substr(old.size()));
      }
    }
    return std::nullopt;
  };
}

std::string edit_cmdline(std::string_view text, const WordEdit& edit) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    if (!trim(line).starts_with('#')) edit_words(edited, line, "", edit);
  }
  return edited.take();
}

std::string edit_grub2(std::string_view text, const WordEdit& edit) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const auto words = words_of(line);
    if (words.size() < 2) continue;
    const bool kernel = words[0].starts_with("linux") || words[0].starts_with("module") ||
                        words[0].starts_with("multiboot");
    const bool variable = words[0] == "set" && (words[1].starts_with("kernelopts=") ||
                                                words[1].starts_with("default_kernelopts="));
    if (kernel) edit_words(edited, behind(line, words[1]), inspect::base_name(words[1]), edit);
    if (variable) {
      const std::size_t equals = line.find('=');
      edit_words(edited, line.substr(equals + 1), "", edit);
    }
  }
  return edited.take();
}

std::string edit_grub_legacy(std::string_view text, const WordEdit& edit) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const auto words = words_of(line);
    if (words.size() < 2) continue;
    if (words[0] == "kernel" || words[0] == "module") {
      // "kernel --type=x /vmlinuz": what comes first does not matter, words are told by their keys.
      std::string_view file = words[1];
      for (std::size_t i = 1; i < words.size() && file.starts_with("--"); ++i) file = words[i];
      edit_words(edited, behind(line, words[0]), inspect::base_name(file), edit);
    }
    const std::string_view built = words[0] == "#" ? words[1] : std::string_view();
    if (built.starts_with("kopt")) {
      const std::size_t equals = line.find('=');
      if (equals != std::string_view::npos) edit_words(edited, line.substr(equals + 1), "", edit);
    }
  }
  return edited.take();
}

std::string edit_loader_entry(std::string_view text, const WordEdit& edit) {
  TextEdit edited(text);
  std::string_view kernel;
  for (const std::string_view line : whole_lines(text)) {
    const auto words = words_of(line);
    if (words.size() > 1 && words[0] == "linux") kernel = inspect::base_name(words[1]);
  }
  for (const std::string_view line : whole_lines(text)) {
    const auto words = words_of(line);
    if (words.size() > 1 && words[0] == "options") {
      edit_words(edited, behind(line, words[0]), kernel, edit);
    }
  }
  return edited.take();
}

std::string edit_syslinux(std::string_view text, const WordEdit& edit) {
  TextEdit edited(text);
  std::string_view kernel;
  for (const std::string_view line : whole_lines(text)) {
    const auto words = words_of(line);
    if (words.size() < 2) continue;
    const std::string key = to_lower(words[0]);
    if (key == "label") kernel = {};
    if (key == "linux" || key == "kernel") kernel = inspect::base_name(words[1]);
    if (key == "append") edit_words(edited, behind(line, words[0]), kernel, edit);
  }
  return edited.take();
}

std::string edit_cmdline_assignments(std::string_view text,
                                     const std::function<bool(std::string_view name)>& is_meant,
                                     const WordEdit& edit) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    std::string_view rest = trim(line);
    if (rest.starts_with("export ")) rest = trim(rest.substr(7));
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) continue;
    std::string_view name = rest.substr(0, equals);
    if (name.ends_with('+')) name.remove_suffix(1);
    if (is_meant(name)) edit_words(edited, rest.substr(equals + 1), "", edit);
  }
  return edited.take();
}

std::optional<std::string> edit_grubenv(std::string_view text, const WordEdit& edit) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    if (line.starts_with("kernelopts=")) edit_words(edited, line.substr(11), "", edit);
  }
  std::string made = edited.take();
  if (made.size() < text.size()) made.append(text.size() - made.size(), '#');
  while (made.size() > text.size()) {
    if (!made.ends_with("##")) return std::nullopt;
    made.pop_back();
  }
  return made;
}

std::string set_legacy_default(std::string_view text, std::size_t entry) {
  TextEdit edited(text);
  for (const std::string_view line : whole_lines(text)) {
    const std::string_view content = trim(line);
    if (content.starts_with("title")) break;
    if (!content.starts_with("default")) continue;
    const std::string_view value = trim(content.substr(7));
    const std::string_view number = trim(value.starts_with('=') ? value.substr(1) : value);
    if (!number.empty()) edited.replace(number, std::to_string(entry));
  }
  return edited.take();
}

}  // namespace v2vfs::convert
