// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <string>

#include "fs/overlay/io.h"

namespace v2vfs::fs {

/// A VM's state folder, which is made when something is first kept in it. A handle: copies are the
/// same folder. Thread safe.
class StateFolder {
 public:
  /// One that is there already.
  StateFolder(std::string path);  // NOLINT(google-explicit-constructor)
  /// What is in it from the start: state.json.
  StateFolder(std::string path, bool is_there, std::string record_text);

  const std::string& path() const;
  bool is_there() const;
  /// The path, of a folder that is there, durably. Throws Error.
  const std::string& to_write_in() const;
  /// Another state.json: durable if the folder is there.
  void set_record_text(std::string text) const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
};

inline constexpr const char* kStateRecordFile = "state.json";

/// `io` for all that lies in `folder`: it makes the folder for the first file or folder in it, and
/// looks for nothing while there is none.
std::unique_ptr<Io> io_of_state(Io& io, StateFolder folder);

}  // namespace v2vfs::fs
