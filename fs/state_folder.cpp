// SPDX-License-Identifier: MIT
#include "fs/state_folder.h"

#include <mutex>
#include <utility>

#include "fs/durable_file.h"

namespace v2vfs::fs {

struct StateFolder::Shared {
  const std::string path;
  std::mutex mutex;
  bool is_there;     // guarded by mutex
  std::string text;  // guarded by mutex: of state.json
};

StateFolder::StateFolder(std::string path) : StateFolder(std::move(path), true, "") {}

StateFolder::StateFolder(std::string path, bool is_there, std::string record_text)
    : shared_(new Shared{std::move(path), {}, is_there, std::move(record_text)}) {}

const std::string& StateFolder::path() const { return shared_->path; }

bool StateFolder::is_there() const {
  const std::lock_guard lock(shared_->mutex);
  return shared_->is_there;
}

const std::string& StateFolder::to_write_in() const {
  const std::lock_guard lock(shared_->mutex);
  if (!shared_->is_there) {
    make_private_folder(shared_->path);
    write_durably(shared_->path, kStateRecordFile, shared_->text);
    shared_->is_there = true;
  }
  return shared_->path;
}

void StateFolder::set_record_text(std::string text) const {
  const std::lock_guard lock(shared_->mutex);
  if (shared_->is_there) write_durably(shared_->path, kStateRecordFile, text);
  shared_->text = std::move(text);
}

namespace {

class StateIo : public Io {
 public:
  StateIo(Io& io, StateFolder folder) : io_(io), folder_(std::move(folder)) {}

  std::unique_ptr<IoFile> open(const std::string& path) override {
    return folder_.is_there() ? io_.open(path) : nullptr;
  }
  std::unique_ptr<IoFile> create(const std::string& path) override {
    folder_.to_write_in();
    return io_.create(path);
  }
  void make_folder(const std::string& path) override {
    folder_.to_write_in();
    io_.make_folder(path);
  }
  void rename(const std::string& from, const std::string& to) override { io_.rename(from, to); }
  void remove(const std::string& path) override {
    if (folder_.is_there()) io_.remove(path);
  }
  void remove_folder(const std::string& path) override {
    if (folder_.is_there()) io_.remove_folder(path);
  }
  void sync_folder(const std::string& folder) override {
    if (folder_.is_there()) io_.sync_folder(folder);
  }
  std::string cache_life(const std::string& folder) override { return io_.cache_life(folder); }
  void random(std::span<std::byte> out) override { io_.random(out); }

 private:
  Io& io_;
  const StateFolder folder_;
};

}  // namespace

std::unique_ptr<Io> io_of_state(Io& io, StateFolder folder) {
  return std::make_unique<StateIo>(io, std::move(folder));
}

}  // namespace v2vfs::fs
