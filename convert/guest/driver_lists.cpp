// SPDX-License-Identifier: MIT
#include "convert/guest/driver_lists.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include "inspect/base/text.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::lines_of;
using inspect::module_name;
using inspect::words_of;

constexpr std::string_view kSuseList = "RESOLVED_INITRD_MODULES='";

std::string with_line_end(std::string text) {
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  return text;
}

/// conf/modules: a name a line, arguments behind it, comments.
DriverLists initramfs_tools(const ListedImage& image, const std::vector<ListedDriver>& drivers) {
  DriverLists lists;
  const auto found = image.files.find("conf/modules");
  if (found == image.files.end()) return lists;
  std::set<std::string> listed;
  for (const std::string_view line : lines_of(found->second)) {
    const auto words = words_of(inspect::without_comment(line));
    if (!words.empty()) listed.insert(module_name(words[0]));
  }
  std::string text = with_line_end(found->second);
  for (const ListedDriver& driver : drivers) {
    if (driver.asked && listed.insert(driver.name).second) text += driver.name + "\n";
  }
  if (text != with_line_end(found->second)) lists.files["conf/modules"] = text;
  return lists;
}

/// config is read by the image's shell; what stands at its end wins.
DriverLists mkinitcpio(const ListedImage& image, const std::vector<ListedDriver>& drivers) {
  DriverLists lists;
  const auto found = image.files.find("config");
  if (found == image.files.end()) return lists;
  std::set<std::string> listed;
  for (const std::string_view line : lines_of(found->second)) {
    if (!line.starts_with("MODULES=")) continue;
    for (const std::string& value : inspect::shell_words(line.substr(8))) {
      for (const std::string_view word : words_of(value)) listed.insert(module_name(word));
    }
  }
  std::string names;
  for (const ListedDriver& driver : drivers) {
    if (driver.asked && listed.insert(driver.name).second) names += " " + driver.name;
  }
  if (names.empty()) return lists;
  lists.files["config"] = with_line_end(found->second) + "MODULES=\"$MODULES" + names + "\"\n";
  return lists;
}

/// "insmod /lib/x.ko" -> "x"; empty: another line.
std::string inserted_by(std::string_view line) {
  const auto words = words_of(line);
  if (line.starts_with('#') || words.size() < 2) return "";
  if (words[0] != "insmod" && !words[0].ends_with("/insmod")) return "";
  return module_name(words[1]);
}

/// A script of one command a line.
class NashScript {
 public:
  explicit NashScript(const std::string& text) {
    for (const std::string_view line : lines_of(text)) {
      const std::string name = inserted_by(line);
      const bool announces = line.starts_with("echo ") && line.find("Loading ") != line.npos;
      if (!name.empty()) at_.try_emplace(name, lines_.size());
      if (!first_ && (announces || !name.empty())) first_ = lines_.size();
      lines_.emplace_back(line);
      behind_.emplace_back();
    }
  }

  bool loads_something() const { return !at_.empty(); }

  /// Behind what it needs; else before the first driver, so that what follows finds its devices.
  void add(const ListedDriver& driver) {
    if (at_.count(driver.name) > 0) return;
    std::optional<std::size_t> behind;
    for (const std::string& need : driver.needs) {
      const auto found = at_.find(need);
      if (found != at_.end()) behind = std::max(behind.value_or(0), found->second);
    }
    const std::size_t line = behind.value_or(*first_ - 1);  // a script begins with #!
    at_[driver.name] = line;
    const std::string file(inspect::base_name(driver.file));
    behind_[line] += "echo \"Loading " + file + " module\"\ninsmod /" + driver.file + "\n";
  }

  std::string text() const {
    std::string all;
    for (std::size_t i = 0; i < lines_.size(); ++i) all += lines_[i] + "\n" + behind_[i];
    return all;
  }

 private:
  std::vector<std::string> lines_;
  std::vector<std::string> behind_;  // what comes behind each
  std::map<std::string, std::size_t> at_;
  std::optional<std::size_t> first_;
};

DriverLists nash(const ListedImage& image, const std::vector<ListedDriver>& drivers) {
  DriverLists lists;
  for (const char* const name : {"init", "linuxrc"}) {
    const auto found = image.files.find(name);
    if (found == image.files.end() || !found->second.starts_with("#!")) continue;
    NashScript script(found->second);
    if (!script.loads_something()) continue;
    const std::string before = script.text();
    for (const ListedDriver& driver : drivers) script.add(driver);
    if (script.text() != before) lists.files[name] = script.text();
    return lists;
  }
  lists.refusal = "its script loads no driver, so it is not known where it would load one more";
  return lists;
}

/// In run_all.sh and config/start.sh: RESOLVED_INITRD_MODULES='thermal mptspi ...'
std::string with_suse_list(const std::string& text, const std::vector<ListedDriver>& drivers) {
  const std::size_t at = text.find(kSuseList);
  const std::size_t start = at + kSuseList.size();
  const std::size_t end = at == std::string::npos ? at : text.find('\'', start);
  if (end == std::string::npos) return text;
  std::set<std::string> listed;
  for (const std::string_view word : words_of(std::string_view(text).substr(start, end - start))) {
    listed.insert(module_name(word));
  }
  std::string names;
  for (const ListedDriver& driver : drivers) {
    if (driver.asked && listed.insert(driver.name).second) names += driver.name + " ";
  }
  return text.substr(0, start) + names + text.substr(start);
}

DriverLists suse(const ListedImage& image, const std::vector<ListedDriver>& drivers) {
  DriverLists lists;
  bool has_list = false;
  for (const char* const name : {"run_all.sh", "config/start.sh"}) {
    const auto found = image.files.find(name);
    if (found == image.files.end() || found->second.find(kSuseList) == std::string::npos) continue;
    has_list = true;
    std::string text = with_suse_list(found->second, drivers);
    if (text != found->second) lists.files[name] = std::move(text);
  }
  if (!has_list) lists.refusal = "its list of drivers (RESOLVED_INITRD_MODULES) was not found";
  return lists;
}

}  // namespace

DriverLists driver_lists(const ListedImage& image, const std::vector<ListedDriver>& drivers) {
  if (drivers.empty()) return {};
  if (image.generator == "mkinitrd") return nash(image, drivers);
  if (image.generator == "mkinitrd-suse") return suse(image, drivers);
  if (image.generator == "initramfs-tools") return initramfs_tools(image, drivers);
  if (image.generator == "mkinitcpio") return mkinitcpio(image, drivers);
  if (image.generator == "booster") {
    return {"booster loads by a list of its own that is not changed here", {}};
  }
  if (image.generator.empty() && !image.loads_by_alias) {
    return {"it is not known which tool made it, and it has no udev that would load drivers", {}};
  }
  return {};
}

}  // namespace v2vfs::convert
