// SPDX-License-Identifier: MIT
#include "convert/disk/vmdk_descriptor.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>

#include "inspect/base/checked.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

constexpr std::string_view kFirstLine = "# disk descriptorfile";
constexpr std::uint64_t kSectorLimit = std::uint64_t{1} << 44;  // 2^53 bytes

// The disk types whose extents lie in ordinary files. The extents say what they are; this list
// keeps out what needs more than them.
constexpr std::array<std::string_view, 14> kServedTypes = {
    "monolithicsparse",   "streamoptimized",  "monolithicflat",     "twogbmaxextentsparse",
    "twogbmaxextentflat", "2gbmaxextentflat", "2gbmaxextentsparse", "vmfs",
    "vmfspreallocated",   "vmfsthin",         "vmfssparse",         "vmfseagerzeroedthick",
    "sesparse",           "custom",
};

struct NotServed {
  std::string_view type;
  std::string_view why;
};
constexpr std::string_view kDevice =
    "the disk is, all or in part, a device of the host that it ran on, and not in these files; "
    "copy that device into a file and mount the file";
constexpr std::string_view kMapping =
    "it maps a disk of the storage (RDM), which is not in these files; copy that disk into a file "
    "and mount the file, or let VMware clone it to a virtual disk";
constexpr std::array<NotServed, 9> kNotServed = {{
    {"fulldevice", kDevice},
    {"partitioneddevice", kDevice},
    {"vmfsraw", kMapping},
    {"vmfsrdm", kMapping},
    {"vmfsrdmp", kMapping},
    {"vmfsrawdevicemap", kMapping},
    {"vmfspassthroughrawdevicemap", kMapping},
    {"vsansparse", "deltas of vSAN are no files; consolidate the snapshots and export it"},
    {"vsan", "disks of vSAN are no files; export it"},
}};

/// Why disks, or extents, of a type are not served.
std::string why_not_served(std::string_view what, std::string_view type) {
  for (const NotServed& known : kNotServed) {
    if (known.type == type) return fmt::format("{} of type {}: {}", what, type, known.why);
  }
  return fmt::format("{} of type {} are not served", what, clean_text(type, 32));
}

/// Walks one line: blank-separated words, the last ones possibly in double quotes.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(trim(line)) {}

  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    const bool quoted = rest_.front() == '"';
    if (quoted) rest_.remove_prefix(1);
    const std::size_t end = quoted ? rest_.find('"') : rest_.find_first_of(" \t");
    if (quoted && end == std::string_view::npos) return std::nullopt;
    const std::string_view word = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? "" : trim(rest_.substr(end + (quoted ? 1 : 0)));
    return word;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

template <typename Number>
std::optional<Number> to_number(std::string_view text, int base) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Parser {
 public:
  explicit Parser(std::string_view name) : name_(name) {}

  VmdkDescriptor parse(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      ++line_number_;
      line(trim(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    check();
    return std::move(result_);
  }

 private:
  [[noreturn]] void fail(int error_number, std::string_view what) const {
    throw Error(error_number, "{}, line {} of the descriptor: {}", name_, line_number_, what);
  }

  void line(std::string_view text) {
    if (text.empty() || text.front() == '#') return;
    Words words(text);
    const std::string first = to_lower(words.next().value_or(""));
    if (first == "rw" || first == "rdonly" || first == "noaccess") return extent(first, words);
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) fail(EIO, "it is no line of a VMDK descriptor");
    setting(to_lower(trim(text.substr(0, equals))), trim(text.substr(equals + 1)));
  }

  void extent(std::string_view access, Words& words) {
    ExtentLine line;
    const auto sectors = to_number<std::uint64_t>(words.next().value_or(""), 10);
    if (!sectors || *sectors > kSectorLimit) fail(EIO, "the extent's size is no size");
    line.sectors = *sectors;
    line.type = type(words.next().value_or(""));
    if (access == "noaccess") {
      line.type = ExtentType::barred;
    } else if (line.type != ExtentType::zero) {
      place(line, words);
    }
    if (!words.at_end() && line.type != ExtentType::barred)
      fail(EIO, "there is more on the extent's line than is known");
    if (result_.extents.size() == kExtentLimit) fail(EIO, "there are too many extents");
    result_.extents.push_back(std::move(line));
  }

  ExtentType type(std::string_view word) const {
    const std::string type = to_lower(word);
    if (type == "sparse") return ExtentType::sparse;
    if (type == "flat" || type == "vmfs") return ExtentType::flat;
    if (type == "zero") return ExtentType::zero;
    if (type == "vmfssparse") return ExtentType::cowd;
    if (type == "sesparse") return ExtentType::se_sparse;
    fail(EOPNOTSUPP, why_not_served("extents", type));
  }

  void place(ExtentLine& line, Words& words) const {
    const auto file = words.next();
    if (!file) fail(EIO, "the extent has no file name");
    line.file = *file;
    if (words.at_end()) return;
    const auto start = to_number<std::uint64_t>(*words.next(), 10);
    if (!start || *start > kSectorLimit) fail(EIO, "the extent's place in its file is no number");
    if (*start != 0 && line.type != ExtentType::flat) {
      fail(EOPNOTSUPP, "a sparse extent inside another file is not served");
    }
    line.start_sector = *start;
  }

  static std::string_view unquoted(std::string_view value) {
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      return value.substr(1, value.size() - 2);
    }
    return value;
  }

  void setting(const std::string& key, std::string_view quoted) {
    const std::string_view value = unquoted(quoted);
    if (key == "version") {
      const auto version = to_number<unsigned>(value, 10);
      if (!version || *version < 1 || *version > 3) fail(EOPNOTSUPP, "its version is unknown");
    } else if (key == "cid") {
      result_.cid = content_id(value);
    } else if (key == "parentcid") {
      result_.parent_cid = content_id(value);
    } else if (key == "parentfilenamehint") {
      result_.parent_hint = value;
    } else if (key == "createtype") {
      if (!result_.create_type.empty()) fail(EIO, "createType is there twice");
      result_.create_type = to_lower(value);
    } else if (key.starts_with("ddb.")) {
      result_.ddb[key] = value;
    }
  }

  std::uint32_t content_id(std::string_view value) const {
    const auto id = to_number<std::uint32_t>(value, 16);
    if (!id) fail(EIO, "a content id is eight hexadecimal digits");
    return *id;
  }

  void check() const {
    if (result_.create_type.empty()) fail(EIO, "createType is missing");
    if (std::ranges::find(kServedTypes, result_.create_type) == kServedTypes.end()) {
      fail(EOPNOTSUPP, why_not_served("disks", result_.create_type));
    }
    if (result_.extents.empty()) fail(EIO, "it names no extent");
    if (result_.sectors() > kSectorLimit) fail(EIO, "the disk is larger than 8 PiB");
  }

  std::string_view name_;
  std::size_t line_number_ = 0;
  VmdkDescriptor result_;
};

}  // namespace

std::uint64_t VmdkDescriptor::sectors() const {
  std::uint64_t sum = 0;  // 4096 extents of at most 2^44 sectors
  for (const ExtentLine& extent : extents) sum += extent.sectors;
  return sum;
}

bool is_descriptor_file(std::string_view head) {
  return to_lower(head.substr(0, kFirstLine.size())) == kFirstLine;
}

VmdkDescriptor parse_descriptor(std::string_view text, std::string_view name) {
  text = text.substr(0, text.find('\0'));
  if (text.size() > kDescriptorLimit) {
    throw file_error(EIO, name, kDescriptorLimit, "the descriptor is longer than 1 MiB");
  }
  return Parser(name).parse(text);
}

void check_extent_name(std::string_view extent, std::string_view name) {
  const auto forbidden = [](unsigned char c) {
    return c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == ':';
  };
  if (extent.starts_with("vsan://") || extent.starts_with("vvol://")) {
    throw Error(EOPNOTSUPP, "{}: its extent \"{}\" is an object of a store, and no file; export it",
                name, clean_text(extent));
  }
  if (extent.empty() || extent.size() > 255 || extent == "." || extent == ".." ||
      std::ranges::any_of(extent, forbidden)) {
    throw Error(
        EACCES,
        "{}: its extent \"{}\" is no bare file name; extents are only looked for beside their "
        "descriptor",
        name, clean_text(extent));
  }
}

}  // namespace v2vfs::convert
