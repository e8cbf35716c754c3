// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

#include "fs/disk_node.h"
#include "fs/overlay/io.h"
#include "fs/private_folder.h"
#include "fs/vm.h"
#include "inspect/base/error.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

/// The files of a folder.
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

constexpr std::uint64_t kSourceBytes = 1 << 20;

/// A VM of two raw disks, mounted and unmounted as often as a test likes.
class VmDisks : public ::testing::Test {
 protected:
  VmDisks() {
    std::filesystem::create_directory(source());
    make_source("a.raw", 'a');
    make_source("b.raw", 'b');
    mount();
  }

  std::string source() const { return folder_.path() + "/source"; }
  void make_source(const std::string& name, char fill) {
    std::ofstream(source() + "/" + name) << std::string(kSourceBytes, fill);
  }

  void mount() {
    queue_.reset();
    vm_.reset();
    queue_.emplace(1);
    states_.emplace(folder_.path() + "/states", "/mnt", std::set<std::string>{"web"});
    context_ = {
        .mountpoint = "/mnt",
        .host = [] { return convert::HostChoice{}; },
        .io = &real_io(),
        .states = &*states_,
        .inspect =
            [this](const auto&, const auto&, const GuestChoice& choice, const auto&,
                   const auto& disks, const auto&) {
              char first = 0;
              disks[0]->read(kPlace, std::as_writable_bytes(std::span(&first, 1)));
              ++inspections_;
              root_ = choice.root;
              return InspectionTexts{std::string("disks begin with ") + first, "<xml/>", "{}", ""};
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
    vm_ = std::make_shared<Vm>(machine, options_, context_);
    vm_->load();
  }

  std::unique_ptr<Handle> open(std::size_t disk, int flags) {
    return DiskNode(1, context_, vm_, disk).open(flags, Caller(0, 1));
  }
  void write(std::size_t disk, std::string_view text) {
    const auto handle = open(disk, O_RDWR);
    handle->write(kPlace, std::as_bytes(std::span(text)), true, Caller(0, 1));
  }
  std::string read(std::size_t disk, std::size_t bytes) {
    std::string text(bytes, '\0');
    open(disk, O_RDONLY)->read(kPlace, std::as_writable_bytes(std::span(text)));
    return text;
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

  /// inspection.json, as a program opens and reads it.
  std::string inspection() {
    for (;;) {
      try {
        return vm_->inspection().text(InspectionFormat::json);
      } catch (const NotYet& not_yet) {
        while (!not_yet.event->ended()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (const auto failure = not_yet.event->failure()) throw *failure;
      }
    }
  }

  static constexpr std::uint64_t kPlace = 20 << 20;  // behind the cold zone, in the reserve
  TemporaryFolder folder_;
  std::optional<StateDir> states_;
  MountContext context_;
  std::shared_ptr<Vm> vm_;
  std::atomic<int> inspections_ = 0;
  std::string root_;  // that the last inspection was asked for
  VmOptions options_;
  std::optional<WorkQueue> queue_;  // last: its jobs need the VM
};

TEST_F(VmDisks, keep_what_was_written) {
  write(0, "hello");
  mount();
  EXPECT_EQ(read(0, 5), "hello");
}

TEST_F(VmDisks, opened_with_o_trunc_take_what_is_written_next) {
  const auto handle = open(0, O_WRONLY | O_TRUNC);
  const std::string_view text = "all anew";
  handle->write(0, std::as_bytes(std::span(text)), false, Caller(0, 1));
  EXPECT_EQ(vm_->disk(0)->bytes(), text.size());
}

TEST_F(VmDisks, freeze_all_or_none) {
  auto writer = open(1, O_RDWR);
  EXPECT_EQ(error_of([&] { control("freeze"); }), EBUSY);
  EXPECT_EQ(error_of([&] { open(0, O_RDWR); }), 0);
  writer.reset();
  control("freeze");
  EXPECT_EQ(error_of([&] { open(0, O_RDWR); }), EROFS);
  EXPECT_EQ(error_of([&] { vm_->disk(1)->resize(0); }), EROFS);
}

// SEMANTICS: "neither a writer nor `reset` gets past it (EROFS)"
TEST_F(VmDisks, frozen_are_not_reset) {
  write(0, "hello");
  control("freeze");
  EXPECT_EQ(error_of([&] { control("reset"); }), EROFS);
  EXPECT_EQ(read(0, 5), "hello");
}

TEST_F(VmDisks, of_which_one_cannot_be_read_are_not_frozen) {
  std::filesystem::remove(source() + "/b.raw");
  mount();
  EXPECT_EQ(error_of([&] { control("freeze"); }), ENOENT);
  EXPECT_EQ(error_of([&] { open(0, O_RDWR); }), 0);
}

// SEMANTICS: "Put the source back, or write `reset` to `ctl`"
TEST_F(VmDisks, reset_after_the_source_changed_are_not_stale_at_the_next_mount) {
  write(0, "old");
  make_source("a.raw", 'x');
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // it is looked at once a second
  EXPECT_EQ(error_of([&] { read(0, 1); }), ESTALE);
  control("reset");
  write(0, "new");
  mount();
  EXPECT_EQ(read(0, 3), "new");
}

TEST_F(VmDisks, reset_are_mended) {
  write(0, "hello");
  const std::string state = vm_->status().state_id;
  vm_.reset();
  std::filesystem::remove(folder_.path() + "/states/" + state + "/disk-1/journal");
  mount();
  EXPECT_EQ(error_of([&] { read(0, 1); }), EIO);
  control("reset");
  EXPECT_EQ(read(0, 1), std::string(1, '\0'));
}

TEST_F(VmDisks, are_not_stale_because_one_cannot_be_read) {
  write(0, "hello");
  std::filesystem::rename(source() + "/b.raw", source() + "/away");
  mount();
  EXPECT_EQ(read(0, 5), "hello");
  EXPECT_EQ(error_of([&] { read(1, 1); }), ENOENT);
  std::filesystem::rename(source() + "/away", source() + "/b.raw");
  mount();
  EXPECT_EQ(read(0, 5), "hello");
  EXPECT_EQ(vm_->status().state, "unconverted");
}

TEST_F(VmDisks, that_changed_are_never_mixed_even_while_another_cannot_be_read) {
  write(0, "hello");
  make_source("a.raw", 'x');
  std::filesystem::remove(source() + "/b.raw");
  mount();
  EXPECT_EQ(error_of([&] { read(0, 5); }), ESTALE);
}

// SEMANTICS: "It is made again once somebody has written to the VM's disks"
TEST_F(VmDisks, are_inspected_again_after_a_write_and_after_a_reset) {
  EXPECT_EQ(inspection(), std::string("disks begin with \0", 18));
  write(0, "hello");
  EXPECT_EQ(inspection(), "disks begin with h");
  mount();
  EXPECT_EQ(inspection(), "disks begin with h");
  EXPECT_EQ(inspections_, 2);
  control("reset");
  EXPECT_EQ(vm_->inspection().bytes(InspectionFormat::json), 0u);
  EXPECT_EQ(inspection(), std::string("disks begin with \0", 18));
}

TEST_F(VmDisks, that_were_reset_leave_no_state) {
  inspection();
  write(0, "hello");
  control("reset");
  queue_.reset();
  vm_.reset();
  EXPECT_EQ(names_in(folder_.path() + "/states"), std::vector<std::string>{"locks"});
}

TEST_F(VmDisks, are_inspected_again_after_a_truncate_by_path) {
  inspection();
  AttrChange longer;
  longer.bytes = vm_->disk(0)->bytes() + 512;
  DiskNode(1, context_, vm_, 0).change(longer);
  inspection();
  EXPECT_EQ(inspections_, 2);
}

TEST_F(VmDisks, of_which_one_cannot_be_read_are_not_inspected) {
  std::filesystem::remove(source() + "/b.raw");
  mount();
  EXPECT_EQ(error_of([&] { inspection(); }), EIO);
  EXPECT_EQ(vm_->status().failure->code, "disk-unusable");
  EXPECT_EQ(inspections_, 0);
}

// SEMANTICS: "or its first or last 8 MiB, between open and first access to content gets ESTALE"
TEST_F(VmDisks, whose_header_was_rewritten_are_stale_for_who_opened_them_before) {
  const auto reader = open(0, O_RDONLY);
  const auto writer = open(0, O_RDWR);
  char byte = 'x';
  const auto bytes = std::as_writable_bytes(std::span(&byte, 1));
  writer->write(0, bytes, false, Caller(0, 1));
  EXPECT_EQ(error_of([&] { reader->read(kPlace, bytes); }), ESTALE);
  EXPECT_EQ(error_of([&] { open(0, O_RDONLY)->read(kPlace, bytes); }), 0);
}

TEST_F(VmDisks, that_nobody_has_bound_yet_may_be_opened_and_looked_at_while_others_write) {
  const auto reader = open(0, O_RDONLY);
  write(0, "hello");
  char byte = 0;
  reader->read(kPlace, std::as_writable_bytes(std::span(&byte, 1)));
  EXPECT_EQ(byte, 'h');
}

// SEMANTICS: "With another root or other key files nothing that was kept is used"
TEST_F(VmDisks, of_another_root_nothing_is_kept) {
  inspection();
  options_.guest_choice.root = "/dev/sda2";
  mount();
  inspection();
  EXPECT_EQ(inspections_, 2);
  EXPECT_EQ(root_, "/dev/sda2");
  mount();
  inspection();
  EXPECT_EQ(inspections_, 2);
}

}  // namespace
}  // namespace v2vfs::fs
