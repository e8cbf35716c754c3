// SPDX-License-Identifier: MIT
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "fs/disk_node.h"
#include "fs/overlay/io.h"
#include "fs/vm.h"
#include "tests/support/folder_guest.h"
#include "tests/unit/fs/temporary_folder.h"

/// A VM with two disks. The guest is a folder; its appliance is a stub that marks each disk, so
/// that what becomes of a run's writes is seen.
namespace v2vfs::fs {

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
inline std::string in_use() {
  std::string bytes(4096, '\0');
  bytes[1024 + 0x38] = 0x53;
  bytes[1024 + 0x39] = static_cast<char>(0xEF);
  bytes[1024 + 0x60] = 4;
  return bytes;
}

class VmFixture : public ::testing::Test {
 protected:
  VmFixture() {
    std::filesystem::create_directory(source());
    for (const char* file : {"a.raw", "b.raw"}) {
      std::ofstream(source() + "/" + file) << std::string(1 << 20, file[0]);
    }
    for (const char* folder : {"/etc", "/usr"}) {
      std::filesystem::create_directories(guest_folder() + folder);
    }
    std::ofstream(guest_folder() + "/etc/fstab") << "/dev/sda1 / ext4 defaults 0 1\n";
  }
  ~VmFixture() override { end(); }

  std::string source() const { return folder_.path() + "/source"; }
  std::string guest_folder() const { return folder_.path() + "/guest"; }

  void end() {
    if (vm_) vm_->stop();
    glances_.reset();
    queue_.reset();
    vm_.reset();
  }
  /// The daemon's next life, whatever the last one was doing.
  void mount() {
    end();
    queue_.emplace(1);
    if (glances_are_there_) glances_.emplace(1);
    states_.emplace(folder_.path() + "/states", "/mnt", std::set<std::string>{"web"});
    context_ = {
        .mountpoint = "/mnt",
        .host = [] { return convert::HostChoice{}; },
        .io = &io_,
        .states = &*states_,
        .open_guest = [this](auto&&...) -> std::unique_ptr<MountedGuest> {
          ++looks_;
          return std::make_unique<FolderMounted>(guest_folder(), shut_down_);
        },
        .change_guest = [this](const auto&, const auto&, const auto& disks, const auto& change,
                               const auto& stop) { run(disks, change, stop); },
        .slow_work = &*queue_,
        .glances = glances_ ? &*glances_ : nullptr};
    adapt(context_);
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
  virtual void adapt(MountContext&) {}
  /// What the appliance does: it marks both disks, then works.
  virtual void run(const std::vector<std::shared_ptr<StagedDisk>>& disks,
                   const ChangeStaged& change, const std::stop_token& stop) {
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
  VmOptions options_;
  bool glances_are_there_ = false;
  std::optional<WorkQueue> queue_, glances_;
};

}  // namespace v2vfs::fs
