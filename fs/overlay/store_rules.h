// SPDX-License-Identifier: MIT
#pragma once

namespace v2vfs::fs {

/// Every barrier, ordering and checksum that the store's promises rest on, by name. The daemon has
/// them all; the crash test takes out one at a time and fails unless it notices
/// (tests/unit/overlay/ teeth_test.cpp). A rule that no test misses is not in this list and not in
/// the code.
struct StoreRules {
  // R1, R2: writing
  bool bit_after_data = true;        // the block's bit follows its pwrite
  bool size_after_data = true;       // the file's size follows the pwrite that extends it
  bool whole_first_write = true;     // the first write to a block writes the whole block, merged
  bool cut_off_failed_write = true;  // a failed extending write leaves nothing past the size
  // The live map (storage finding A1)
  bool trust_live_of_this_boot = true;
  bool distrust_live_of_other_boot = true;
  bool live_named_when_complete = true;  // it gets its name once it holds everything
  // R3: the barrier
  bool sync_data = true;                 // fdatasync(data) at all
  bool sync_data_before_journal = true;  // ... and before the records
  bool collect_before_sync = true;       // no record for a write that began after the fdatasync
  bool size_record_last = true;
  bool sync_journal = true;
  // R4, R5: checkpoint and replay
  bool sync_map_pages = true;  // before the slot's header
  bool map_pages_before_header = true;
  bool sync_map_header = true;  // before the journal is used from its start again
  bool alternate_slots = true;
  bool first_write_renews_slot = true;  // nothing of an unfinished checkpoint stays in a slot
  bool checkpoint_at_open = true;       // records behind a torn one never come alive
  bool sync_slot_at_open = true;  // the slot that counts is durable before the other one is written
  bool sync_data_at_open = true;  // what the live map knows is durable before it is kept
  bool check_journal_checkpoint = true;
  bool check_journal_crc = true;
  bool mirror_journal = true;
  bool check_map_header_crc = true;
  bool mirror_map_header = true;
  bool check_map_page_crc = true;
  bool check_head_crc = true;
  // R6, R7: holes and sizes
  bool hole_in_map = true;  // a discarded block is a hole, never "absent"
  bool low_water_mark = true;
  bool cut_off_at_shrink = true;
  bool cut_off_at_open = true;  // what an unfinished extension or shrink left past the size
  // R8, R9: failures
  bool poison_on_failure = true;
  bool poison_in_live = true;
  bool preallocate = true;
  // Making a store
  bool sync_new_map = true;
  bool sync_folder_before_head = true;
  bool sync_head_before_name = true;
  bool sync_folder_at_open = true;  // the head's name, before anything is promised
  bool unmake_failed_store = true;
};

}  // namespace v2vfs::fs
