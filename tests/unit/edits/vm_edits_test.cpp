// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <future>

#include "fs/disk_node.h"
#include "fs/overlay/io.h"
#include "fs/vm.h"
#include "tests/support/folder_guest.h"
#include "tests/unit/fs/temporary_folder.h"

// Edits of a VM with two disks, from being saved to being in both disks. The guest is a folder; its
// appliance is a stub that marks each disk, so that what becomes of a run's writes is seen.

namespace v2vfs::fs {
namespace {

using test::FolderGuest;

class FolderFiles : public inspect::SourceFiles {
 public:
  explicit FolderFiles(std::string folder) : folder_(std::move(folder)) {}
  inspect::SourceFile open(std::string_view name) const override {
    const std::string path = folder_ + "/" + std::string(name);
    auto fd = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!*fd) throw errno_error(name);
    return {fd, std::string(name), 0, std::filesystem::file_size(path)};
  }
  std::vector<std::string> names() const override { return {}; }

 private:
  std::string folder_;
};

class FolderMounted : public MountedGuest {
 public:
  FolderMounted(const std::string& folder, bool shut_down) : guest_(folder), shut_down_(shut_down) {
    guest_.mount({"/dev/sda1", "/", "", false});
  }
  inspect::Guest& guest() override { return guest_; }
  bool shut_down() const override { return shut_down_; }

 private:
  FolderGuest guest_;
  const bool shut_down_;
};

/// The system, but for the name that says that a run is in the disks.
class StubbornIo : public Io {
 public:
  std::atomic<bool> refuses = false;

  std::unique_ptr<IoFile> open(const std::string& path) override { return real_io().open(path); }
  std::unique_ptr<IoFile> create(const std::string& path) override {
    return real_io().create(path);
  }
  void rename(const std::string& from, const std::string& to) override {
    if (refuses && to.ends_with("/promoted")) throw Error(ENOSPC, "{}: the disk is full", to);
    real_io().rename(from, to);
  }
  void remove(const std::string& path) override { real_io().remove(path); }
  void sync_folder(const std::string& folder) override { real_io().sync_folder(folder); }
  void make_folder(const std::string& path) override { real_io().make_folder(path); }
  void remove_folder(const std::string& path) override { real_io().remove_folder(path); }
  std::string cache_life(const std::string& folder) override {
    return real_io().cache_life(folder);
  }
  void random(std::span<std::byte> out) override { real_io().random(out); }
};

/// An ext4 superblock that was not unmounted.
std::string in_use() {
  std::string bytes(4096, '\0');
  bytes[1024 + 0x38] = 0x53;
  bytes[1024 + 0x39] = static_cast<char>(0xEF);
  bytes[1024 + 0x60] = 4;
  return bytes;
}

class VmEdits : public ::testing::Test {
 protected:
  VmEdits() {
    std::filesystem::create_directory(source());
    for (const char* file : {"a.raw", "b.raw"}) {
      std::ofstream(source() + "/" + file) << std::string(1 << 20, file[0]);
    }
    for (const char* folder : {"/etc", "/usr"}) {
      std::filesystem::create_directories(guest_folder() + folder);
    }
    std::ofstream(guest_folder() + "/etc/fstab") << "/dev/sda1 / ext4 defaults 0 1\n";
    mount();
  }
  ~VmEdits() override { end(); }

  std::string source() const { return folder_.path() + "/source"; }
  std::string guest_folder() const { return folder_.path() + "/guest"; }

  void end() {
    if (vm_) vm_->stop();
    queue_.reset();
    vm_.reset();
  }
  /// The daemon's next life, whatever the last one was doing.
  void mount() {
    end();
    queue_.emplace(1);
    states_.emplace(folder_.path() + "/states", "/mnt", std::set<std::string>{"web"});
    context_ = {.mountpoint = "/mnt",
                .host = [] { return convert::HostChoice{}; },
                .io = &io_,
                .states = &*states_,
                .open_guest = [this](auto&&...) -> std::unique_ptr<MountedGuest> {
                  ++looks_;
                  return std::make_unique<FolderMounted>(guest_folder(), shut_down_);
                },
                .change_guest =
                    [this](const auto&, const auto&, const auto& disks, const auto& change,
                           const auto& stop) {
                      run(disks, change, stop);
                    },
                .slow_work = &*queue_};
    inspect::FoundMachine machine;
    machine.spec.id = machine.spec.name = machine.folder = "web";
    machine.spec.memory_bytes = 1 << 30;
    machine.descriptor_path = "/web.ovf";
    for (const char* file : {"a.raw", "b.raw"}) {
      inspect::DiskSpec& disk = machine.spec.disks.emplace_back();
      disk.file = file;
      disk.format = inspect::DiskFormat::raw;
    }
    machine.files = std::make_shared<FolderFiles>(source());
    vm_ = std::make_shared<Vm>(machine, VmOptions{}, context_);
    vm_->load();
  }
  /// What the appliance does: it marks both disks, then works.
  void run(const std::vector<std::shared_ptr<StagedDisk>>& disks, const ChangeStaged& change,
           const std::stop_token& stop) {
    ++runs_;
    for (const auto& disk : disks) mark(*disk, static_cast<char>('0' + runs_));
    const std::byte byte{0x5a};
    if (spoils_cold_zone_) disks[1]->write(100, std::span(&byte, 1));
    if (in_run_) in_run_(stop);
    FolderGuest guest(guest_folder());
    if (!shut_down_) guest.says.device_bytes["/dev/sda1"] = in_use();
    change(guest, {});
    for (const auto& disk : disks) {  // what is in the guest is in its disks
      std::string number = in_guest("/etc/number");
      number.resize(kNumberBytes);
      disk->write(kNumberPlace, std::as_bytes(std::span(number)));
    }
  }
  template <typename AnyDisk>
  static void mark(AnyDisk& disk, char mark) {
    disk.write(kPlace, std::as_bytes(std::span(&mark, 1)));
  }

  template <typename Call>
  static auto wait_for(Call call) {
    for (;;) {
      try {
        return call();
      } catch (const NotYet& not_yet) {
        auto ended = std::make_shared<std::promise<std::optional<Error>>>();
        not_yet.event->when_ended([ended](const auto& failure) { ended->set_value(failure); });
        if (const auto failure = ended->get_future().get()) throw *failure;
      }
    }
  }
  void edit(const std::string& path, const std::string& text) {
    wait_for([&] {
      const Gate::Pass pass = vm_->guest_files().begin_edit(1);
      if (!vm_->guest_files().view().find(path)) {
        vm_->guest_files().edit([&](GuestView& view) { view.create(path, 0644); });
      }
      const auto file = vm_->guest_files().view().open_for_writing(path, true);
      file->write(0, text);
      vm_->guest_files().save(*file);
    });
  }
  std::unique_ptr<Handle> open(std::size_t disk, int flags) {
    return wait_for([&] { return DiskNode(1, context_, vm_, disk).open(flags, Caller(0, 7)); });
  }
  char read(Handle& handle) {
    char byte = 0;
    wait_for([&] { return handle.read(kPlace, std::as_writable_bytes(std::span(&byte, 1))); });
    return byte;
  }
  char mark_of(std::size_t disk) { return read(*open(disk, O_RDONLY)); }
  std::string in_guest(const std::string& path) const {
    std::ifstream file(guest_folder() + path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// A VM runs and writes.
  void run_vm() {
    const auto handle = open(0, O_RDWR);
    const char byte = 'v';
    handle->write(kPlace + 1, std::as_bytes(std::span(&byte, 1)), false, Caller(0, 7));
  }
  void control(const std::string& word) { vm_->control(word, Caller(0, 1)); }
  static int error_of(auto&& call) {
    try {
      call();
    } catch (const Error& e) {
      return e.error_number();
    }
    return 0;
  }
  std::string error_code() {
    const auto failure = vm_->status().failure;
    return failure ? failure->code : "";
  }
  using Paths = std::vector<std::string>;

  /// The last number that was applied, as a disk has it; past the gate.
  std::string number_in(std::size_t disk) {
    std::string number(kNumberBytes, '\0');
    vm_->disk(disk)->read(kNumberPlace, std::as_writable_bytes(std::span(number)));
    return number.c_str();
  }

  static constexpr std::uint64_t kPlace = 20 << 20;  // behind the cold zone, in the reserve
  static constexpr std::uint64_t kNumberPlace = 30 << 20, kNumberBytes = 16;
  TemporaryFolder folder_;
  std::optional<StateDir> states_;
  StubbornIo io_;
  MountContext context_;
  std::shared_ptr<Vm> vm_;
  std::atomic<int> runs_ = 0, looks_ = 0;
  std::atomic<bool> shut_down_ = true, spoils_cold_zone_ = false;
  std::function<void(const std::stop_token&)> in_run_;
  std::optional<WorkQueue> queue_;
};

TEST_F(VmEdits, are_in_all_disks_before_content_is_read) {
  edit("/etc/hostname", "new\n");
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/hostname"});
  auto handle = open(1, O_RDONLY);
  EXPECT_EQ(runs_, 0) << "opening for reading starts nothing";
  EXPECT_EQ(read(*handle), '1');
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(in_guest("/etc/hostname"), "new\n");
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
  EXPECT_EQ(vm_->status().applied_edits, Paths{"/etc/hostname"});
  EXPECT_EQ(runs_, 1);
  handle.reset();
  mount();
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(runs_, 1);
}

TEST_F(VmEdits, are_applied_for_a_writer_and_wait_beside_it) {
  edit("/etc/one", "1");
  const auto writer = open(0, O_RDWR);
  EXPECT_EQ(runs_, 1);
  EXPECT_EQ(error_of([&] { edit("/etc/two", "2"); }), EBUSY);
}

TEST_F(VmEdits, that_are_saved_under_a_reader_wait_for_it) {
  const auto reader = open(0, O_RDONLY);
  EXPECT_EQ(read(*reader), '\0');
  edit("/etc/one", "1");
  EXPECT_EQ(mark_of(1), '\0') << "nobody waits for work that a holder keeps from starting";
  EXPECT_EQ(vm_->status().waiting_for.size(), 1u);
  EXPECT_EQ(error_of([&] { control("apply"); }), EBUSY);
  EXPECT_EQ(runs_, 0);
}

TEST_F(VmEdits, survive_the_end_of_the_daemon_and_of_a_run) {
  edit("/etc/one", "1");
  mount();
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/one"});
  in_run_ = [](const auto&) { throw Error(ETIMEDOUT, "the appliance hangs"); };
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(error_code(), "edits-failed");
  EXPECT_EQ(error_of([&] { open(0, O_RDWR); }), EIO);
  in_run_ = nullptr;
  control("apply");
  EXPECT_EQ(mark_of(0), '2') << "and nothing of the first run";
  EXPECT_EQ(in_guest("/etc/one"), "1");
}

TEST_F(VmEdits, that_cannot_be_applied_are_named_and_thrown_away) {
  edit("/etc/one", "1");
  std::filesystem::remove_all(guest_folder() + "/etc");
  std::filesystem::create_directories(guest_folder() + "/etc");
  std::ofstream(guest_folder() + "/etc/fstab") << "";
  std::filesystem::create_directories(guest_folder() + "/etc/one/in/the/way");
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_NE(vm_->status().failure->what.find("/etc/one"), std::string::npos)
      << vm_->status().failure->what;
  EXPECT_EQ(error_of([&] { control("apply"); }), EIO);
  control("discard-edits");
  EXPECT_EQ(mark_of(0), '\0') << "nothing of either run";
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
}

TEST_F(VmEdits, wait_after_a_vm_that_was_not_shut_down) {
  run_vm();
  shut_down_ = false;
  EXPECT_EQ(error_of([&] { edit("/etc/one", "1"); }), EBUSY);
  EXPECT_EQ(looks_, 1);
  control("force");
  edit("/etc/one", "1");
  EXPECT_EQ(mark_of(0), '1');
  run_vm();
  shut_down_ = true;
  edit("/etc/two", "2");
  EXPECT_EQ(mark_of(1), '2');
}

TEST_F(VmEdits, that_waited_while_a_vm_ran_are_not_put_into_a_guest_that_was_left_running) {
  edit("/etc/one", "1");
  auto reader = open(1, O_RDONLY);
  EXPECT_EQ(read(*reader), '1');
  edit("/etc/two", "2");
  run_vm();
  shut_down_ = false;
  reader.reset();
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(runs_, 2) << "it was looked at";
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/two"});
  EXPECT_EQ(error_code(), "not-shut-down");
  EXPECT_EQ(error_of([&] { control("apply"); }), EBUSY);
  control("force");
  control("apply");
  EXPECT_EQ(mark_of(0), '3');
}

TEST_F(VmEdits, that_are_only_half_in_the_disks_are_nobodys_content) {
  edit("/etc/one", "1");
  io_.refuses = true;
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(error_code(), "disk-unusable");
  EXPECT_EQ(error_of([&] { control("apply"); }), EIO);
  EXPECT_EQ(error_of([&] { control("discard-edits"); }), EIO);
  EXPECT_EQ(error_of([&] { edit("/etc/two", "2"); }), EIO);
  mount();
  EXPECT_EQ(error_of([&] { mark_of(1); }), EIO);
  io_.refuses = false;
  control("apply");
  EXPECT_EQ(mark_of(0), '1');
  EXPECT_EQ(mark_of(1), '1');
  EXPECT_EQ(runs_, 1) << "it was brought in, not made again";
  EXPECT_EQ(vm_->status().pending_edits, Paths{});
  EXPECT_EQ(error_code(), "");
}

TEST_F(VmEdits, a_swap_file_that_came_and_went_starts_no_appliance) {
  edit("/etc/.fstab.swp", "swap");
  wait_for([&] {
    vm_->guest_files().edit([](GuestView& view) { view.remove_file("/etc/.fstab.swp"); });
  });
  EXPECT_EQ(mark_of(0), '\0');
  EXPECT_EQ(runs_, 0);
}

TEST_F(VmEdits, end_with_a_reset_and_wait_for_no_frozen_disk) {
  edit("/etc/one", "1");
  EXPECT_EQ(error_of([&] { control("freeze"); }), EBUSY);
  control("reset");
  EXPECT_EQ(mark_of(0), '\0');
  control("freeze");
  EXPECT_EQ(error_of([&] { edit("/etc/one", "1"); }), EROFS);
}

TEST_F(VmEdits, a_run_that_changes_the_cold_zone_is_not_kept) {
  edit("/etc/one", "1");
  spoils_cold_zone_ = true;
  EXPECT_EQ(error_of([&] { mark_of(0); }), EIO);
  EXPECT_EQ(vm_->status().pending_edits, Paths{"/etc/one"});
}

// kill -9 at random moments: a child saves numbers and has them applied, and says on a pipe what
// was acknowledged; then its state is looked at.

struct Acknowledged {
  int saved = 0, applied = 0;
};

Acknowledged read_acknowledged(int fd) {
  Acknowledged seen;
  for (int word = 0; ::read(fd, &word, sizeof word) == sizeof word;) {
    (word > 0 ? seen.saved : seen.applied) = std::abs(word);
  }
  return seen;
}

class VmEditsKilled : public VmEdits {
 protected:
  VmEditsKilled() { std::ofstream(guest_folder() + "/etc/number") << "0"; }
  [[noreturn]] void live(int fd, int number) {
    const auto say = [&](int word) { (void)!::write(fd, &word, sizeof word); };
    mount();
    for (;; ++number) {
      edit("/etc/number", std::to_string(number));
      say(number);
      mark_of(static_cast<std::size_t>(number % 2));
      say(-number);
    }
  }
  /// Kills a child that begins at `number` after so many microseconds.
  Acknowledged live_and_die(int number, useconds_t microseconds) {
    end();  // no thread of ours is forked
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("pipe");
    const pid_t child = ::fork();
    if (child == 0) live(ends[1], number);
    ::close(ends[1]);
    ::usleep(microseconds);
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const Acknowledged seen = read_acknowledged(ends[0]);
    ::close(ends[0]);
    return seen;
  }
  int pending_number() {
    const auto edit = vm_->guest_files().journal().find("/etc/number");
    return edit && edit->content ? std::stoi(vm_->guest_files().journal().content(*edit)) : 0;
  }
};

TEST_F(VmEditsKilled, at_any_moment_lose_nothing_and_are_in_both_disks_or_in_none) {
  constexpr int kKills = 50;
  int number = 1, applied = 0, in_the_middle = 0;
  for (int kill = 0; kill < kKills; ++kill) {
    const Acknowledged seen = live_and_die(number, 2000 + 997 * kill % 60'000);
    mount();
    ASSERT_EQ(number_in(0), number_in(1)) << "kill " << kill;
    const int there = std::atoi(number_in(0).c_str());
    const int pending = pending_number();
    ASSERT_GE(there, std::max(applied, seen.applied)) << "kill " << kill;
    ASSERT_GE(std::max(there, pending), seen.saved) << "kill " << kill;
    ASSERT_LE(std::max(there, pending), std::max(seen.saved, number - 1) + 1) << "kill " << kill;
    in_the_middle += pending > 0;
    applied = there;
    number = std::max(there, pending) + 1;
  }
  std::printf("[  KILLS   ] %d, %d numbers, %d with an edit that waited\n", kKills, number,
              in_the_middle);
  EXPECT_GT(number, kKills / 2);
}

}  // namespace
}  // namespace v2vfs::fs
