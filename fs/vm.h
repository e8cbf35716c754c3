// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "convert/domain/domain_xml.h"
#include "convert/guest/conversion_plan.h"
#include "fs/conversion_outlook.h"
#include "fs/disk.h"
#include "fs/file_attributes.h"
#include "fs/gate.h"
#include "fs/guest_files.h"
#include "fs/inspection.h"
#include "fs/manifest_check.h"
#include "fs/node.h"
#include "fs/options.h"
#include "fs/snapshots.h"
#include "fs/state_dir.h"
#include "fs/vm_status.h"
#include "fs/vm_work.h"
#include "inspect/source/source.h"

namespace v2vfs::fs {

class Vm;

/// What all VMs of a mount share.
struct MountContext {
  std::string mountpoint;  // absolute
  bool read_only = false;
  uid_t uid = 0;
  gid_t gid = 0;
  timespec started{};
  std::function<convert::HostChoice()> host;
  Io* io = nullptr;
  StateDir* states = nullptr;
  /// Looks into a machine's disks; called on a thread of `slow_work`. As Inspection::Inspect.
  std::function<InspectionTexts(
      const std::string& vm, const inspect::MachineSpec& machine, const GuestChoice& choice,
      const convert::ConversionOptions& options, const std::vector<std::shared_ptr<Disk>>& disks,
      const std::stop_token& stop)>
      inspect = nullptr;
  /// The guest of a machine, to be read; as GuestFiles::Open. Null: there is no guest/.
  std::function<std::unique_ptr<MountedGuest>(const std::string& vm, const GuestChoice& choice,
                                              std::uint64_t changes, const PlanGuest& plan,
                                              const std::vector<std::shared_ptr<Disk>>& disks,
                                              const std::stop_token& stop)>
      open_guest = nullptr;
  /// A machine's disks to be written to; as VmWork::WithGuest. Null: nobody changes guests.
  std::function<void(const std::string& vm, const GuestChoice& choice,
                     const std::vector<std::shared_ptr<StagedDisk>>& disks,
                     const ChangeStaged& change, const std::stop_token& stop)>
      change_guest = nullptr;
  WorkQueue* slow_work = nullptr;
  /// For looking at a few sectors of disks, a moment where their source answers. Null: nobody does.
  WorkQueue* glances = nullptr;
  /// Somebody waits for a VM that is not loaded yet. Null: they are loaded in their order.
  std::function<void(const Vm& vm)> hurry = nullptr;
};

/// Of Vm::control().
inline constexpr const char* kControlWords =
    "convert, serve-unconverted, apply, discard-edits, force, reset, verify, freeze";

/// One machine of the source: its disks, its texts and its state. load() is called once, on a
/// loader thread; everything else is thread safe and waits for it where it must.
class Vm {
 public:
  Vm(inspect::FoundMachine machine, VmOptions options, const MountContext& context);
  ~Vm();

  const std::string& folder() const { return machine_.folder; }
  const inspect::MachineSpec& spec() const { return machine_.spec; }
  std::size_t disk_count() const { return machine_.spec.disks.size(); }
  /// "disk.qcow2", "disk-2.qcow2", ...
  static std::string disk_file_name(std::size_t index);

  /// What the source said against the machine, as one sentence.
  std::string why_unusable() const;

  /// Opens disks and state. Throws StartError(exit_state) if another daemon has the state.
  void load();
  /// Called instead of load() or after it threw: the VM is there, unusable, and says why.
  void fail(const Error& reason);
  bool loaded() const { return loaded_; }
  /// For OPEN: throws NotYet before it is. Everything else that needs a loaded VM waits some
  /// seconds and is EAGAIN then: the kernel lets nobody interrupt it.
  void need_loaded();
  /// True if there is enough of a machine for a domain and disks.
  bool described() const { return machine_.files && machine_.spec.memory_bytes > 0; }

  std::shared_ptr<Disk> disk(std::size_t index);
  /// Who may touch the disks' content.
  Gate& gate() { return gate_; }
  Inspection& inspection() { return inspection_; }
  const Snapshots& snapshots() const { return snapshots_; }
  bool has_guest_folder() const { return options_.guest && context_.open_guest; }
  /// Once it is loaded.
  GuestFiles& guest_files() { return guest_files_; }
  /// nullptr for a VM that has no state.
  AttributeStore* attributes();

  /// Of the guest as it is, or will be once somebody uses its disks; throws NotYet while that is
  /// being found out.
  std::string domain_xml();
  /// Of what is known without any work; 0 else.
  std::uint64_t domain_xml_bytes();
  /// What was done to the guest, or would be; throws NotYet while that is being found out.
  std::string conversion_json();
  std::uint64_t conversion_json_bytes() const;
  std::string compatible_domain_xml();
  /// Throws Error(EINVAL) if `text` is no well-formed domain.
  void save_domain_xml(const std::string& text);
  void remove_saved_domain_xml();

  VmStatus status();
  /// One word of ctl; returns when it is done. Throws Error.
  void control(const std::string& word, const Caller& caller);

  /// Called at a handle's first access to content.
  void note_data_access();
  /// No new opens for writing from now on; `holders` gets those that are there.
  void refuse_writers() { refuses_writers_ = true; }
  bool refuses_writers() const { return refuses_writers_; }
  /// Makes everything durable; what fails is logged.
  void flush();
  /// Ends work that goes on in the background.
  void stop();

 private:
  void wait_loaded();
  void say_loaded();
  using View = std::unique_ptr<convert::DiskView>;
  View open_view(const inspect::DiskSpec& disk,
                 const std::optional<std::string>& layout_record) const;
  View open_view(std::size_t index, const std::optional<std::string>& layout_record) const;
  std::vector<View> open_views(std::vector<Error>& failures) const;
  std::shared_ptr<Disk> open_disk(std::size_t index, View view, const VmState& state) const;
  std::vector<std::shared_ptr<Disk>> open_disks(std::vector<View> views,
                                                const std::vector<Error>& failures,
                                                const VmState& state) const;
  std::string identity_of(const std::vector<View>& views) const;
  static std::vector<std::string> guesses_of(const std::vector<View>& views);
  inspect::MachineSpec whole_spec() const;
  StateRecord state_record(const std::string& identity) const;
  std::vector<std::shared_ptr<Disk>> all_disks() const;
  std::vector<convert::DomainDisk> domain_disks() const;
  std::vector<std::string> media_paths() const;
  std::optional<std::string> saved_domain_xml();
  std::string state_word() const;
  void close_all_doors();
  VmState& state_to_reset();
  void reset();
  void forget_content();
  void freeze(const Caller& caller);
  void apply_edits(const Caller& caller);
  void convert(const Caller& caller);
  void convert_first(const Caller& caller);
  void serve_unconverted();
  void expect_converted() const;
  std::string capabilities();
  std::optional<std::string> known_capabilities() const;
  std::string domain_with(const std::string& capabilities);
  std::string beside_edits(const std::string& plan) const;
  void expect_source();
  std::string conversion_key() const;
  std::string inspection_key() const;
  convert::ConversionOptions conversion_options() const;
  PlanGuest planner();
  convert::DomainOptions domain_options() const;
  std::string domain_uuid() const;
  void discard_edits();
  void prepare_to_edit() const;
  void add_edits_to(VmStatus& status) const;
  void verify(const Caller& caller);
  convert::VerifyReport verify_disks();
  InspectionTexts inspect(const std::stop_token& stop) const;

  const inspect::FoundMachine machine_;
  const VmOptions options_;
  const MountContext& context_;

  mutable std::mutex mutex_;  // before the locks of disks, never across disk I/O
  std::condition_variable loaded_signal_;
  const std::shared_ptr<Event> loaded_event_ = std::make_shared<Event>();
  std::atomic<bool> loaded_ = false;
  std::atomic<bool> refuses_writers_ = false;
  std::unique_ptr<Io> state_io_;                // set by load(); outlives the disks
  std::vector<std::shared_ptr<Disk>> disks_;    // guarded by mutex_
  std::optional<VmState> state_;                // guarded by mutex_
  std::unique_ptr<AttributeStore> attributes_;  // set by load()
  std::optional<Error> failure_;                // guarded by mutex_
  std::string identity_;                        // guarded by mutex_
  std::vector<std::string> guesses_;            // guarded by mutex_: the disks' assumptions
  std::mutex control_mutex_;                    // one ctl word at a time
  ManifestCheck integrity_;
  Gate gate_;
  Inspection inspection_;
  GuestFiles guest_files_;
  ConversionOutlook outlook_;
  VmWork work_;
  Snapshots snapshots_;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> verifying_ = false;
  std::jthread verifier_;  // guarded by control_mutex_; last: joined first
};

}  // namespace v2vfs::fs
