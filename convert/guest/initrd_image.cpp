// SPDX-License-Identifier: MIT
#include "convert/guest/initrd_image.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>

#include "inspect/base/error.h"
#include "inspect/base/unique_fd.h"
#include "inspect/guest/initrd_facts.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::InitrdEntry;
using inspect::is_module_file;

constexpr std::uint32_t kKindMask = 0170000;
constexpr std::uint32_t kFile = 0100000;
constexpr std::uint32_t kFolder = 0040000;
constexpr std::uint32_t kLink = 0120000;
constexpr int kMostLinks = 40;  // as the kernel's MAXSYMLINKS
constexpr std::size_t kTargetBytes = 4096;
constexpr std::string_view kModules = "lib/modules/";

std::deque<std::string> parts_of(std::string_view name) {
  std::deque<std::string> parts;
  while (!name.empty()) {
    const std::size_t slash = std::min(name.find('/'), name.size());
    if (slash > 0) parts.emplace_back(name.substr(0, slash));
    name.remove_prefix(std::min(slash + 1, name.size()));
  }
  return parts;
}

std::string below(const std::string& folder, const std::string& part) {
  return folder.empty() ? part : folder + "/" + part;
}

/// A path that can be made below a folder of this host.
bool is_plain(std::string_view path) {
  const auto parts = parts_of(path);
  return !parts.empty() && !path.ends_with('/') && path.size() < 1024 &&
         std::none_of(parts.begin(), parts.end(), [](const std::string& part) {
           return part == "." || part == ".." || part.size() > 200;
         });
}

/// Takes the entries of one image as they come.
class Unpacker {
 public:
  Unpacker(const std::string& version, std::string folder, const std::set<std::string>& names)
      : modules_of_kernel_(std::string(kModules) + version + "/"),
        folder_(std::move(folder)),
        names_(names) {}

  std::map<std::string, std::string> unpacked;  // name -> file of this host
  std::map<std::string, std::string> targets;   // of links, by name
  std::map<std::string, std::string> texts;     // small files, by name

  /// True: its bytes are wanted.
  bool take(const InitrdEntry& entry) {
    writing_.reset();
    keeping_ = nullptr;
    unpacked.erase(entry.name);
    targets.erase(entry.name);
    texts.erase(entry.name);
    const std::uint32_t kind = entry.mode & kKindMask;
    if (kind == kLink) return take_link(entry);
    if (kind != kFile) return false;
    const bool module =
        entry.name.find(kModules) != std::string::npos && is_module_file(entry.name);
    return module || is_index(entry.name) ? take_file(entry) : take_text(entry);
  }

  void data(std::string_view bytes) {
    if (keeping_) keeping_->append(bytes);
    while (writing_ && !bytes.empty()) {
      const ssize_t wrote = ::write(writing_.get(), bytes.data(), bytes.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) throw errno_error("unpacking an initrd in " + folder_);
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
  }

 private:
  bool is_index(const std::string& name) const {
    const std::size_t at = name.find(modules_of_kernel_);
    return at != std::string::npos &&
           name.compare(at + modules_of_kernel_.size(), 8, "modules.") == 0;
  }

  bool take_link(const InitrdEntry& entry) {
    kept_bytes_ += entry.bytes;
    if (entry.bytes > kTargetBytes || kept_bytes_ > inspect::kInitrdNamesBytes) {
      throw Error(EFBIG, "it has more links than are looked at");
    }
    keeping_ = &targets[entry.name];
    return true;
  }

  bool take_text(const InitrdEntry& entry) {
    const bool list = entry.name == "run_all.sh" || entry.name == "config/start.sh";
    const bool wanted = names_.count(std::string(inspect::base_name(entry.name))) > 0;
    if (!list && !wanted && !inspect::is_initrd_config(entry.name)) return false;
    kept_bytes_ += entry.bytes;
    if (entry.bytes > inspect::kInitrdFileBytes || kept_bytes_ > inspect::kInitrdNamesBytes) {
      return false;
    }
    keeping_ = &texts[entry.name];
    return true;
  }

  bool take_file(const InitrdEntry& entry) {
    std::string host = folder_ + "/" + std::to_string(count_++);
    writing_.reset(::open(host.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!writing_) throw errno_error(host);
    unpacked[entry.name] = std::move(host);
    return true;
  }

  const std::string modules_of_kernel_;  // "lib/modules/V/"
  const std::string folder_;
  const std::set<std::string>& names_;
  UniqueFd writing_;
  std::string* keeping_ = nullptr;
  std::size_t count_ = 0;
  std::uint64_t kept_bytes_ = 0;
};

/// Where the image has the modules of this kernel; empty: nowhere.
std::string find_modules_folder(const inspect::InitrdArchive& archive, const std::string& version) {
  const std::string folder = std::string(kModules) + version;
  for (const InitrdEntry& entry : archive.entries) {
    for (const std::string& known : {folder, "usr/" + folder}) {
      if (entry.name == known || entry.name.starts_with(known + "/")) return known;
    }
  }
  return "";
}

class ImageMaker {
 public:
  ImageMaker(InitrdImage& image, const Unpacker& unpacker) : image_(image), unpacker_(unpacker) {}

  void sort_files() {
    for (const auto& [name, host] : unpacker_.unpacked) add(name, host);
    for (const auto& [name, target] : unpacker_.targets) {
      if (is_module_file(name)) follow(name);
    }
  }

 private:
  void add(const std::string& name, const std::string& host) {
    const std::string prefix = image_.modules_folder + "/";
    if (image_.modules_folder.empty() || !name.starts_with(prefix)) return;
    const std::string path = name.substr(prefix.size());
    if (!is_plain(path)) throw Error(EIO, "a module in it has a name that no file can have");
    (is_module_file(path) ? image_.modules : image_.index).push_back({path, host});
  }

  /// weak-updates/x.ko -> the module of another kernel.
  void follow(const std::string& name) {
    const auto real = image_.tree.resolve(name);
    const auto found = real ? unpacker_.unpacked.find(*real) : unpacker_.unpacked.end();
    if (found != unpacker_.unpacked.end()) add(name, found->second);
  }

  InitrdImage& image_;
  const Unpacker& unpacker_;
};

}  // namespace

InitrdTree::InitrdTree(const std::vector<InitrdEntry>& entries,
                       std::map<std::string, std::string> targets)
    : targets_(std::move(targets)) {
  for (const InitrdEntry& entry : entries) modes_[entry.name] = entry.mode;
}

std::optional<std::uint32_t> InitrdTree::mode(const std::string& name) const {
  const std::size_t slash = name.rfind('/');
  const auto folder =
      slash == std::string::npos ? std::optional<std::string>("") : resolve(name.substr(0, slash));
  if (!folder) return std::nullopt;
  const auto found =
      modes_.find(below(*folder, slash == std::string::npos ? name : name.substr(slash + 1)));
  return found == modes_.end() ? std::nullopt : std::optional(found->second);
}

std::optional<std::string> InitrdTree::resolve(const std::string& name) const {
  std::deque<std::string> todo = parts_of(name);
  std::string at;
  int links = 0;
  while (!todo.empty()) {
    const std::string part = todo.front();
    todo.pop_front();
    if (part == ".") continue;
    if (part == "..") {
      at = at.substr(0, at.find('/') == std::string::npos ? 0 : at.rfind('/'));
      continue;
    }
    const std::string next = below(at, part);
    const auto link = targets_.find(next);
    if (link == targets_.end()) {
      at = next;
      continue;
    }
    if (++links > kMostLinks) return std::nullopt;
    const std::deque<std::string> inner = parts_of(link->second);
    todo.insert(todo.begin(), inner.begin(), inner.end());
    if (link->second.starts_with('/')) at.clear();
  }
  return at;
}

bool InitrdTree::is_folder(const std::string& name) const {
  const auto real = resolve(name);
  if (!real) return false;
  const auto found = modes_.find(*real);
  return real->empty() || (found != modes_.end() && (found->second & kKindMask) == kFolder);
}

InitrdImage open_initrd_image(std::uint64_t image_bytes, const inspect::ReadAt& read_at,
                              const std::string& version, const std::string& folder,
                              const std::set<std::string>& names) {
  Unpacker unpacker(version, folder, names);
  inspect::InitrdSink sink;
  sink.on_entry = [&](const InitrdEntry& entry) { return unpacker.take(entry); };
  sink.on_data = [&](std::string_view bytes) { unpacker.data(bytes); };
  InitrdImage image;
  image.archive = inspect::unpack_initrd(image_bytes, read_at, sink);
  image.archive.files = std::move(unpacker.texts);
  image.facts = inspect::initrd_facts(image.archive);
  image.facts.bytes = image_bytes;
  image.tree = InitrdTree(image.archive.entries, unpacker.targets);
  image.modules_folder = find_modules_folder(image.archive, version);
  try {
    ImageMaker(image, unpacker).sort_files();
  } catch (const Error& error) {
    image.facts.problem = error.sentence();
  }
  return image;
}

}  // namespace v2vfs::convert
