// SPDX-License-Identifier: MIT
#include "fs/state_dir.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>

#include "fs/durable_file.h"
#include "fs/options.h"
#include "fs/private_folder.h"
#include "fs/state_json.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

namespace stdfs = std::filesystem;

std::optional<StateRecord> parse_record(const std::string& folder) {
  const auto text = read_small_file(folder, kStateRecordFile);
  if (!text) return std::nullopt;
  return state_from_json(*text, folder + "/" + kStateRecordFile);
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
  return state_from_json(state_to_json(record), kStateRecordFile);
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
    if (!unfinished && name != kStateRecordFile && name != kChangesFile) return true;
  }
  return error && error != std::errc::no_such_file_or_directory;
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

VmState::VmState(std::string id, StateFolder folder, StateLocks::Lock lock, StateRecord record)
    : id_(std::move(id)),
      folder_(std::move(folder)),
      lock_(std::move(lock)),
      record_(std::move(record)) {}

VmState::~VmState() {
  if (!lock_.is_held() || !folder_.is_there() || has_content()) return;
  try {  // nothing was kept: leave nothing behind
    remove_folder(folder_.path());
  } catch (const Error& e) {
    log::warning("{}", e.sentence());
  }
}

bool VmState::has_content() const { return holds_something(folder_.path()); }

void VmState::start_over(const StateRecord& record) {
  for (const std::string& name : names_in(folder_.path())) {
    remove_folder(folder_.path() + "/" + name);
  }
  folder_.set_record_text(state_to_json(record));
  record_ = record;
  stale.clear();
}

StateDir::StateDir(std::string root, const std::string& mountpoint, std::set<std::string> machines)
    : root_(std::move(root)), machines_(std::move(machines)) {
  make_private_root(root_);
  locks_ = StateLocks::open(root_, mountpoint);
  for (const std::string& id : folders_in(root_)) {
    const auto record = read_record(root_ + "/" + id);
    if (!record) continue;
    ids_.insert(id);
    kept_[id] = *record;
  }
}

std::optional<std::string> StateDir::find(const StateRecord& record) const {
  auto first = [&](auto&& matches) -> std::optional<std::string> {
    for (const auto& [id, kept] : kept_) {
      if (matches(kept)) return id;
    }
    return std::nullopt;
  };
  if (auto id = first([&](const StateRecord& kept) {
        return kept.identity == record.identity && kept.machine == record.machine;
      })) {
    return id;
  }
  if (auto id = first([&](const StateRecord& kept) {
        return kept.identity == record.identity && !machines_.contains(kept.machine);
      })) {
    return id;
  }
  return first([&](const StateRecord& kept) {
    return kept.source == record.source && kept.machine_id == record.machine_id;
  });
}

std::string StateDir::new_id(const StateRecord& record) const {
  const std::string base = clean_text(record.machine, 100) + "-" + record.identity.substr(0, 16);
  std::string id = base;
  for (unsigned n = 2; ids_.contains(id); ++n) id = fmt::format("{}-{}", base, n);
  return id;
}

std::string StateDir::choose_id(const StateRecord& record) {
  const std::lock_guard lock(mutex_);
  const std::string id = find(record).value_or(new_id(record));
  kept_.erase(id);
  ids_.insert(id);
  return id;
}

VmState StateDir::open(const StateRecord& asked) {
  const StateRecord record = as_kept(asked);
  const std::string id = choose_id(record);
  StateLocks::Lock held = locks_->lock(id);  // first: until then its last owner may still change it
  const std::string folder = root_ + "/" + id;
  const std::optional<StateRecord> kept = parse_record(folder);
  const bool is_there = kept || holds_something(folder);
  VmState state(id, StateFolder(folder, is_there, state_to_json(record)), std::move(held),
                is_there ? kept.value_or(StateRecord{}) : record);
  if (state.record().identity == record.identity) return state;
  if (state.has_content()) {
    state.stale = "the source is not what it was when " + folder +
                  " was made: " + describe_difference(state.record(), record);
  } else {
    state.start_over(record);
  }
  return state;
}

std::vector<StateSummary> list_states(const std::string& root) {
  std::vector<StateSummary> all;
  for (const std::string& id : folders_in(root)) {
    const std::string folder = root + "/" + id;
    const std::optional<StateRecord> record = read_record(folder);
    if (!record) continue;
    all.push_back({id, *record, bytes_on_disk(folder), StateLocks::holder_in(root, id)});
  }
  return all;
}

void remove_state(const std::string& root, const std::string& id) {
  const std::string folder = root + "/" + id;
  if (id.empty() || id.find('/') != std::string::npos || !read_record(folder)) {
    throw StartError(exit_usage, fmt::format("there is no state {} in {} (v2vfs --list-states)",
                                             clean_text(id), root));
  }
  const auto locks = StateLocks::open(root, "");
  const auto lock = locks->try_lock(id);
  if (!lock) {
    throw StartError(exit_state, fmt::format("the state {} is in use by the v2vfs mounted at {}",
                                             id, clean_text(locks->holder_of(id), 4096)));
  }
  remove_folder(folder);
}

}  // namespace v2vfs::fs
