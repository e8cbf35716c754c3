// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fs/admission_rules.h"

namespace v2vfs::fs {

/// What changes a VM's base: both write to staging and change the base at their end only.
enum class Work { none, converter, applier };

enum class WorkOutcome {
  promoted,      // the base is what the work made of it
  unsupported,   // the guest cannot be converted: it is served as it is
  failed,        // nobody gets content until somebody decides
  edits_failed,  // the same of the converter, which could not bring the edits in
  not_clean,     // the guest was not shut down: nothing was changed
  nothing,       // there was nothing to do any more
  ended,         // by ourselves: nothing was changed, it may start again
};

enum class Conversion { none, wanted, done, unsupported, failed };

/// What a program may have remembered of a disk when it opened it.
struct Shape {
  std::uint64_t bytes = 0;
  std::uint64_t cold_changes = 0;  // how often the cold zone or the tail was written to
  auto operator<=>(const Shape&) const = default;
};

/// What somebody gets who asks. `wait`: ask again when the work that runs has ended or the look has
/// said something or ended; a request that is not asked again has left nothing behind.
struct Ruling {
  enum class Kind { proceed, wait, refuse };
  Kind kind = Kind::proceed;
  std::uint64_t handle = 0;  // of an open that proceeds
  Work start = Work::none;   // whoever asked starts this now; it counts as running already
  bool start_look = false;   // whoever asked starts the read-only appliance
  bool end_look = false;     // the read-only appliance is to be ended now
  int error_number = 0;      // of refuse
  std::string sentence;      // of refuse
};

/// Who touches the content of one VM's disks: who holds it, which work runs, who waits for it, who
/// is refused. No threads, no I/O, no clock: every call is a step of a state machine that a test
/// enumerates. The owner calls under a lock of its own, carries out what a ruling says, and wakes
/// those who wait at each finish(), look_says() and look_ended().
///
/// The principle: nobody waits for work that cannot start because of a holder that is there
/// already.
class Admission {
 public:
  using HandleId = std::uint64_t;
  enum class Look { none, running, to_be_ended };
  enum class Guest { untouched, unknown, clean, dirty };

  /// All that it knows beside the handles.
  struct Books {
    Work running = Work::none;
    Look look = Look::none;
    Conversion conversion = Conversion::none;
    Guest guest = Guest::untouched;
    bool forced = false;
    std::uint64_t pending_edits = 0;
    std::uint64_t taken_edits = 0;         // of those, by the run that goes on
    std::string failure;                   // why the conversion failed
    Conversion before = Conversion::none;  // the converter that runs was started
    std::string edit_failure;              // why edits could not be applied
    auto operator<=>(const Books&) const = default;
  };

  explicit Admission(Conversion conversion, AdmissionRules rules = {})
      : rules_(rules), at_first_(conversion) {
    books_.conversion = conversion;
  }
  /// What an earlier mount left, and what the user wants.
  struct Memory {
    std::uint64_t pending_edits = 0;
    bool written = false;  // to the disks, by a VM
    Conversion conversion = Conversion::none;
    std::string failure = {};   // of failed
    bool serve_failed = false;  // a guest whose conversion failed, as if there were none
  };
  void remember(Memory memory);

  // Disks. A handle that was admitted is closed once, also if its open reply did not arrive.
  /// Always proceeds: nothing is touched yet.
  Ruling open_reader(pid_t pid, Shape shape);
  /// May wait. Refuses: EIO, EBUSY.
  Ruling open_writer(pid_t pid, Shape shape);
  /// A handle's first access to content. May wait. Refuses: EIO, EBUSY, ESTALE. `now`: the disk's
  /// shape at this moment.
  Ruling first_access(HandleId handle, Shape now);
  /// A write without a handle (truncate(2) by path). Never waits: EBUSY instead.
  Ruling write_without_handle();
  /// Before the first write of a handle that was opened for writing.
  void wrote(HandleId handle);
  void close(HandleId handle);

  // Guest files.
  /// A guest file is opened for writing. May wait, for work or a look. Refuses: EBUSY.
  Ruling open_edit(pid_t pid);
  /// What was written through a handle is durable. It may be written to again, and is closed like
  /// the others.
  void edit_saved();
  /// Throws pending edits away. Refuses: EBUSY while they are applied.
  Ruling discard_edits();

  // The read-only appliance: one, from begin_look() to look_ended().
  /// May wait for work that runs. Refuses: EBUSY beside a writer.
  Ruling begin_look();
  /// What it found out first: was the guest shut down?
  void look_says(bool clean);
  void look_ended();

  // Work.
  /// Somebody asks for it by name (ctl). `wait`: until it is over. Refuses: EBUSY.
  Ruling demand_conversion();
  Ruling demand_edits();
  /// True if the read-only appliance is to be ended now.
  bool finish(WorkOutcome outcome, std::string why = "");
  /// The guest counts as shut down until the next run has ended.
  void force() { books_.forced = true; }
  /// Refuses: EBUSY while that is too early or too late.
  Ruling serve_unconverted();
  /// Everything that was written is thrown away. Refuses: EBUSY while work runs.
  Ruling start_over();

  const Books& books() const { return books_; }
  bool has_writer() const { return count(Kind::writer) > 0; }
  std::size_t handles() const { return handles_.size(); }
  /// The guest is to be converted before anybody has content.
  bool expects_conversion() const;
  /// Whoever has had no content yet may get another one than the disks have now.
  bool content_may_change() const;
  /// Those who keep work that is wanted from starting.
  std::vector<pid_t> waiting_for() const;

 private:
  enum class Kind { reader, writer, edit };
  struct Held {
    Kind kind = Kind::reader;
    pid_t pid = 0;
    Shape shape;
    bool bound = false;  // it has had content
    bool wrote = false;
  };

  std::size_t count(Kind kind) const;
  std::size_t bound_readers() const;
  Work wanted_work() const;
  bool can_start() const;
  bool is_shut_down() const { return books_.guest != Guest::dirty || books_.forced; }
  Ruling start(Work work);
  Ruling content_ruling();
  Ruling beside_holders(const char* what) const;
  Ruling demand(Work work);
  HandleId add(Held held);
  bool order_end_of_look();
  bool is_refused_after_failure() const;
  std::string holders_text() const;

  std::map<HandleId, Held> handles_;
  Books books_;
  AdmissionRules rules_;
  Conversion at_first_;
  bool serve_failed_ = false;
};

}  // namespace v2vfs::fs
