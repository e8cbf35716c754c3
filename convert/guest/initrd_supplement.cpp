// SPDX-License-Identifier: MIT
#include "convert/guest/initrd_supplement.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <set>

#include "convert/guest/cpio_writer.h"
#include "convert/guest/driver_lists.h"
#include "convert/guest/guest_module.h"
#include "convert/guest/image_checksum.h"
#include "convert/guest/initrd_image.h"
#include "convert/guest/module_closure.h"
#include "convert/guest/module_index.h"
#include "convert/guest/supplement_check.h"
#include "convert/guest/supplement_place.h"
#include "inspect/base/digest.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::Guest;
using inspect::module_name;
using inspect::ReadAt;

constexpr std::size_t kMostAddedBytes = 128 << 20;  // of modules, decompressed
constexpr std::size_t kMostReleaseBytes = 64;       // the kernel's own bound of its name
constexpr std::uint32_t kFileMode = 0100644;
constexpr std::uint32_t kFolderMode = 0040755;
constexpr std::size_t kReadBytes = 4 << 20;

/// A folder that goes when the supplement is made.
class WorkFolder {
 public:
  explicit WorkFolder(const std::string& parent) : path_(parent + "/initrd-XXXXXX") {
    if (!::mkdtemp(path_.data())) throw errno_error(path_);
  }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;
  ~WorkFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool is_release(const std::string& text) {
  return !text.empty() && text.size() <= kMostReleaseBytes && !text.starts_with('.') &&
         !text.starts_with('-') && std::all_of(text.begin(), text.end(), [](char c) {
           return c > ' ' && c < '\x7f' && c != '/';
         });
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && !name.starts_with('/') && !name.ends_with('/') &&
         name.size() < inspect::kInitrdNameBytes && name.find('\0') == std::string::npos &&
         ("/" + name + "/").find("/../") == std::string::npos &&
         name.find("//") == std::string::npos;
}

std::string parent_of(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  return slash == std::string::npos ? "" : name.substr(0, slash);
}

ReadAt reader_of(Guest& guest, const std::string& path) {
  return [&guest, path](std::uint64_t offset, std::size_t length) {
    return guest.read(path, offset, std::min(length, kReadBytes));
  };
}

/// "kernel/x.ko.xz" -> "kernel/x.ko": what is added is decompressed.
std::string plain_path(std::string path) {
  const std::size_t at = path.rfind(".ko");
  return at == std::string::npos ? path : path.substr(0, at + 3);
}

class SupplementMaker {
 public:
  SupplementMaker(Guest& guest, const SupplementRequest& request, const std::string& work_folder)
      : guest_(guest), request_(request), folder_(work_folder) {}

  Supplement make() {
    using Step = std::string (SupplementMaker::*)();
    constexpr Step kSteps[] = {&SupplementMaker::open_image,   &SupplementMaker::find_modules,
                               &SupplementMaker::change_texts, &SupplementMaker::index_modules,
                               &SupplementMaker::pack,         &SupplementMaker::try_it};
    for (const Step step : kSteps) {
      supplement_.refusal = attempt(step);
      if (supplement_.refusal.empty()) continue;
      supplement_.entries.clear();
      supplement_.bytes.clear();
      return std::move(supplement_);
    }
    if (supplement_.needed()) follow_checksum();
    return std::move(supplement_);
  }

 private:
  /// What a damaged guest is in the way of is a refusal; a reader that has ended is none.
  std::string attempt(std::string (SupplementMaker::*step)()) {
    try {
      return (this->*step)();
    } catch (const Error& error) {
      constexpr int kOfTheImage[] = {EIO,    ENOENT, EFBIG,   EINVAL,
                                     EEXIST, EISDIR, ENOTDIR, ENOTEMPTY};
      if (std::find(std::begin(kOfTheImage), std::end(kOfTheImage), error.error_number()) ==
          std::end(kOfTheImage)) {
        throw;
      }
      guest_.stat("/");
      return error.sentence();
    }
  }

  std::string open_image() {
    if (!is_release(request_.kernel)) return "its kernel's version is no name";
    const auto real = guest_.resolve(request_.image);
    if (!real) return clean_text(request_.image) + " is not there";
    supplement_.image = *real;
    supplement_.image_bytes = guest_.stat(*real).bytes;
    read_at_ = reader_of(guest_, *real);
    std::set<std::string> names;
    for (const InitrdFile& file : request_.files) names.emplace(inspect::base_name(file.name));
    image_ = open_initrd_image(supplement_.image_bytes, read_at_, request_.kernel, folder_.path(),
                               names);
    supplement_.tail = image_.facts.tail;
    place_ = place_supplement(image_.facts, request_.codecs);
    if (!place_.refusal.empty()) return place_.refusal;
    const std::string& other = image_.facts.modules_folder;
    if (!image_.modules_folder.empty() || other.empty()) return "";
    return "it holds modules of another kernel, in " + clean_text(other);
  }

  // Modules.

  std::string guest_text(const char* name) {
    if (request_.modules_dir.empty()) return "";
    return inspect::read_whole(guest_, request_.modules_dir + "/" + name,
                               inspect::kModuleIndexBytes)
        .value_or("");
  }

  std::set<std::string> present_modules() const {
    std::set<std::string> names;
    for (const UnpackedFile& module : image_.modules) names.insert(module_name(module.path));
    if (image_.modules_folder.empty()) {
      for (const std::string& path : image_.facts.modules) names.insert(module_name(path));
    }
    return names;
  }

  /// nash has its modules in one folder and loads them by file.
  bool is_flat() const { return image_.facts.generator == "mkinitrd"; }

  std::string find_modules() {
    present_ = present_modules();
    const ModuleTexts texts{guest_text("modules.dep"), guest_text("modules.softdep"),
                            guest_text("modules.alias"), guest_text("modules.builtin")};
    closure_ = module_closure(texts, request_.drivers, present_);
    supplement_.absent = closure_.absent;
    std::size_t bytes = 0;
    for (const WantedModule& module : closure_.modules) {
      std::string& content = added_[plain_path(module.path)];
      content = read_module(guest_, request_.modules_dir + "/" + module.path);
      bytes += content.size();
      if (bytes > kMostAddedBytes) return "the drivers that it lacks are too large";
      supplement_.modules.push_back(module.name);
    }
    for (const auto& [path, content] : added_) {
      put(image_name(path), {image_name(path), kFileMode, content});
    }
    return "";
  }

  /// Where a module goes in the image.
  std::string image_name(const std::string& path) const {
    if (is_flat()) return "lib/" + std::string(inspect::base_name(path));
    return modules_folder() + "/" + path;
  }

  std::string modules_folder() const {
    if (!image_.modules_folder.empty()) return image_.modules_folder;
    return image_.tree.resolve("lib").value_or("lib") + "/modules/" + request_.kernel;
  }

  // Texts.

  std::string change_texts() {
    std::map<std::string, std::string> texts = image_.archive.files;
    for (const InitrdFile& file : request_.files) {
      if (!is_plain_name(file.name)) return clean_text(file.name) + " is no name in an image";
      texts[image_.tree.resolve(file.name).value_or(file.name)] = file.text;
    }
    const bool by_list = is_flat() || image_.facts.generator == "mkinitrd-suse";
    if (!added_.empty() || by_list) {
      const DriverLists lists =
          driver_lists({image_.facts.generator, texts, loads_by_alias()}, drivers());
      if (!lists.refusal.empty()) return lists.refusal;
      for (const auto& [name, text] : lists.files) texts[name] = text;
    }
    for (const auto& [name, text] : texts) put_text(name, text);
    return "";
  }

  bool loads_by_alias() const {
    constexpr std::string_view kLoaders[] = {"systemd-udevd", "udevd", "udevadm", "nlplug-findfs"};
    return std::any_of(image_.archive.entries.begin(), image_.archive.entries.end(),
                       [&](const inspect::InitrdEntry& entry) {
                         const std::string_view name = inspect::base_name(entry.name);
                         return std::find(std::begin(kLoaders), std::end(kLoaders), name) !=
                                std::end(kLoaders);
                       });
  }

  bool is_asked(const std::string& name) const {
    return std::find(request_.drivers.begin(), request_.drivers.end(), name) !=
           request_.drivers.end();
  }

  /// Those that come, and those that are there and may be in no list.
  std::vector<ListedDriver> drivers() const {
    std::vector<ListedDriver> all;
    for (const WantedModule& module : closure_.modules) {
      all.push_back(
          {module.name, image_name(plain_path(module.path)), module.needs, is_asked(module.name)});
    }
    for (const std::string& name : request_.drivers) {
      for (const std::string& path : image_.facts.modules) {
        if (module_name(path) == name) all.push_back({name, path, {}, true});
      }
    }
    return all;
  }

  void put_text(const std::string& name, const std::string& text) {
    const auto had = image_.archive.files.find(name);
    if (had != image_.archive.files.end() && had->second == text) return;
    const auto mode = image_.tree.mode(name);
    const bool is_file = mode && (*mode & 0170000) == 0100000;
    put(name, {name, is_file ? *mode : kFileMode, text});
  }

  // The archive.

  void put(const std::string& name, CpioFile file) { files_[name] = std::move(file); }

  std::string index_modules() {
    if (added_.empty() || is_flat()) return "";
    IndexedModules modules{request_.kernel, image_.modules, image_.index, added_,
                           guest_text("modules.order")};
    const ModuleIndex index = make_module_index(modules, folder_.path());
    for (const auto& [name, content] : index.files) {
      const std::string full = modules_folder() + "/" + name;
      put(full, {full, kFileMode, content});
    }
    return index.refusal;
  }

  /// Only folders that are not there: an entry would replace a link of the same name.
  std::string add_folders() {
    std::set<std::string> names;
    for (const auto& [name, file] : files_) {
      for (std::string folder = parent_of(name); !folder.empty(); folder = parent_of(folder)) {
        if (!image_.tree.is_folder(folder)) names.insert(folder);
      }
    }
    for (const std::string& name : names) {
      if (image_.tree.mode(name)) return clean_text(name) + " in it is no folder";
      put(name, {name, kFolderMode, ""});
    }
    return "";
  }

  std::string pack() {
    if (files_.empty()) return "";
    const std::string refusal = add_folders();
    if (!refusal.empty()) return refusal;
    std::vector<CpioFile> entries;
    for (auto& [name, file] : files_) {
      supplement_.entries.push_back(name);
      entries.push_back(std::move(file));
    }
    supplement_.archive_digest = archive_digest(entries);
    supplement_.kept_bytes = place_.kept_bytes;
    supplement_.bytes = stored_supplement(place_, write_cpio(entries), tail());
    return "";
  }

  std::string tail() {
    if (place_.tail_bytes == 0) return "";
    return read_at_(place_.tail_offset, static_cast<std::size_t>(place_.tail_bytes));
  }

  /// The image as it would be.
  std::string read_new(std::uint64_t offset, std::size_t length) {
    if (offset < supplement_.kept_bytes) {
      return read_at_(offset, static_cast<std::size_t>(std::min<std::uint64_t>(
                                  length, supplement_.kept_bytes - offset)));
    }
    const std::uint64_t at = offset - supplement_.kept_bytes;
    return at >= supplement_.bytes.size()
               ? ""
               : supplement_.bytes.substr(static_cast<std::size_t>(at), length);
  }

  std::string try_it() {
    if (!supplement_.needed()) return "";
    const std::string wrong = check_supplemented(
        supplement_.kept_bytes + supplement_.bytes.size(),
        [this](std::uint64_t offset, std::size_t length) { return read_new(offset, length); },
        supplement_);
    return wrong.empty() ? "" : "with the drivers added " + wrong;
  }

  // Debian's checksum.

  std::string digest_of(DigestKind kind, const ReadAt& read_at) {
    Digest digest(kind);
    std::uint64_t offset = 0;
    for (std::string piece = read_at(0, kReadBytes); !piece.empty();
         piece = read_at(offset, kReadBytes)) {
      digest.add(piece);
      offset += piece.size();
    }
    return digest.hex();
  }

  /// One that was not the image's before is left alone: somebody else made the image.
  void follow_checksum() {
    const std::string path = "/var/lib/initramfs-tools/" + request_.kernel;
    const auto text = inspect::read_whole(guest_, path, inspect::kSmallFileBytes);
    const auto line = text ? parse_checksum_line(*text) : std::nullopt;
    if (!line || digest_of(line->kind, read_at_) != line->hex) return;
    const auto read_new_image = [this](std::uint64_t offset, std::size_t length) {
      return read_new(offset, length);
    };
    supplement_.checksum = {path, digest_of(line->kind, read_new_image) + line->rest};
  }

  Guest& guest_;
  const SupplementRequest& request_;
  const WorkFolder folder_;
  Supplement supplement_;
  ReadAt read_at_;
  InitrdImage image_;
  SupplementPlace place_;
  std::set<std::string> present_;
  ModuleClosure closure_;
  std::map<std::string, std::string> added_;  // below the modules' folder -> content
  std::map<std::string, CpioFile> files_;     // of the archive, by name
};

void expect_room(Guest& guest, const Supplement& supplement) {
  const std::string folder = "/" + parent_of(supplement.image.substr(1));
  const std::uint64_t room = guest.space(folder).free_bytes;
  if (room >= supplement.growth()) return;
  throw Error(ENOSPC,
              "{} in the guest has {} KiB left, and its initrd needs {} KiB more for the drivers: "
              "make room in the guest",
              clean_text(folder), room >> 10, (supplement.growth() >> 10) + 1);
}

}  // namespace

Supplement make_supplement(Guest& guest, const SupplementRequest& request,
                           const std::string& work_folder) {
  return SupplementMaker(guest, request, work_folder).make();
}

void write_supplement(Guest& guest, const Supplement& supplement) {
  if (!supplement.needed()) return;
  if (guest.stat(supplement.image).bytes != supplement.image_bytes) {
    throw Error(EIO, "{} in the guest is not the image any more that was looked at",
                clean_text(supplement.image));
  }
  expect_room(guest, supplement);
  if (supplement.kept_bytes < supplement.image_bytes) {
    guest.truncate(supplement.image, supplement.kept_bytes);
  }
  guest.append(supplement.image, supplement.bytes);
  if (supplement.checksum) guest.write_file(supplement.checksum->path, supplement.checksum->text);
}

void verify_supplement(Guest& guest, const Supplement& supplement) {
  if (!supplement.needed()) return;
  const std::uint64_t bytes = guest.stat(supplement.image).bytes;
  const std::string wrong =
      bytes != supplement.kept_bytes + supplement.bytes.size()
          ? "it has another size than it should"
          : check_supplemented(bytes, reader_of(guest, supplement.image), supplement);
  if (!wrong.empty()) {
    throw Error(EIO, "{} in the guest after the drivers were added: {}",
                clean_text(supplement.image), wrong);
  }
}

}  // namespace v2vfs::convert
