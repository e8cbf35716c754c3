// SPDX-License-Identifier: MIT
#pragma once

namespace v2vfs::fs {

/// The rules of admission (ARCHITECTURE.md says why each is there). All are on; only the model
/// checker takes one out, to see that it notices.
struct AdmissionRules {
  /// Nobody waits for work that somebody who is there already keeps from starting.
  bool wait_only_for_what_can_start = true;
  /// Once a VM has a writer, its guest files are not opened for writing.
  bool no_edits_beside_a_writer = true;
  /// First accesses and writers wait while work runs that will change the base.
  bool wait_for_running_work = true;
  /// Work does not start under somebody who has read content.
  bool no_work_under_readers = true;
  /// The read-only appliance keeps neither the converter nor the applier out.
  bool reader_keeps_nothing_out = true;
  /// It is ended when a writer comes.
  bool end_reader_for_writer = true;
  /// It is ended when the base changes.
  bool end_reader_at_promotion = true;
  /// A handle whose file changed its size or its cold zone since it was opened is ESTALE.
  bool stale_if_reshaped = true;
  /// A run takes the edits that are there when it starts; what is saved meanwhile stays pending.
  bool take_edits_at_start = true;
  /// A guest that was not shut down is left alone until somebody forces it.
  bool need_clean_guest = true;
  /// After somebody wrote, nobody believes what was known about the guest.
  bool look_again_after_writer = true;
  /// A conversion that failed is not served as if there were none.
  bool refuse_after_failure = true;
};

}  // namespace v2vfs::fs
