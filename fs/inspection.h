// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "fs/gate.h"
#include "fs/work_queue.h"

namespace v2vfs::fs {

/// inspection.json, inspection.xml, and conversion.json as planned, of one moment.
struct InspectionTexts {
  std::string json, xml, conversion;
  std::string capabilities;  // of the converted guest; empty: it cannot be converted
  bool shut_down = true;     // as its filesystems say
};

enum class InspectionFormat { json, xml, conversion, capabilities };

/// What is kept of an inspection between mounts.
struct KeptInspection {
  std::uint64_t changes = 0;  // Gate::changes() of what was read
  InspectionTexts texts;
};

/// What one VM is, as its texts: looked for once, kept in the state, looked for again when the
/// disks have changed since. Thread safe.
class Inspection {
 public:
  /// Reads the guest and returns when it is done, which may take minutes. Throws Error. When
  /// `stop` is requested it throws soon, whatever.
  using Inspect = std::function<InspectionTexts(const std::stop_token& stop)>;

  /// `gate` and `queue` outlive it; so does whatever `inspect` needs. `queue` may be null where
  /// nobody asks for a text.
  Inspection(std::string vm, Gate& gate, WorkQueue* queue, Inspect inspect);

  /// The VM's state is there: what is kept in `folder` is as good as new. `identity` names the
  /// source; of another one nothing is believed.
  void attach(const StateFolder& folder, const std::string& identity);
  /// For a reset, after Gate::change_everything(): what is kept is of another disk.
  void forget();

  /// The text as of now; beside a writer the last one. Throws NotYet while it is being found, and
  /// Error: EBUSY beside a writer if there is none, EIO if the guest could not be read (the next
  /// call tries again).
  std::string text(InspectionFormat format);
  /// The text as of now, if it is known.
  std::optional<std::string> current_text(InspectionFormat format) const;
  /// Of the last text; 0 if there is none.
  std::uint64_t bytes(InspectionFormat format) const;
  bool running() const;
  /// Why the last attempt failed; nullopt if none did since the last success.
  std::optional<Error> failure() const;

 private:
  std::optional<std::string> kept_text(InspectionFormat format) const;
  void start(std::shared_ptr<Gate::Look> look);
  void run(std::shared_ptr<Gate::Look> look, Event& done);
  void keep(const Gate::Look& look, InspectionTexts texts);

  const std::string vm_;
  Gate& gate_;
  WorkQueue* const queue_;
  const Inspect inspect_;

  std::mutex file_mutex_;               // of the kept file; before mutex_
  std::optional<StateFolder> folder_;   // guarded by file_mutex_
  std::string identity_;                // guarded by file_mutex_
  mutable std::mutex mutex_;            // before the gate's; held for nothing slow
  std::optional<KeptInspection> kept_;  // guarded by mutex_
  std::shared_ptr<Event> running_;      // guarded by mutex_; null: none
  std::optional<Error> failure_;        // guarded by mutex_
};

}  // namespace v2vfs::fs
