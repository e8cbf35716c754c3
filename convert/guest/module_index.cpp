// SPDX-License-Identifier: MIT
#include "convert/guest/module_index.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>

#include "convert/guest/guest_module.h"
#include "convert/guest/sandboxed_command.h"
#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/kernel_drivers.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

namespace stdfs = std::filesystem;

using inspect::module_name;

constexpr std::size_t kNamesOfACall = 2000;  // of modprobe's arguments
constexpr std::size_t kMostModules = 20'000;
constexpr std::size_t kIndexFileBytes = 64 << 20;
constexpr std::string_view kGzip = ".gz";
constexpr std::string_view kStandIn = ".xz";  // as long as ".gz"

void write_file(const std::string& path, std::string_view content) {
  stdfs::create_directories(stdfs::path(path).parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  if (!out) throw errno_error(path);
}

std::string read_file(const std::string& path) {
  std::error_code missing;
  const auto bytes = stdfs::file_size(path, missing);
  if (missing) return "";
  if (bytes > kIndexFileBytes) throw Error(EFBIG, "{} is too large", path);
  std::ifstream in(path, std::ios::binary);
  std::string text(bytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

/// A tree as depmod and modprobe look for it, with the modules of one image as they lie in it.
class ModuleTree {
 public:
  ModuleTree(std::string root, const std::string& version)
      : root_(std::move(root)), version_(version), folder_(root_ + "/lib/modules/" + version) {
    stdfs::remove_all(root_);
    stdfs::create_directories(folder_);
    stdfs::create_directory(root_ + "/usr");
    stdfs::create_symlink("../lib", root_ + "/usr/lib");  // where some builds of kmod look
  }
  ~ModuleTree() {
    std::error_code ignored;
    stdfs::remove_all(root_, ignored);
  }
  ModuleTree(const ModuleTree&) = delete;
  ModuleTree& operator=(const ModuleTree&) = delete;

  void add_file(const std::string& path, const std::string& host) {
    const std::string to = folder_ + "/" + path;
    stdfs::create_directories(stdfs::path(to).parent_path());
    stdfs::remove(to);
    stdfs::create_hard_link(host, to);
  }

  /// Debian's kmod reads no .ko.gz: it gets the module itself, under a name that it does read.
  void add_module(const UnpackedFile& module) {
    if (module.path.ends_with(kGzip)) {
      const std::string path = stand_in(module.path);
      write_file(folder_ + "/" + path, decompressed_module(read_file(module.host)));
      stand_ins_[path] = module.path;
    } else {
      add_file(module.path, module.host);
    }
    note(module.path);
  }

  void add_plain(const std::string& path, std::string_view content) {
    write_file(folder_ + "/" + path, content);
    note(path);
  }

  void clear_index() {
    for (const auto& entry : stdfs::directory_iterator(folder_)) {
      const std::string name = entry.path().filename().string();
      const bool kept = name == "modules.order" || name.starts_with("modules.builtin");
      const bool made = name.starts_with("modules.builtin") && name.ends_with(".bin");
      if (name.starts_with("modules.") && (!kept || made)) stdfs::remove(entry.path());
    }
  }

  /// depmod takes what the order does not name as the file system has it: the rest is sorted here.
  void add_order(const std::string& order) {
    std::set<std::string> rest = paths_;
    for (const std::string_view line : inspect::lines_of(order)) rest.erase(std::string(line));
    std::string text = order;
    if (!text.empty() && !text.ends_with('\n')) text += '\n';
    for (const std::string& path : rest) text += path + '\n';
    stdfs::remove(folder_ + "/modules.order");
    write_file(folder_ + "/modules.order", text);
  }

  bool has(const std::string& path) const { return stdfs::exists(folder_ + "/" + path); }
  std::string file(const std::string& name) const { return read_file(folder_ + "/" + name); }
  const std::set<std::string>& names() const { return names_; }

  /// The sentence of what went wrong; empty: nothing.
  std::string index_all() const {
    const CommandResult result =
        run_sandboxed("depmod", {"-b", root_, "-C", "/dev/null", version_}, root_);
    if (result.status == 0) return "";
    return "its modules cannot be indexed: " + clean_text(result.errors);
  }

  /// The names of all modules that the index leads to, for every name that there is.
  std::set<std::string> resolved() const {
    std::set<std::string> found;
    for (auto it = names_.begin(); it != names_.end();) {
      std::vector<std::string> words = {"-d", root_, "-S", version_, "-C", "/dev/null",
                                        "-q", "-n",  "-D", "-a",     "--"};
      for (std::size_t i = 0; i < kNamesOfACall && it != names_.end(); ++i) words.push_back(*it++);
      take_lines(run_sandboxed("modprobe", words, root_).output, found);
    }
    return found;
  }

  /// An index file with the names that the image has.
  std::string named_as_in_image(std::string text) const {
    for (const auto& [path, real] : stand_ins_) {
      for (std::size_t at = text.find(path); at != std::string::npos;
           at = text.find(path, at + path.size())) {
        text.replace(at, path.size(), real);
      }
    }
    return text;
  }

 private:
  void note(const std::string& path) {
    names_.insert(module_name(path));
    paths_.insert(path.substr(0, path.rfind(".ko") + 3));
  }

  static std::string stand_in(std::string path) {
    path.resize(path.size() - kGzip.size());
    return path += kStandIn;
  }

  /// "insmod ROOT/lib/modules/V/kernel/x.ko" where that is a file.
  static void take_lines(std::string_view output, std::set<std::string>& found) {
    constexpr std::string_view kInsmod = "insmod ";
    for (const std::string_view line : inspect::lines_of(output)) {
      if (!line.starts_with(kInsmod)) continue;
      const std::string_view path = trim(line.substr(kInsmod.size()));
      if (stdfs::exists(stdfs::path(path))) found.insert(module_name(path));
    }
  }

  const std::string root_;
  const std::string version_;
  const std::string folder_;
  std::set<std::string> names_;
  std::set<std::string> paths_;                   // without the endings of compression
  std::map<std::string, std::string> stand_ins_;  // name in the tree -> in the image
};

/// Before kmod, modules.dep had absolute paths.
std::string prefix_of(const ModuleTree& tree, const std::string& version) {
  std::string prefix = "/lib/modules/" + version + "/";
  return tree.file("modules.dep").starts_with(prefix) ? prefix : "";
}

/// What an index in words leads to: module -> what it needs, of those that are there.
using Needs = std::map<std::string, std::set<std::string>>;

Needs text_index(const ModuleTree& tree) {
  Needs all;
  const std::string text = tree.file("modules.dep");
  for (const std::string_view line : inspect::lines_of(text)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string name = module_name(line.substr(0, colon));
    if (tree.names().count(name) == 0) continue;
    std::set<std::string>& needs = all[name];
    for (const std::string_view word : inspect::words_of(line.substr(colon + 1))) {
      if (tree.names().count(module_name(word)) > 0) needs.insert(module_name(word));
    }
  }
  return all;
}

/// A module that the new index does not know, or knows less of; empty: there is none.
std::string lost_module(const Needs& before, const Needs& after) {
  for (const auto& [name, needs] : before) {
    const auto found = after.find(name);
    if (found == after.end() ||
        !std::includes(found->second.begin(), found->second.end(), needs.begin(), needs.end())) {
      return name;
    }
  }
  return "";
}

/// "a: b c" -> "PREFIXa: PREFIXb PREFIXc".
std::string with_prefix(const std::string& text, const std::string& prefix) {
  std::string all;
  for (const std::string_view line : inspect::lines_of(text)) {
    const char* gap = "";
    for (const std::string_view word : inspect::words_of(line)) {
      all.append(gap).append(prefix).append(word);
      gap = " ";
    }
    all += '\n';
  }
  return all;
}

void fill(ModuleTree& tree, const IndexedModules& modules) {
  for (const UnpackedFile& module : modules.there) tree.add_module(module);
  for (const UnpackedFile& file : modules.index) tree.add_file(file.path, file.host);
}

std::string missing_one(const std::set<std::string>& wanted, const std::set<std::string>& there) {
  for (const std::string& name : wanted) {
    if (there.count(name) == 0) return name;
  }
  return "";
}

/// What is made for the image: what it has already of this kind, and what no image can do without.
std::map<std::string, std::string> index_files(const ModuleTree& tree,
                                               const std::set<std::string>& had) {
  std::map<std::string, std::string> files;
  for (const char* const name :
       {"modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.softdep",
        "modules.symbols", "modules.symbols.bin", "modules.devname"}) {
    const std::string_view kind(name);
    const bool always = kind.starts_with("modules.dep") || kind.starts_with("modules.alias") ||
                        kind == "modules.softdep";
    if ((always || had.count(name) > 0) && tree.has(name)) {
      files[name] = tree.named_as_in_image(tree.file(name));
    }
  }
  return files;
}

ModuleIndex index_in(ModuleTree& tree, const IndexedModules& modules) {
  ModuleIndex index;
  fill(tree, modules);
  std::set<std::string> had;
  for (const UnpackedFile& file : modules.index) had.insert(file.path);
  std::set<std::string> must = tree.resolved();
  const std::string prefix = prefix_of(tree, modules.version);
  const Needs before = text_index(tree);
  tree.clear_index();
  for (const auto& [path, content] : modules.added) {
    tree.add_plain(path, content);
    must.insert(module_name(path));
  }
  tree.add_order(had.count("modules.order") > 0 ? tree.file("modules.order") : modules.order);
  index.refusal = tree.index_all();
  if (!index.refusal.empty()) return index;
  std::string lost = missing_one(must, tree.resolved());
  if (lost.empty()) lost = lost_module(before, text_index(tree));
  if (!lost.empty()) {
    index.refusal = "with a new index the driver " + clean_text(lost) + " would not be found";
    return index;
  }
  index.files = index_files(tree, had);
  if (!prefix.empty()) {
    index.files["modules.dep"] = with_prefix(index.files["modules.dep"], prefix);
  }
  return index;
}

}  // namespace

ModuleIndex make_module_index(const IndexedModules& modules, const std::string& folder) {
  if (modules.there.size() > kMostModules) return {"it has more modules than are looked at", {}};
  try {
    ModuleTree tree(folder + "/tree", modules.version);
    return index_in(tree, modules);
  } catch (const stdfs::filesystem_error& error) {  // names of files and folders that clash
    throw errno_error(error.code().value(), "laying out the image's modules");
  }
}

}  // namespace v2vfs::convert
