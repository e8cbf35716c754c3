// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fs/overlay/io.h"

namespace v2vfs::fs {

/// A small random generator whose numbers are the same everywhere.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15 + 0x1234567) {}
  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }
  bool one_in(std::uint64_t n) { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

/// What CrashIo throws where the process dies: no std::exception, so nobody takes it for a failure.
struct Crash {};

enum class CutPoint { before, torn, after };  // the step has not, partly, wholly happened

/// A file system in memory, with a page cache over a disk.
///
/// A write, a truncation or a punch changes the page cache; fdatasync brings a file's bytes and
/// size to the disk, sync_folder the names. A power cut leaves each 512-byte sector with what the
/// disk had or with any of the contents it got since, independently of all others; so too each
/// size; and of the creations, renames and removals any that were not synced may be missing, later
/// ones too. Mapped memory is page cache like any other. Process death leaves the page cache and
/// the cache's life. A failed fdatasync leaves its pages clean: a later one that succeeds does not
/// bring them to the disk.
///
/// One thread.
class CrashIo final : public Io {
 public:
  explicit CrashIo(std::uint64_t seed) : dice_(seed) {}

  // What happens when. Steps count calls that change something, calls count every call.
  void crash_at(std::uint64_t step, CutPoint point) { crash_step_ = step, crash_point_ = point; }
  void fail_at(std::uint64_t call, int error_number) {
    fail_call_ = call, fail_with_ = error_number;
  }
  void no_faults() { crash_step_.reset(), fail_call_.reset(); }
  void fill_disk(bool full) { full_ = full; }
  void set_can_punch(bool can) { can_punch_ = can; }
  /// Runs inside each fdatasync, before or after the disk has what it gets: another thread's doing.
  std::function<void()> during_sync;
  std::uint64_t steps() const { return steps_; }
  std::uint64_t calls() const { return calls_; }

  /// The process is gone: open files and mappings are dead, another one may begin.
  void process_death();
  void power_cut();

  /// A copy of everything on the disk, and back. Only while no file is open.
  struct Inode;
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  Names save() const;
  void restore(const Names& names);
  void flip_bit(const std::string& path, std::uint64_t bit);
  std::uint64_t file_bytes(const std::string& path) const;
  /// A mapped page without room on the disk that was written to: SIGBUS on a full disk.
  bool has_unbacked_mapping() const;

  std::unique_ptr<IoFile> open(const std::string& path) override;
  std::unique_ptr<IoFile> create(const std::string& path) override;
  void rename(const std::string& from, const std::string& to) override;
  void remove(const std::string& path) override;
  void sync_folder(const std::string& folder) override;
  void make_folder(const std::string& path) override;
  void remove_folder(const std::string& path) override;
  std::string cache_life(const std::string&) override { return "boot-" + std::to_string(boot_); }
  void random(std::span<std::byte> out) override;

 private:
  class File;
  struct NameChange {
    std::string set;  // this name now means `inode`, or nothing
    std::shared_ptr<Inode> inode;
    std::string cleared;  // and this one means nothing, if not empty
    bool lost = false;    // a failed sync took it off the list of what is to be written
  };

  void call();
  template <typename Whole, typename Part>
  void step(Whole&& whole, Part&& part);
  template <typename Whole>
  void step(Whole&& whole);
  [[noreturn]] void die();
  void detach_mappings();
  void change_names(NameChange change);
  static void apply(Names& names, const NameChange& change);

  Dice dice_;
  std::optional<std::uint64_t> crash_step_, fail_call_;
  CutPoint crash_point_ = CutPoint::before;
  int fail_with_ = 0;
  bool fail_now_ = false;
  bool full_ = false;
  bool can_punch_ = true;
  bool dead_ = false;
  bool in_hook_ = false;
  std::uint64_t steps_ = 0, calls_ = 0, life_ = 0, boot_ = 1;
  Names names_, durable_names_;
  std::vector<NameChange> name_changes_;
};

}  // namespace v2vfs::fs
