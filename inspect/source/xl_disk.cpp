// SPDX-License-Identifier: MIT
#include "inspect/source/xl_disk.h"

#include <algorithm>
#include <array>
#include <optional>

#include "inspect/base/text.h"
#include "inspect/source/drive_places.h"

namespace v2vfs::inspect::xl {
namespace {

using std::string_view_literals::operator""sv;

bool is_format(std::string_view word) {
  constexpr std::array kFormats = {"raw"sv, "qcow"sv, "qcow2"sv, "vhd"sv,
                                   "qed"sv, "vmdk"sv, "aio"sv,   "empty"sv};
  return std::find(kFormats.begin(), kFormats.end(), word) != kFormats.end();
}

/// A prefix says a format, a backend or a script.
struct Prefix {
  std::string_view text;
  std::string_view format;
  std::string_view backend;
  std::string_view script;
};

constexpr std::array kPrefixes = {
    Prefix{"raw:", "raw", "", ""},      Prefix{"qcow2:", "qcow2", "", ""},
    Prefix{"qcow:", "qcow", "", ""},    Prefix{"vhd:", "vhd", "", ""},
    Prefix{"vmdk:", "vmdk", "", ""},    Prefix{"phy:", "raw", "phy", ""},
    Prefix{"file:", "raw", "file", ""}, Prefix{"aio:", "raw", "", ""},
    Prefix{"sync:", "raw", "", ""},     Prefix{"tapdisk:", "", "tap", ""},
    Prefix{"tap2:", "", "tap", ""},     Prefix{"tap:", "", "tap", ""},
    Prefix{"ioemu:", "", "", ""},       Prefix{"nbd:", "raw", "", "nbd"},
    Prefix{"enbd:", "raw", "", "enbd"}, Prefix{"iscsi:", "raw", "", "iscsi"},
    Prefix{"drbd:", "raw", "", "drbd"}, Prefix{"npiv:", "raw", "", "npiv"},
    Prefix{"rbd:", "raw", "", "rbd"},   Prefix{"gluster:", "raw", "", "gluster"},
    Prefix{"ram:", "raw", "", "ram"},
};

class Parser {
 public:
  explicit Parser(std::string_view text) : rest_(text) {}

  DiskEntry run() {
    while (!is_done_) take(next());
    settle();
    return std::move(entry_);
  }

 private:
  std::string_view next() {
    rest_ = trim(rest_);
    if (starts_with_key("target")) {  // its value may hold commas
      is_done_ = true;
      return rest_;
    }
    const std::size_t comma = rest_.find(',');
    const std::string_view part = trim(rest_.substr(0, comma));
    is_done_ = comma == std::string_view::npos;
    if (!is_done_) rest_.remove_prefix(comma + 1);
    return part;
  }

  bool starts_with_key(std::string_view key) const {
    if (!rest_.starts_with(key)) return false;
    return trim(rest_.substr(key.size())).starts_with('=');
  }

  void take(std::string_view part) {
    const std::size_t equals = part.find('=');
    const bool is_old_target = !has_target_ && has_prefix(part);  // "rbd:pool/image:id=admin"
    if (equals == std::string_view::npos || is_old_target) {
      if (!take_flag(part)) take_position(part);
      return;
    }
    const std::string key = to_lower(trim(part.substr(0, equals)));
    if (!take_key(key, trim(part.substr(equals + 1)))) {
      entry_.unknown.emplace_back(clean_text(part, 64));
    }
  }

  static bool has_prefix(std::string_view part) {
    return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                       [&](const Prefix& prefix) { return part.starts_with(prefix.text); });
  }

  bool take_key(const std::string& key, std::string_view value) {
    if (key == "target") {
      set_target(value);
    } else if (key == "format") {
      set_format(value);
    } else if (key == "vdev") {
      set_vdev(value);
    } else if (key == "access") {
      set_access(value);
    } else if (key == "devtype") {
      entry_.is_cdrom = value == "cdrom";
    } else if (key == "backendtype") {
      entry_.backend = value;
    } else if (key == "script") {
      entry_.script = value;
    } else {
      return false;
    }
    return true;
  }

  bool take_flag(std::string_view word) {
    if (word == "cdrom" || word == "devtype=cdrom") {
      entry_.is_cdrom = true;
      return true;
    }
    constexpr std::array kFlags = {"direct-io-safe"sv, "discard"sv, "no-discard"sv, "colo"sv,
                                   "disk"sv};
    if (std::find(kFlags.begin(), kFlags.end(), word) == kFlags.end()) return false;
    return true;
  }

  /// The next positional parameter that is not given yet. xm has target, vdev, access: a format
  /// is recognised by its word.
  void take_position(std::string_view word) {
    if (!has_target_) return set_target(word);
    if (!has_format_ && is_vdev(word)) has_format_ = true;
    if (!has_format_) return set_format(word);
    if (!has_vdev_) return set_vdev(word);
    if (!has_access_) return set_access(word);
    if (!word.empty()) entry_.unknown.emplace_back(clean_text(word, 64));
  }

  static bool is_vdev(std::string_view word) {
    if (word.empty() || is_format(to_lower(word))) return false;
    if (word.starts_with("ioemu:")) word.remove_prefix(6);
    return parse_device_name(word.substr(0, word.find(':'))).has_value();
  }

  void set_target(std::string_view text) {
    has_target_ = true;
    if (text.starts_with("target")) {
      const std::size_t equals = text.find('=');
      if (equals != std::string_view::npos) text = trim(text.substr(equals + 1));
    }
    while (strip_prefix(text)) {
    }
    entry_.target = text;
  }

  bool strip_prefix(std::string_view& text) {
    for (const Prefix& prefix : kPrefixes) {
      if (!text.starts_with(prefix.text)) continue;
      text.remove_prefix(prefix.text.size());
      if (!prefix.format.empty()) set_format(prefix.format);
      if (!prefix.backend.empty()) entry_.backend = prefix.backend;
      if (!prefix.script.empty()) entry_.script = prefix.script;
      return true;
    }
    return false;
  }

  void set_format(std::string_view word) {
    has_format_ = true;
    entry_.format = to_lower(word);
    if (entry_.format == "aio") entry_.format = "raw";
  }

  void set_vdev(std::string_view word) {
    has_vdev_ = true;
    if (word.starts_with("ioemu:")) word.remove_prefix(6);
    const std::size_t colon = word.find(':');
    if (colon != std::string_view::npos && word.substr(colon + 1) == "cdrom") {
      entry_.is_cdrom = true;
    }
    entry_.vdev = word.substr(0, colon);
    if (entry_.vdev.starts_with("/dev/")) entry_.vdev.erase(0, 5);
  }

  void set_access(std::string_view word) {
    has_access_ = true;
    entry_.is_read_only = word == "r" || word == "ro";
  }

  void settle() {
    if (entry_.backend == "phy" && !entry_.target.empty() && !entry_.target.starts_with('/')) {
      entry_.target.insert(0, "/dev/");
    }
    entry_.is_device = entry_.backend == "phy" || entry_.target.starts_with("/dev/");
    if (entry_.is_cdrom) entry_.is_read_only = true;
  }

  std::string_view rest_;
  DiskEntry entry_;
  bool is_done_ = false;
  bool has_target_ = false;
  bool has_format_ = false;
  bool has_vdev_ = false;
  bool has_access_ = false;
};

}  // namespace

DiskEntry parse_disk(std::string_view text) { return Parser(text).run(); }

}  // namespace v2vfs::inspect::xl
