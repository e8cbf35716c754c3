// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "inspect/base/error.h"

namespace v2vfs::fs {

/// Something that has not happened yet. It ends once: it happened, or it failed for everybody who
/// waits for it. Thread safe.
class Event {
 public:
  /// Gets why it failed, or nullopt. Called from whoever ends the event: it must not wait.
  using Wake = std::function<void(const std::optional<Error>& failure)>;
  /// From here and at once if it has ended.
  void when_ended(Wake wake);
  void happen() { end(std::nullopt); }
  void fail(Error reason) { end(std::move(reason)); }

  bool ended() const;
  std::optional<Error> failure() const;

 private:
  void end(std::optional<Error> failure);

  mutable std::mutex mutex_;
  bool ended_ = false;
  std::optional<Error> failure_;
  std::vector<Wake> wakes_;
};

/// Thrown by Node::open and Handle::read instead of waiting: nothing was done; the same call is to
/// be made again when `event` has happened. No Error: nothing went wrong.
struct NotYet {
  std::shared_ptr<Event> event;
};

}  // namespace v2vfs::fs
