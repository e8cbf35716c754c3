// SPDX-License-Identifier: MIT
#include "fs/inspection.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>

#include "tests/unit/fs/temporary_folder.h"

namespace v2vfs::fs {
namespace {

using namespace std::chrono_literals;

constexpr auto kJson = InspectionFormat::json;
constexpr Shape kShape{1 << 20, 0};

/// An inspection of a guest that a test makes up, mounted as often as it likes.
class InspectionTest : public ::testing::Test {
 protected:
  InspectionTest() { mount(); }
  ~InspectionTest() override { unmount(); }

  void unmount() {
    if (gate_) gate_->stop();
    queue_.reset();
    inspection_.reset();
    gate_.reset();
  }
  void mount(const std::string& identity = "this source") {
    unmount();
    gate_.emplace("vm");
    queue_.emplace(2);
    inspection_.emplace("vm", *gate_, &*queue_, [this](const auto& stop) { return look(stop); });
    gate_->attach(folder_.path());
    inspection_->attach(folder_.path(), identity);
  }

  InspectionTexts look(const std::stop_token& stop) {
    ++looks_;
    std::promise<void> stopped;
    const std::stop_callback told(stop, [&] { stopped.set_value(); });
    if (hangs_) {
      began_.set_value();
      stopped.get_future().wait();
      throw Error(EIO, "it was ended");
    }
    if (!failure_.empty()) throw Error(EIO, failure_);
    return {guest_, "<" + guest_ + "/>", "{}", ""};
  }

  /// What open(2) gets: waits, asks again.
  std::string read(InspectionFormat format = kJson) {
    for (;;) {
      try {
        return inspection_->text(format);
      } catch (const NotYet& not_yet) {
        wait_for(*not_yet.event);
        if (const auto failure = not_yet.event->failure()) throw *failure;
      }
    }
  }
  static void wait_for(Event& event) {
    auto ended = std::make_shared<std::promise<void>>();
    event.when_ended([ended](const auto&) { ended->set_value(); });
    if (ended->get_future().wait_for(10s) != std::future_status::ready) {
      throw std::runtime_error("the event does not end");
    }
  }
  void write() {
    const auto writer = gate_->open_writer(7, kShape);
    gate_->wrote(writer);
  }
  static int error_of(auto&& call) {
    try {
      call();
    } catch (const Error& e) {
      return e.error_number();
    }
    return 0;
  }

  TemporaryFolder folder_;
  std::optional<Gate> gate_;
  std::optional<WorkQueue> queue_;
  std::optional<Inspection> inspection_;
  std::string guest_ = "debian", failure_;
  std::atomic<int> looks_ = 0;
  bool hangs_ = false;
  std::promise<void> began_;
};

// SEMANTICS: "Before the first opening the size is 0"
TEST_F(InspectionTest, is_made_once_and_has_its_size_afterwards) {
  EXPECT_EQ(inspection_->bytes(kJson), 0u);
  EXPECT_EQ(read(), "debian");
  EXPECT_EQ(read(), "debian");
  EXPECT_EQ(read(InspectionFormat::xml), "<debian/>");
  EXPECT_EQ(inspection_->bytes(kJson), 6u);
  EXPECT_EQ(inspection_->bytes(InspectionFormat::xml), 9u);
  EXPECT_EQ(looks_, 1);
}

// SEMANTICS: "at the next opening, and after a remount, it is there at once"
TEST_F(InspectionTest, is_there_at_once_after_a_remount) {
  read();
  mount();
  EXPECT_EQ(inspection_->bytes(kJson), 6u);
  EXPECT_EQ(inspection_->text(kJson), "debian");
  EXPECT_EQ(looks_, 1);
}

TEST_F(InspectionTest, of_another_source_is_not_believed) {
  read();
  mount("another source");
  EXPECT_EQ(inspection_->bytes(kJson), 0u);
  read();
  EXPECT_EQ(looks_, 2);
}

TEST_F(InspectionTest, that_is_damaged_is_made_again) {
  read();
  std::ofstream(folder_.path() + "/inspection") << "{]";
  mount();
  EXPECT_EQ(read(), "debian");
  EXPECT_EQ(looks_, 2);
}

TEST_F(InspectionTest, that_cannot_be_read_is_made_again) {
  read();
  std::filesystem::resize_file(folder_.path() + "/inspection", 17 << 20);
  mount();
  EXPECT_EQ(read(), "debian");
  EXPECT_EQ(looks_, 2);
}

// SEMANTICS: "It is made again once somebody has written to the VM's disks"
TEST_F(InspectionTest, is_made_again_after_a_vm_wrote_also_when_that_was_before_a_remount) {
  read();
  write();
  guest_ = "debian 13";
  EXPECT_EQ(read(), "debian 13");
  write();
  mount();
  guest_ = "debian 14";
  EXPECT_EQ(read(), "debian 14");
}

// SEMANTICS: "it is the last one, which says in `as_of` of when it is"
TEST_F(InspectionTest, beside_a_writer_is_the_last_one_or_busy) {
  {
    const auto writer = gate_->open_writer(7, kShape);
    EXPECT_EQ(error_of([&] { inspection_->text(kJson); }), EBUSY);
  }
  read();
  const auto writer = gate_->open_writer(7, kShape);
  gate_->wrote(writer);
  guest_ = "other";
  EXPECT_EQ(inspection_->text(kJson), "debian");
}

// SEMANTICS: "If the guest cannot be read, open(2) is EIO"
// SEMANTICS: "The next open tries again."
TEST_F(InspectionTest, that_fails_says_why_and_is_tried_again_by_the_next_open) {
  failure_ = "no kernel in /boot";
  EXPECT_EQ(error_of([&] { read(); }), EIO);
  ASSERT_TRUE(inspection_->failure());
  EXPECT_NE(inspection_->failure()->sentence().find("no kernel in /boot"), std::string::npos);
  failure_.clear();
  EXPECT_EQ(read(), "debian");
  EXPECT_FALSE(inspection_->failure());
  EXPECT_EQ(looks_, 2);
}

TEST_F(InspectionTest, all_that_wait_wait_for_the_same_one) {
  hangs_ = true;
  EXPECT_THROW(inspection_->text(kJson), NotYet);
  began_.get_future().wait();
  EXPECT_TRUE(inspection_->running());
  EXPECT_THROW(inspection_->text(InspectionFormat::xml), NotYet);
  EXPECT_EQ(looks_, 1);
}

TEST_F(InspectionTest, that_a_writer_ends_has_not_failed) {
  hangs_ = true;
  std::shared_ptr<Event> waiting;
  try {
    inspection_->text(kJson);
  } catch (const NotYet& not_yet) {
    waiting = not_yet.event;
  }
  began_.get_future().wait();
  {
    const auto writer = gate_->open_writer(7, kShape);
    wait_for(*waiting);
    EXPECT_FALSE(waiting->failure());
    EXPECT_EQ(error_of([&] { inspection_->text(kJson); }), EBUSY);
  }
  EXPECT_FALSE(inspection_->failure());
  hangs_ = false;
  EXPECT_EQ(read(), "debian");
}

TEST_F(InspectionTest, ends_with_the_mount) {
  hangs_ = true;
  EXPECT_THROW(inspection_->text(kJson), NotYet);
  began_.get_future().wait();
  unmount();
  EXPECT_EQ(looks_, 1);
}

TEST_F(InspectionTest, of_before_a_reset_is_forgotten) {
  read();
  gate_->change_everything();
  inspection_->forget();
  EXPECT_EQ(inspection_->bytes(kJson), 0u);
  mount();
  EXPECT_EQ(inspection_->bytes(kJson), 0u);
  read();
  EXPECT_EQ(looks_, 2);
}

}  // namespace
}  // namespace v2vfs::fs
