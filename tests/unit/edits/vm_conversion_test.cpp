// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "convert/guest/capabilities_json.h"
#include "convert/guest/conversion_json.h"
#include "tests/unit/edits/vm_fixture.h"
#include "tests/unit/facts/made_up_guest.h"

// convert=auto: who starts a conversion, who waits for it, and what everybody sees before, after,
// and where it comes to nothing. The guest is a made-up one; inspection, plan and its application
// are the real ones, on folders.

namespace v2vfs::fs {
namespace {

class MadeUpMounted : public MountedGuest {
 public:
  MadeUpMounted(FolderGuest& guest, std::shared_ptr<const PlannedFiles> planned)
      : guest_(guest), planned_(std::move(planned)) {
    guest_.unmount_all();
    guest_.mount({"/dev/sda1", "/", "", false});
  }
  inspect::Guest& guest() override { return guest_; }
  bool shut_down() const override { return true; }
  std::shared_ptr<const PlannedFiles> planned() const override { return planned_; }

 private:
  FolderGuest& guest_;
  const std::shared_ptr<const PlannedFiles> planned_;
};

class VmConversion : public VmFixture {
 protected:
  explicit VmConversion(const std::string& guest = "debian6") : made_(guest) { mount(); }

  inspect::InspectOptions inspect_options() const {
    inspect::InspectOptions options;
    options.osinfo_folder = made_.osinfo_folder();
    return options;
  }
  void adapt(MountContext& context) override {
    context.inspect = [this](const auto&, const auto& machine, const auto&, const auto& options,
                             const auto&, const auto&) {
      ++inspections_;
      const auto found = inspect::inspect_guest(made_.guest(), inspect_options());
      const auto plan = convert::plan_conversion(found, machine, options);
      convert::Capabilities can = plan.capabilities;
      if (promises_wrongly_) can.block_bus = convert::BlockBus::virtio_blk;
      const bool planned = plan.state == convert::PlanState::planned || promises_wrongly_;
      return InspectionTexts{"{}", "<xml/>", convert::conversion_json(plan),
                             planned ? convert::capabilities_to_json(can) : ""};
    };
    context.open_guest = [this](const auto&, const auto&, auto, const PlanGuest& plan, const auto&,
                                const auto&) {
      std::shared_ptr<const PlannedFiles> planned;
      if (plan) {
        const auto found = inspect::inspect_guest(made_.guest(), inspect_options());
        planned = std::make_shared<const PlannedFiles>(plan(found));
      }
      return std::make_unique<MadeUpMounted>(made_.guest(), planned);
    };
  }
  void run(const std::vector<std::shared_ptr<StagedDisk>>& disks, const ChangeStaged& change,
           const std::stop_token& stop) override {
    ++runs_;
    mark(*disks[0], static_cast<char>('0' + runs_));
    if (in_run_) in_run_(stop);
    made_.guest().unmount_all();
    change(made_.guest(), inspect_options());
    mark(*disks[1], static_cast<char>('0' + runs_));
  }
  std::string state() { return vm_->status().state; }
  std::string domain() {
    return wait_for([&] { return vm_->domain_xml(); });
  }
  std::string conversion() {
    return wait_for([&] { return vm_->conversion_json(); });
  }
  bool is_virtio() { return domain().find("bus=\"virtio\"") != std::string::npos; }
  char unconverted() { return '\0'; }
  std::string text_of(const std::string& path) {
    return wait_for([&] { return vm_->guest_files().view().read(path, 0, 1 << 20); });
  }
  std::string in_made(const std::string& path) {
    made_.guest().unmount_all();
    made_.guest().mount({"/dev/sda1", "/", "", false});
    return inspect::read_whole(made_.guest(), path, 1 << 20).value_or("");
  }

  test::MadeUpGuest made_;
  std::atomic<int> inspections_ = 0;
  bool promises_wrongly_ = false;
};

// SEMANTICS: "The first access to content converts the guest"
// SEMANTICS: "a read outside the first and last 8 MiB, or an open for writing"
TEST_F(VmConversion, is_started_by_the_first_content_and_by_nothing_before) {
  auto reader = open(0, O_RDONLY);
  std::byte header[512];
  reader->read(0, header);
  EXPECT_EQ(state(), "unconverted");
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(read(*reader), '1');
  EXPECT_EQ(mark_of(1), '1') << "all disks change together";
  EXPECT_EQ(state(), "converted");
  EXPECT_TRUE(is_virtio());
  EXPECT_NE(conversion().find("\"state\": \"converted\""), std::string::npos);
  reader.reset();
  mount();
  EXPECT_EQ(state(), "converted");
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_TRUE(is_virtio());
  EXPECT_EQ(runs_, 1) << "it is kept";
}

// SEMANTICS: "for a conversion an open of disk.qcow2 for writing"
TEST_F(VmConversion, is_waited_for_by_an_open_for_writing) {
  const auto writer = open(1, O_RDWR);
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(state(), "converted");
}

// SEMANTICS: "truncate(2) by path does not wait for anything: where it would have to, it is EBUSY"
TEST_F(VmConversion, is_not_waited_for_by_a_truncate_by_path) {
  AttrChange longer;
  longer.bytes = vm_->disk(0)->bytes() + 512;
  const auto truncate = [&] { DiskNode(1, context_, vm_, 0).change(longer); };
  EXPECT_EQ(error_of(truncate), EBUSY);
  EXPECT_EQ(runs_, 0);
  mark_of(0);
  EXPECT_EQ(error_of(truncate), 0);
  EXPECT_EQ(vm_->disk(0)->bytes(), *longer.bytes);
}

// SEMANTICS: "finds out by an appliance what the guest can run on"
// SEMANTICS: "of one that is to be converted, or was, on virtio"
TEST_F(VmConversion, is_in_domain_xml_before_it_has_happened) {
  EXPECT_EQ(vm_->domain_xml_bytes(), 0u) << "stat starts nothing";
  const std::string before = domain();
  EXPECT_EQ(vm_->domain_xml_bytes(), before.size());
  EXPECT_NE(before, vm_->compatible_domain_xml());
  EXPECT_EQ(runs_, 0);
  EXPECT_EQ(inspections_, 1);
  EXPECT_EQ(state(), "unconverted");
  mark_of(0);
  EXPECT_EQ(domain(), before);
}

// SEMANTICS: "`-o convert=off` leaves guests as they are"
TEST_F(VmConversion, with_convert_off_there_is_none) {
  options_.convert = Convert::off;
  mount();
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
  EXPECT_EQ(runs_ + inspections_, 0);
}

// SEMANTICS: "is served unchanged at once"
TEST_F(VmConversion, of_disks_without_linux_is_never_tried) {
  glances_are_there_ = true;
  mount();
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
  EXPECT_EQ(vm_->domain_xml_bytes(), vm_->compatible_domain_xml().size());
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(state(), "unsupported");
  EXPECT_NE(conversion().find("nothing that a Linux could lie in"), std::string::npos);
  EXPECT_EQ(runs_ + inspections_, 0);
  control("convert");  // whoever says so by name has the guest itself looked at
  EXPECT_EQ(mark_of(0), '1');
}

// SEMANTICS: "opening the disks for writing and reading their content are EIO"
// SEMANTICS: "`serve-unconverted` holds at later mounts"
TEST_F(VmConversion, that_failed_gives_no_content_until_somebody_decides) {
  in_run_ = [](const auto&) { throw Error(ETIMEDOUT, "the appliance hangs"); };
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(error_of([&] { open(1, O_RDWR); }), EIO);
  EXPECT_EQ(runs_, 1) << "it is not tried again by itself";
  EXPECT_EQ(state(), "failed");
  EXPECT_EQ(error_code(), "conversion-failed");
  control("serve-unconverted");
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
  in_run_ = nullptr;
  mount();
  EXPECT_EQ(mark_of(0), unconverted()) << "what was decided holds";
  control("convert");
  EXPECT_EQ(mark_of(1), '2') << "and nothing of the first run";
  EXPECT_EQ(state(), "converted");
  EXPECT_EQ(error_of([&] { control("serve-unconverted"); }), EBUSY);
}

// SEMANTICS: "With `-o on-failure=serve` the guest is served as it was"
TEST_F(VmConversion, that_failed_is_served_where_the_user_says_so) {
  options_.serve_failed = true;
  mount();
  in_run_ = [](const auto&) { throw Error(ENOSPC, "the disk is full"); };
  EXPECT_EQ(error_of([&] { mark_of(0); }), 0);
  EXPECT_EQ(state(), "failed");
  EXPECT_EQ(error_code(), "conversion-failed");
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
}

TEST_F(VmConversion, that_was_cut_off_by_the_end_of_the_mount_is_made_at_the_next) {
  in_run_ = [&](const std::stop_token& stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    throw Error(ECANCELED, "ended");
  };
  EXPECT_THROW(vm_->gate().open_writer(1, {}), NotYet);
  while (runs_ == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  end();
  in_run_ = nullptr;
  mount();
  EXPECT_EQ(state(), "unconverted");
  EXPECT_EQ(mark_of(1), '2');
}

// SEMANTICS: "edits that wait go in first, and a file that was edited is not touched"
TEST_F(VmConversion, brings_edits_in_with_it_and_leaves_their_files_alone) {
  const std::string mine = "/dev/sda1 / ext3 noatime 0 1\n";
  edit("/etc/fstab", mine);
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(in_made("/etc/fstab"), mine);
  EXPECT_EQ(in_made("/boot/grub/grub.cfg").find("/dev/sda1"), std::string::npos);
  EXPECT_EQ(conversion().find("\"/etc/fstab\""), std::string::npos);
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
}

// SEMANTICS: "Where a conversion is to come, files are shown as it will leave them"
TEST_F(VmConversion, is_what_guest_files_show_before_it_has_happened) {
  const std::string own = in_made("/etc/fstab");
  const std::string planned = text_of("/etc/fstab");
  EXPECT_NE(planned, own);
  EXPECT_EQ(planned.find("/dev/sda1"), std::string::npos);
  EXPECT_EQ(in_made("/etc/fstab"), own) << "nothing was changed";
  mark_of(0);
  EXPECT_EQ(in_made("/etc/fstab"), planned);
  EXPECT_EQ(text_of("/etc/fstab"), planned);
}

TEST_F(VmConversion, that_is_not_to_come_is_not_shown) {
  const std::string planned = text_of("/etc/fstab");
  control("serve-unconverted");
  EXPECT_EQ(text_of("/etc/fstab"), in_made("/etc/fstab"));
  options_.convert = Convert::off;
  control("reset");
  mount();
  EXPECT_EQ(text_of("/etc/fstab"), in_made("/etc/fstab"));
  EXPECT_NE(planned, in_made("/etc/fstab"));
}

TEST_F(VmConversion, waits_for_edits_that_cannot_be_brought_in) {
  edit("/etc/one", "1");
  made_.guest().unmount_all();
  made_.guest().mount({"/dev/sda1", "/", "", true});
  made_.guest().make_directory("/etc/one", 0755);
  made_.guest().make_directory("/etc/one/in-the-way", 0755);
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(error_code(), "edits-failed");
  EXPECT_EQ(state(), "unconverted");
  control("discard-edits");
  EXPECT_EQ(mark_of(0), '2');
  EXPECT_EQ(state(), "converted");
}

// SEMANTICS: "SEEK_DATA and SEEK_HOLE say that all is data"
TEST_F(VmConversion, says_all_data_until_it_is_known_where_data_lies) {
  const auto reader = open(0, O_RDONLY);
  const std::uint64_t size = vm_->disk(0)->bytes();
  EXPECT_EQ(reader->seek(0, SEEK_HOLE), size);
  EXPECT_EQ(reader->seek(kPlace, SEEK_DATA), kPlace);
  EXPECT_EQ(error_of([&] { reader->seek(size, SEEK_DATA); }), ENXIO);
  EXPECT_EQ(runs_, 0);
  read(*reader);
  EXPECT_LT(reader->seek(0, SEEK_HOLE), size);
}

// SEMANTICS: "`freeze` converts first"
TEST_F(VmConversion, comes_before_freezing_and_never_after_it) {
  control("freeze");
  EXPECT_EQ(state(), "converted");
  EXPECT_EQ(mark_of(0), '1');
}

// SEMANTICS: "or whose disks are frozen, is converted only by `convert`"
TEST_F(VmConversion, of_disks_that_are_frozen_already_is_never_tried) {
  options_.convert = Convert::off;
  mount();
  { const auto writer = open(0, O_RDWR); }  // there is something to freeze
  control("freeze");
  options_.convert = Convert::automatic;
  mount();
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(state(), "unconverted");
}

// SEMANTICS: "A guest that has run unconverted (with `convert=off`, in a mount before)"
TEST_F(VmConversion, is_left_to_the_user_once_a_vm_has_run_without) {
  options_.convert = Convert::off;
  mount();
  run_vm();
  options_.convert = Convert::automatic;
  mount();
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
  control("convert");
  EXPECT_EQ(state(), "converted");
}

// SEMANTICS: "A conversion is kept across mounts; `reset` drops it"
TEST_F(VmConversion, begins_anew_after_a_reset) {
  mark_of(0);
  control("reset");
  EXPECT_EQ(state(), "unconverted");
  mount();
  EXPECT_EQ(mark_of(0), '2');
  EXPECT_EQ(state(), "converted");
}

class VmOfAnUnknownKind : public VmConversion {
 protected:
  VmOfAnUnknownKind() : VmConversion("uki") {}
};

// SEMANTICS: "it is kept and not looked for again"
// SEMANTICS: "EOPNOTSUPP: the guest cannot be converted and is served as it is"
TEST_F(VmOfAnUnknownKind, is_served_unchanged_and_not_looked_at_twice) {
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(mark_of(1), unconverted());
  EXPECT_EQ(state(), "unsupported");
  const std::string said = conversion();
  EXPECT_NE(said.find("\"unsupported\""), std::string::npos) << said;
  EXPECT_EQ(runs_, 1);
  mount();
  EXPECT_EQ(state(), "unsupported");
  EXPECT_EQ(mark_of(0), unconverted());
  EXPECT_EQ(conversion(), said);
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(error_of([&] { control("convert"); }), EOPNOTSUPP);
}

/// Who defined the domain that was promised must not boot the guest that is there.
// SEMANTICS: "content is EIO until `serve-unconverted` is written, so that nobody"
TEST_F(VmOfAnUnknownKind, whose_domain_said_otherwise_gives_no_content) {
  promises_wrongly_ = true;
  EXPECT_NE(domain(), vm_->compatible_domain_xml());
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_NE(vm_->status().failure->what.find("define domain.xml anew"), std::string::npos);
  EXPECT_EQ(domain(), vm_->compatible_domain_xml());
  mount();
  EXPECT_EQ(error_of([&] { open(0, O_RDWR); }), EIO);
  control("serve-unconverted");
  EXPECT_EQ(mark_of(0), unconverted());
  mount();
  EXPECT_EQ(mark_of(0), unconverted());
}

// kill -9 at random moments of a conversion.

class VmConversionKilled : public VmConversion {
 protected:
  /// A child that wants content; gives the microseconds that it lived.
  void live_and_die(useconds_t microseconds) {
    end();  // no thread of ours is forked
    const pid_t child = ::fork();
    if (child == 0) {
      mount();
      mark_of(0);
      ::pause();
    }
    ::usleep(microseconds);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  char mark_past_the_gate(std::size_t disk) {
    char mark = 0;
    vm_->disk(disk)->read(kPlace, std::as_writable_bytes(std::span(&mark, 1)));
    return mark;
  }
};

// SEMANTICS: "All disks change together or none does, also if the daemon is killed"
TEST_F(VmConversionKilled, at_any_moment_has_happened_to_both_disks_or_to_none) {
  constexpr int kKills = 50;
  in_run_ = [](const auto&) { std::this_thread::sleep_for(std::chrono::milliseconds(2)); };
  const auto start = std::chrono::steady_clock::now();
  mark_of(0);
  const auto whole = std::chrono::steady_clock::now() - start;
  const auto longest = std::chrono::duration_cast<std::chrono::microseconds>(whole).count() * 5 / 4;
  int before = 0, after = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    end();
    std::filesystem::remove_all(folder_.path() + "/states");
    live_and_die(static_cast<useconds_t>(longest * kill / kKills));
    mount();
    const char there = mark_past_the_gate(0);
    ASSERT_EQ(mark_past_the_gate(1), there) << "kill " << kill;
    ASSERT_EQ(state(), there ? "converted" : "unconverted") << "kill " << kill;
    ASSERT_EQ(vm_->status().failure.has_value(), false);
    ++(there ? after : before);
    ASSERT_NE(mark_of(1), unconverted()) << "and it is made then";
  }
  std::printf("[  KILLS   ] %d, %d before, %d after\n", kKills, before, after);
  EXPECT_GT(before, 0);
}

}  // namespace
}  // namespace v2vfs::fs
