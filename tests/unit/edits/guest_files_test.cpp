// SPDX-License-Identifier: MIT
#include "fs/guest_files.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <future>

#include "tests/support/folder_guest.h"
#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

using test::FolderGuest;

class FolderMounted : public MountedGuest {
 public:
  explicit FolderMounted(const std::string& folder) : guest_(folder) {
    guest_.mount({"/dev/sda1", "/", "", false});
  }
  inspect::Guest& guest() override { return guest_; }
  bool shut_down() const override { return true; }

 private:
  FolderGuest guest_;
};

class Files : public ::testing::Test {
 protected:
  Files() {
    std::filesystem::create_directories(root_.path() + "/etc");
    put("/etc/fstab", "old\n");
    gate_.attach(state_.path());
    files_.emplace(
        "vm", gate_, &queue_,
        [this](std::uint64_t, const std::stop_token&) -> std::unique_ptr<MountedGuest> {
          ++opened_;
          if (failure_) throw *failure_;
          return std::make_unique<FolderMounted>(root_.path());
        },
        GuestViewOptions{true, 0, 0, false});
    files_->attach(state_.path(), real_io());
  }
  void put(const std::string& path, const std::string& text) {
    std::ofstream(root_.path() + path) << text;
  }
  /// As a parked request: made again when its event has happened.
  template <typename Call>
  auto wait_for(Call call) {
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
  std::string text(const std::string& path) {
    return wait_for([&] { return files_->view().read(path, 0, 100); });
  }

  TemporaryFolder root_, state_;
  std::atomic<int> opened_ = 0;
  std::optional<Error> failure_;
  Gate gate_{"vm"};
  std::optional<GuestFiles> files_;
  WorkQueue queue_{1};
};

// SEMANTICS: "Any call in guest/ may wait there"
TEST_F(Files, who_asks_waits_and_what_is_known_is_there_at_once) {
  EXPECT_THROW(files_->view().list("/etc"), NotYet);
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  EXPECT_EQ(files_->view().read("/etc/fstab", 0, 100), "old\n");
  EXPECT_EQ(opened_, 1);
}

TEST_F(Files, the_guest_is_asked_again_when_its_disks_changed) {
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  put("/etc/fstab", "changed\n");
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  gate_.change_everything();
  EXPECT_EQ(text("/etc/fstab"), "changed\n");
}

TEST_F(Files, a_guest_that_cannot_be_opened_is_an_error_for_all_who_wait) {
  failure_.emplace(ENOPKG, "there is no kernel");
  try {
    text("/etc/fstab");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), ENOPKG);
  }
  failure_.reset();
  EXPECT_EQ(text("/etc/fstab"), "old\n");
}

// SEMANTICS: "While a VM may be running: EBUSY"
TEST_F(Files, a_writer_keeps_edits_out_and_ends_the_look) {
  EXPECT_EQ(text("/etc/fstab"), "old\n");
  auto pass = wait_for([&] { return gate_.open_writer(1, {}); });
  EXPECT_THROW(files_->begin_edit(2), Error);
  gate_.wrote(pass);
  try {
    text("/etc/fstab");
    FAIL() << "what is known is of other disks";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), EBUSY);
  }
}

TEST_F(Files, edits_are_kept_in_the_state_and_dropped_by_a_reset) {
  EXPECT_FALSE(std::filesystem::exists(state_.path() + "/edits"));
  wait_for([&] { files_->edit([](GuestView& view) { view.create("/etc/new", 0644); }); });
  EXPECT_TRUE(std::filesystem::exists(state_.path() + "/edits/index"));
  files_->forget();
  EXPECT_FALSE(wait_for([&] { return files_->view().find("/etc/new"); }));
}

}  // namespace
}  // namespace v2vfs::fs
