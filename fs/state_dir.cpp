// SPDX-License-Identifier: MIT
#include "fs/state_dir.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <thread>

#include "fs/durable_file.h"
#include "fs/mount_table.h"
#include "fs/options.h"
#include "fs/state_json.h"
#include "inspect/base/digest.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

namespace stdfs = std::filesystem;
using std::chrono::milliseconds;

constexpr const char* kRecordFile = "state.json";
constexpr const char* kLockFile = "lock";
constexpr auto kLongestWait = std::chrono::seconds(30);

bool try_lock(int fd) {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return ::fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

std::string holder_of(const std::string& folder) {
  try {
    return std::string(trim(read_small_file(folder, kLockFile).value_or("")));
  } catch (const Error&) {
    return "";
  }
}

/// Whether a daemon has the state; makes nothing.
bool is_held(const std::string& folder) {
  const UniqueFd lock(::open((folder + "/" + kLockFile).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  return lock && !try_lock(lock.get());
}

UniqueFd open_lock_file(const std::string& folder) {
  UniqueFd fd(
      ::open((folder + "/" + kLockFile).c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!fd) throw errno_error("cannot open the lock of " + folder);
  return fd;
}

void write_holder(int fd, const std::string& mountpoint) {
  if (::ftruncate(fd, 0) != 0 || ::pwrite(fd, mountpoint.data(), mountpoint.size(), 0) < 0) {
    throw errno_error("cannot write the lock");
  }
}

void check_private(const std::string& root) {
  struct stat st {};
  if (::lstat(root.c_str(), &st) != 0) {
    throw StartError(exit_state, errno_error(root).sentence());
  }
  if (!S_ISDIR(st.st_mode) || st.st_uid != ::geteuid() || (st.st_mode & 022)) {
    throw StartError(exit_state, fmt::format("{} must be a folder that only you can write to "
                                             "(chmod 700); or give another -o state=DIR",
                                             root));
  }
}

void make_root(const std::string& root) {
  std::error_code error;
  stdfs::create_directories(stdfs::path(root).parent_path(), error);
  if (::mkdir(root.c_str(), 0700) != 0 && errno != EEXIST) {
    throw StartError(exit_state, errno_error("cannot make the state folder " + root).sentence());
  }
  check_private(root);
}

/// Throws Error: states that were not seen would be made anew, without what was written.
std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (stdfs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    names.push_back(entry->path().filename());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    throw errno_error(error.value(), "cannot list " + folder);
  }
  return names;
}

std::vector<std::string> folders_in(const std::string& root) try {
  std::vector<std::string> folders;
  for (const std::string& name : names_in(root)) {
    std::error_code error;
    if (stdfs::is_directory(stdfs::symlink_status(root + "/" + name, error))) {
      folders.push_back(name);
    }
  }
  return folders;
} catch (const Error& e) {
  throw StartError(exit_state, e.sentence());
}

std::optional<StateRecord> parse_record(const std::string& folder) {
  const auto text = read_small_file(folder, kRecordFile);
  if (!text) return std::nullopt;
  return state_from_json(*text, folder + "/" + kRecordFile);
}

std::optional<StateRecord> read_record(const std::string& folder) {
  try {
    return parse_record(folder);
  } catch (const Error& e) {
    log::warning("{}; this state is left alone", e.sentence());
    return std::nullopt;
  }
}

/// As it will be read back: cleaned and cut, so that it can be compared.
StateRecord as_kept(const StateRecord& record) {
  return state_from_json(state_to_json(record), kRecordFile);
}

std::uint64_t bytes_on_disk(const std::string& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : stdfs::recursive_directory_iterator(folder, error)) {
    struct stat st {};
    if (::lstat(entry.path().c_str(), &st) == 0) bytes += st.st_blocks * 512ULL;
  }
  return bytes;
}

/// A folder that cannot be listed may hold a disk: only what is known to be empty is thrown away.
bool holds_something(const std::string& folder) {
  std::error_code error;
  for (stdfs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    const bool unfinished =
        name.ends_with(".new");  // as write_durably() leaves it when it is killed
    if (!unfinished && name != kRecordFile && name != kLockFile && name != kChangesFile)
      return true;
  }
  return error && error != std::errc::no_such_file_or_directory;
}

/// Takes the folder away with all in it; what is mounted in it first, for nothing below a mount is
/// touched.
void remove_private_folder(const std::string& folder) try {
  const std::string mounted = folder + "/mnt";
  if (is_our_mount(mounted) && !unmount_lazily(mounted)) {
    throw Error(EBUSY, mounted + " cannot be unmounted; try: umount -l " + mounted);
  }
  remove_folder(folder);
} catch (const Error& e) {
  log::warning("{}", e.sentence());
}

/// Left by a daemon that was killed: nobody has its lock. Where there is no lock yet, a daemon is
/// just starting.
void remove_if_left(const std::string& folder) {
  const UniqueFd lock(::open((folder + "/" + kLockFile).c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC));
  if (lock && try_lock(lock.get())) remove_private_folder(folder);
}

std::string describe_difference(const StateRecord& then, const StateRecord& now) {
  for (const StateRecord::File& file : now.files) {
    for (const StateRecord::File& old : then.files) {
      if (old.name == file.name && old.bytes != file.bytes) {
        return fmt::format("{} had {} bytes then, has {} now", file.name, old.bytes, file.bytes);
      }
    }
  }
  if (then.files.size() != now.files.size()) {
    return fmt::format("it had {} disk files then, has {} now", then.files.size(),
                       now.files.size());
  }
  return "the tables of a disk differ";
}

}  // namespace

VmState::VmState(std::string id, std::string folder, UniqueFd lock, StateRecord record)
    : id_(std::move(id)),
      folder_(std::move(folder)),
      lock_(std::move(lock)),
      record_(std::move(record)) {}

VmState::~VmState() {
  if (!lock_ || has_content()) return;
  try {  // nothing was kept: leave nothing behind
    remove_folder(folder_);
  } catch (const Error& e) {
    log::warning("{}", e.sentence());
  }
}

bool VmState::has_content() const { return holds_something(folder_); }

void VmState::start_over(const StateRecord& record) {
  for (const std::string& name : names_in(folder_)) {
    if (name != kLockFile) remove_folder(folder_ + "/" + name);
  }
  write_durably(folder_, kRecordFile, state_to_json(record));
  record_ = record;
  stale.clear();
}

StateDir::StateDir(std::string root, std::string mountpoint, std::set<std::string> machines)
    : root_(std::move(root)), mountpoint_(std::move(mountpoint)), machines_(std::move(machines)) {
  make_root(root_);
  for (const std::string& id : folders_in(root_)) {
    if (auto record = read_record(root_ + "/" + id)) known_[id] = *record;
  }
}

std::optional<std::string> StateDir::find(const StateRecord& record) const {
  auto first = [&](auto&& matches) -> std::optional<std::string> {
    for (const auto& [id, known] : known_) {
      if (!opened_.contains(id) && matches(known)) return id;
    }
    return std::nullopt;
  };
  if (auto id = first([&](const StateRecord& known) {
        return known.identity == record.identity && known.machine == record.machine;
      })) {
    return id;
  }
  if (auto id = first([&](const StateRecord& known) {
        return known.identity == record.identity && !machines_.contains(known.machine);
      })) {
    return id;
  }
  return first([&](const StateRecord& known) {
    return known.source == record.source && known.machine_id == record.machine_id;
  });
}

std::string StateDir::new_id(const StateRecord& record) const {
  const std::string base = clean_text(record.machine, 100) + "-" + record.identity.substr(0, 16);
  std::string id = base;
  for (unsigned n = 2; known_.contains(id); ++n) id = fmt::format("{}-{}", base, n);
  return id;
}

std::string StateDir::choose_id(const StateRecord& record) {
  const std::lock_guard lock(mutex_);
  const std::string id = find(record).value_or(new_id(record));
  known_[id] = record;
  opened_.insert(id);
  return id;
}

/// A daemon whose mount is gone is on its way out: it is flushing. One that is mounted stays.
UniqueFd StateDir::lock_folder(const std::string& folder) {
  UniqueFd fd = open_lock_file(folder);
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  const struct Waiting {
    explicit Waiting(std::atomic<int>& count) : count_(count) { ++count_; }
    ~Waiting() { --count_; }
    std::atomic<int>& count_;
  } waiting(waiting_);
  while (!try_lock(fd.get())) {
    const std::string holder = holder_of(folder);
    if (is_our_mount(holder) || std::chrono::steady_clock::now() > deadline) {
      throw StartError(
          exit_state, fmt::format("the state {} is in use by the v2vfs mounted at {}; unmount that "
                                  "first, or give -o ephemeral or another -o state=DIR",
                                  folder, clean_text(holder, 4096)));
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
  struct stat st {};
  if (::fstat(fd.get(), &st) != 0 || st.st_nlink == 0) {  // its last owner left nothing behind
    make_private_folder(folder);
    return lock_folder(folder);
  }
  write_holder(fd.get(), mountpoint_);
  return fd;
}

VmState StateDir::open(const StateRecord& asked) {
  const StateRecord record = as_kept(asked);
  const std::string id = choose_id(record);
  const std::string folder = root_ + "/" + id;
  make_private_folder(folder);
  UniqueFd lock = lock_folder(folder);  // first: until then its last owner may still take it away
  VmState state(id, folder, std::move(lock), parse_record(folder).value_or(StateRecord{}));
  if (state.record().identity != record.identity) {
    if (state.has_content()) {
      state.stale = "the source is not what it was when " + folder +
                    " was made: " + describe_difference(state.record(), record);
    } else {
      state.start_over(record);
    }
  }
  return state;
}

PrivateFolder::PrivateFolder(const std::string& root, const std::string& prefix) {
  make_root(root);
  remove_left(root, prefix);
  std::string pattern = root + "/" + prefix + "XXXXXX";
  if (!::mkdtemp(pattern.data())) throw StartError(exit_state, errno_error(pattern).sentence());
  path_ = pattern;
  lock_ = open_lock_file(path_);
  try_lock(lock_.get());
}

void PrivateFolder::remove_left(const std::string& root, const std::string& prefix) {
  for (const std::string& name : folders_in(root)) {
    if (name.starts_with(prefix)) remove_if_left(root + "/" + name);
  }
}

PrivateFolder::~PrivateFolder() { remove_private_folder(path_); }

std::vector<StateSummary> list_states(const std::string& root) {
  std::vector<StateSummary> all;
  for (const std::string& id : folders_in(root)) {
    const std::string folder = root + "/" + id;
    const std::optional<StateRecord> record = read_record(folder);
    if (!record) continue;
    all.push_back({id, *record, bytes_on_disk(folder), is_held(folder) ? holder_of(folder) : ""});
  }
  return all;
}

void remove_state(const std::string& root, const std::string& id) {
  const std::string folder = root + "/" + id;
  if (id.empty() || id.find('/') != std::string::npos || !read_record(folder)) {
    throw StartError(exit_usage, fmt::format("there is no state {} in {} (v2vfs --list-states)",
                                             clean_text(id), root));
  }
  const UniqueFd lock = open_lock_file(folder);
  if (!try_lock(lock.get())) {
    throw StartError(exit_state, fmt::format("the state {} is in use by the v2vfs mounted at {}",
                                             id, clean_text(holder_of(folder), 4096)));
  }
  remove_folder(folder);
}

}  // namespace v2vfs::fs
