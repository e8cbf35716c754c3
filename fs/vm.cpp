// SPDX-License-Identifier: MIT
#include "fs/vm.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "convert/guest/capabilities_json.h"
#include "convert/guest/conversion_json.h"
#include "fs/durable_file.h"
#include "fs/edit_applier.h"
#include "fs/guest_converter.h"
#include "fs/overlay/io.h"
#include "inspect/base/digest.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kDomainFile = "domain.xml";
constexpr const char* kWaysOn =
    "Put the source back as it was, or write reset to ctl, which drops what was written to the VM";

convert::ViewOptions view_options(const VmOptions& options) {
  // A tool that makes an initrd writes all of it three times over.
  constexpr std::uint64_t kRebuildReserve = 1 << 30;
  std::optional<std::uint64_t> reserve = options.reserve_bytes;
  if (!reserve && options.rebuild_initrds) reserve = kRebuildReserve;
  return {options.layout, reserve, options.verify == convert::VerifyChoice::grain};
}

/// How long stat(2) may take for a VM that is being loaded. It cannot be interrupted, so not for
/// ever; and a size that is not known yet must not be told as 0, for a copy that is empty.
constexpr auto kLongestStat = std::chrono::seconds(4);

/// A stable version-4-shaped uuid (RFC 4122) from what the machine is.
std::string uuid_from(const std::string& identity) {
  std::string hex = Digest().add_field("v2vfs domain uuid").add_field(identity).hex();
  hex[12] = '4';
  hex[16] = "89ab"[static_cast<unsigned>(hex[16]) % 4];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20, 12);
}

/// As the description names them, each once.
std::vector<std::string> disk_files(const inspect::MachineSpec& spec) {
  std::vector<std::string> files;
  const auto add = [&files](const std::string& name) {
    if (std::ranges::find(files, name) == files.end()) files.push_back(name);
  };
  for (const inspect::DiskSpec& disk : spec.disks) {
    if (disk.file) add(*disk.file);
    for (const std::string& parent : disk.parents) add(parent);
  }
  return files;
}

/// The state folder's name for a disk's overlay.
std::string overlay_folder(const std::string& state_folder, std::size_t index) {
  return state_folder + "/disk-" + std::to_string(index + 1);
}

}  // namespace

std::string Vm::disk_file_name(std::size_t index) {
  return index == 0 ? "disk.qcow2" : fmt::format("disk-{}.qcow2", index + 1);
}

Vm::Vm(inspect::FoundMachine machine, VmOptions options, const MountContext& context)
    : machine_(std::move(machine)),
      options_(std::move(options)),
      context_(context),
      integrity_(folder(), machine_.files, machine_.descriptor_path, disk_files(machine_.spec)),
      gate_(folder()),
      inspection_(folder(), gate_, context.slow_work,
                  [this](const std::stop_token& stop) { return inspect(stop); }),
      guest_files_(
          folder(), gate_, context.slow_work,
          [this](std::uint64_t changes, const std::stop_token& stop) {
            return context_.open_guest(folder(), options_.guest_choice, changes, planner(),
                                       all_disks(), stop);
          },
          {.guest_owner = options_.guest_owner,
           .uid = context.uid,
           .gid = context.gid,
           .read_only = context.read_only},
          [this] { prepare_to_edit(); }),
      outlook_(folder(), context.glances),
      work_(folder(), gate_, context.slow_work, guest_files_,
            [this](const auto& disks, const auto& change, const std::stop_token& stop) {
              context_.change_guest(folder(), options_.guest_choice, disks, change, stop);
            },
            outlook_,
            {.convert = options_.convert == Convert::automatic && context.change_guest,
             .serve_failed = options_.serve_failed}),
      snapshots_(
          machine_.spec,
          [this](const inspect::DiskSpec& disk) { return open_view(disk, std::nullopt); },
          context.io) {
  work_.add(Work::applier, apply_user_edits);
  work_.add(Work::converter, [this](inspect::Guest& guest, const WorkInput& input) {
    return convert_with_edits(guest, input, spec(), conversion_options());
  });
}

Vm::~Vm() = default;

std::string Vm::why_unusable() const {
  for (const inspect::Problem& problem : spec().problems) {
    if (problem.severity == inspect::Severity::error) return clean_text(problem.what, 1024);
  }
  return machine_.descriptor_path + " describes no machine";
}

void Vm::wait_loaded() {
  if (loaded_) return;
  if (context_.hurry) context_.hurry(*this);
  std::unique_lock lock(mutex_);
  if (loaded_signal_.wait_for(lock, kLongestStat, [this] { return loaded_.load(); })) return;
  throw Error(EAGAIN, "{} is still being read: its source is slow, or does not answer", folder());
}

void Vm::need_loaded() {
  if (loaded_) return;
  if (context_.hurry) context_.hurry(*this);
  throw NotYet{loaded_event_};
}

// Loading: open every disk's headers and tables, so that we know what the machine is; find the
// state that belongs to it; then lay disks as that state says they were laid.

Vm::View Vm::open_view(const inspect::DiskSpec& disk,
                       const std::optional<std::string>& layout_record) const {
  return convert::open_disk(*machine_.files, disk, view_options(options_), layout_record);
}

Vm::View Vm::open_view(std::size_t index, const std::optional<std::string>& layout_record) const {
  return open_view(spec().disks[index], layout_record);
}

std::vector<Vm::View> Vm::open_views(std::vector<Error>& failures) const {
  std::vector<View> views(disk_count());
  failures.assign(disk_count(), Error(0, std::string()));
  for (std::size_t i = 0; i < disk_count(); ++i) {
    try {
      views[i] = open_view(i, std::nullopt);
    } catch (const Error& e) {
      failures[i] = e;
      log::error("{}/{}: {}", folder(), disk_file_name(i), e.sentence());
    }
  }
  return views;
}

std::string Vm::identity_of(const std::vector<View>& views) const {
  Digest digest;
  digest.add_field(spec().id).add_field(spec().name).add_field(spec().uuid.value_or(""));
  for (const View& view : views) digest.add_field(view ? view->source_identity() : "unreadable");
  return digest.hex();
}

std::vector<std::string> Vm::guesses_of(const std::vector<View>& views) {
  std::vector<std::string> guesses;
  for (const View& view : views) {
    if (view) guesses.insert(guesses.end(), view->assumptions().begin(), view->assumptions().end());
  }
  return guesses;
}

/// What the description says, and what the disks' own files add to it.
inspect::MachineSpec Vm::whole_spec() const {
  const std::lock_guard lock(mutex_);
  inspect::MachineSpec whole = spec();
  whole.assumptions.insert(whole.assumptions.end(), guesses_.begin(), guesses_.end());
  for (std::size_t i = 0; i < std::min(disks_.size(), whole.disks.size()); ++i) {
    if (disks_[i]->virtual_bytes() > 0) whole.disks[i].capacity_bytes = disks_[i]->virtual_bytes();
  }
  return whole;
}

StateRecord Vm::state_record(const std::string& identity) const {
  StateRecord record{identity, folder(), spec().id, machine_.descriptor_path, {}};
  for (const std::string& file : disk_files(spec())) {
    record.files.push_back({file, 0});
    try {
      record.files.back().bytes = machine_.files->open(file).length();
    } catch (const Error&) {  // said when the disk itself was opened
    }
  }
  return record;
}

std::shared_ptr<Disk> Vm::open_disk(std::size_t index, View view, const VmState& state) const {
  const std::string overlay = overlay_folder(state.folder().path(), index);
  const std::string identity = view->source_identity();
  if (const auto kept = OverlayStore::identity(*state_io_, overlay)) {
    // Whatever the VM's state says: an overlay is over the disk that it was made over, or ESTALE.
    if (kept->source_identity != identity) {
      throw Error(ESTALE, fmt::format("{} is not the disk that it was when it was first written to",
                                      disk_file_name(index)) +
                              ". " + kWaysOn);
    }
    if (kept->layout_record != view->layout_record()) view = open_view(index, kept->layout_record);
  }
  auto identity_now = [this, index] { return open_view(index, std::nullopt)->source_identity(); };
  return std::make_shared<Disk>(disk_file_name(index), std::move(view), *state_io_, overlay,
                                identity_now);
}

std::vector<std::shared_ptr<Disk>> Vm::open_disks(std::vector<View> views,
                                                  const std::vector<Error>& failures,
                                                  const VmState& state) const {
  std::vector<std::shared_ptr<Disk>> disks;
  for (std::size_t i = 0; i < views.size(); ++i) {
    const std::string file = disk_file_name(i);
    try {
      if (!views[i]) throw failures[i];
      if (!state.stale.empty()) throw Error(ESTALE, state.stale + ". " + kWaysOn);
      disks.push_back(open_disk(i, std::move(views[i]), state));
    } catch (const Error& e) {
      log::error("{}/{}: {}", folder(), file, e.sentence());
      disks.push_back(std::make_shared<Disk>(file, e, overlay_folder(state.folder().path(), i)));
    }
  }
  return disks;
}

void Vm::load() {
  std::vector<Error> failures;
  std::vector<View> views = open_views(failures);
  const std::string identity = identity_of(views);
  const bool readable = std::ranges::all_of(views, &View::operator bool);
  std::vector<std::string> guesses = guesses_of(views);
  VmState state = context_.states->open(state_record(identity));
  state_io_ = io_of_state(*context_.io, state.folder());
  // While a disk cannot be read nobody knows whether the source changed, and "reset it" would be
  // the wrong advice. Each overlay still knows the disk that it is over (open_disk).
  if (!readable) state.stale.clear();
  auto disks = open_disks(std::move(views), failures, state);
  auto attributes = std::make_unique<AttributeStore>(state.folder());
  gate_.attach(state.folder());
  inspection_.attach(state.folder(), identity + inspection_key());
  guest_files_.attach(state.folder().path(), *state_io_);
  outlook_.attach(state.folder(), conversion_key(), disks);
  work_.attach(state.folder().path(), *state_io_, disks);

  const std::lock_guard lock(mutex_);
  identity_ = identity;
  guesses_ = std::move(guesses);
  state_.emplace(std::move(state));
  disks_ = std::move(disks);
  attributes_ = std::move(attributes);
  failure_.reset();
  say_loaded();
}

/// With the lock held: those who wait run on threads of their own.
void Vm::say_loaded() {
  loaded_ = true;
  loaded_signal_.notify_all();
  loaded_event_->happen();
}

void Vm::fail(const Error& reason) {
  const std::lock_guard lock(mutex_);
  failure_ = reason;
  disks_.clear();
  for (std::size_t i = 0; i < disk_count(); ++i) {
    disks_.push_back(std::make_shared<Disk>(disk_file_name(i), reason, ""));
  }
  say_loaded();
}

std::shared_ptr<Disk> Vm::disk(std::size_t index) {
  wait_loaded();
  const std::lock_guard lock(mutex_);
  return disks_.at(index);
}

std::vector<std::shared_ptr<Disk>> Vm::all_disks() const {
  const std::lock_guard lock(mutex_);
  return disks_;
}

AttributeStore* Vm::attributes() {
  wait_loaded();
  const std::lock_guard lock(mutex_);
  return attributes_.get();
}

// Texts.

std::vector<convert::DomainDisk> Vm::domain_disks() const {
  const std::string folder_path =
      options_.disk_dir.empty() ? context_.mountpoint : options_.disk_dir;
  std::vector<convert::DomainDisk> disks;
  for (std::size_t i = 0; i < disk_count(); ++i) {
    disks.push_back({folder_path + "/" + folder() + "/" + disk_file_name(i)});
  }
  return disks;
}

std::string Vm::domain_uuid() const {
  const std::lock_guard lock(mutex_);
  return uuid_from(identity_);
}

convert::DomainOptions Vm::domain_options() const {
  return {context_.host(), options_.network, options_.network_map, media_paths()};
}

convert::ConversionOptions Vm::conversion_options() const {
  convert::ConversionOptions options;
  options.nic_macs = convert::domain_macs(spec(), domain_uuid());
  options.keep_tools = options_.keep_tools;
  options.rebuild_initrds = options_.rebuild_initrds;
  options.firstboot_remove_tools = options_.remove_tools;
  options.firstboot_guest_agent = options_.guest_agent;
  return options;
}

/// Null: no conversion is to come.
PlanGuest Vm::planner() {
  if (!gate_.standing().expects_conversion) return nullptr;
  return [this](const inspect::GuestInspection& found) {
    return convert::plan_conversion(found, spec(), conversion_options());
  };
}

/// Media lie in the source itself: the mount has none of them.
std::vector<std::string> Vm::media_paths() const {
  std::vector<std::string> paths;
  for (const inspect::RemovableSpec& drive : spec().removables) {
    const auto path = drive.file && machine_.files ? machine_.files->path_of(*drive.file)
                                                   : std::optional<std::string>();
    paths.push_back(path.value_or(""));
  }
  return paths;
}

std::string Vm::compatible_domain_xml() {
  wait_loaded();
  return convert::compatible_domain(spec(), folder(), domain_uuid(), domain_disks(),
                                    domain_options())
      .xml;
}

std::optional<std::string> Vm::saved_domain_xml() {
  wait_loaded();
  const std::lock_guard lock(mutex_);
  return state_ ? read_small_file(state_->folder().path(), kDomainFile) : std::nullopt;
}

/// Empty: on what the machine had.
std::string Vm::domain_with(const std::string& capabilities) {
  if (capabilities.empty()) return compatible_domain_xml();
  return convert::converted_domain(spec(), convert::capabilities_from_json(capabilities), folder(),
                                   domain_uuid(), domain_disks(), domain_options())
      .xml;
}

/// Of the guest as whoever uses its disks next gets it. Once somebody has been told that it will be
/// a converted one, it is that or nothing.
std::string Vm::capabilities() {
  if (const auto known = known_capabilities()) return *known;
  if (!outlook_.may_hold_linux()) return "";
  try {
    return inspection_.text(InspectionFormat::capabilities);
  } catch (const Error&) {
    if (options_.serve_failed) return "";
    throw;
  }
}

/// The same without any work.
std::optional<std::string> Vm::known_capabilities() const {
  if (std::string now = work_.last().capabilities; !now.empty()) return now;
  const bool is_open = outlook_.record().decision == ConversionRecord::Decision::open;
  if (!is_open || !gate_.standing().expects_conversion) return "";
  if (!outlook_.may_hold_linux_as_known().value_or(true)) return "";
  return inspection_.current_text(InspectionFormat::capabilities);
}

std::string Vm::domain_xml() {
  if (auto saved = saved_domain_xml()) return *saved;
  wait_loaded();
  const std::string can = capabilities();
  if (!can.empty() && work_.last().capabilities.empty()) outlook_.promise();
  return domain_with(can);
}

std::uint64_t Vm::domain_xml_bytes() {
  if (auto saved = saved_domain_xml()) return saved->size();
  const std::optional<std::string> can = known_capabilities();
  return can ? domain_with(*can).size() : 0;
}

/// What decides whether a guest can be converted, beside the guest.
std::string Vm::conversion_key() const {
  return options_.guest_choice.fingerprint() + (options_.keep_tools ? " keep-tools" : "") +
         (options_.rebuild_initrds ? " rebuild" : "");
}

/// What decides what is found and planned, beside the disks.
std::string Vm::inspection_key() const {
  return conversion_key() + (options_.remove_tools ? " remove-tools" : "") +
         (options_.guest_agent ? " guest-agent" : "");
}

/// What the disks are like comes before what was tried, and that before what would be.
std::string Vm::conversion_json() {
  if (std::string done = work_.last().outcome; !done.empty()) return done;
  if (std::string tried = work_.fruitless_conversion(); !tried.empty()) return tried;
  return beside_edits(inspection_.text(InspectionFormat::conversion));
}

std::string Vm::beside_edits(const std::string& plan) const {
  std::vector<std::string> pending, applied;
  guest_files_.list_edits(pending, applied);
  return convert::plan_beside_edits(plan, pending);
}

std::uint64_t Vm::conversion_json_bytes() const {
  if (const std::string done = work_.last().outcome; !done.empty()) return done.size();
  if (const std::string tried = work_.fruitless_conversion(); !tried.empty()) return tried.size();
  if (guest_files_.has_edits()) {
    const auto now = inspection_.current_text(InspectionFormat::conversion);
    if (now) return beside_edits(*now).size();
  }
  return inspection_.bytes(InspectionFormat::conversion);
}

void Vm::save_domain_xml(const std::string& text) {
  if (!convert::is_domain_document(text)) {
    throw Error(EINVAL, fmt::format("{}/domain.xml: what was written is no well-formed XML with "
                                    "<domain> as its root, so the one before stays",
                                    folder()));
  }
  wait_loaded();
  const std::lock_guard lock(mutex_);
  if (!state_) throw Error(EIO, folder() + " has no state to keep domain.xml in");
  write_durably(state_->folder().to_write_in(), kDomainFile, text);
}

void Vm::remove_saved_domain_xml() {
  wait_loaded();
  const std::lock_guard lock(mutex_);
  if (state_) remove_durably(state_->folder().path(), kDomainFile);
}

}  // namespace v2vfs::fs
