// SPDX-License-Identifier: MIT
#include "fs/parking_lot.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

namespace v2vfs::fs {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// One request and how it was answered: 0 for run again, else an errno.
class Waiter {
 public:
  explicit Waiter(ParkingLot& lot) : lot_(lot), answer_(promise_.get_future()) {
    ticket_ =
        lot.enter({[this] { answer(0); }, [this](const Error& e) { answer(e.error_number()); }});
  }
  void wait_for(Event& event) { lot_.wait_for(ticket_, event); }
  void interrupt() { lot_.interrupt(ticket_); }
  bool waits() { return answer_.wait_for(milliseconds(20)) == std::future_status::timeout; }
  /// -1: none within ten seconds.
  int answer() {
    return answer_.wait_for(seconds(10)) == std::future_status::ready ? answer_.get() : -1;
  }
  int answers() const { return answers_; }
  std::thread::id thread() const { return thread_; }

 private:
  void answer(int what) {
    thread_ = std::this_thread::get_id();
    if (++answers_ == 1) promise_.set_value(what);
  }

  ParkingLot& lot_;
  std::promise<int> promise_;
  std::future<int> answer_;
  ParkingLot::Ticket ticket_;
  std::atomic<int> answers_ = 0;
  std::thread::id thread_;
};

TEST(ParkingLot, runs_again_what_waited_when_it_has_happened) {
  ParkingLot lot;
  Event event;
  Waiter waiter(lot);
  waiter.wait_for(event);
  EXPECT_TRUE(waiter.waits());
  event.happen();
  EXPECT_EQ(waiter.answer(), 0);
  EXPECT_NE(waiter.thread(), std::this_thread::get_id());
  EXPECT_EQ(lot.parked(), 0u);
}

TEST(ParkingLot, does_not_wait_for_what_has_happened_already) {
  ParkingLot lot;
  Event event;
  event.happen();
  Waiter waiter(lot);
  waiter.wait_for(event);
  EXPECT_EQ(waiter.answer(), 0);
}

TEST(ParkingLot, refuses_with_the_failure) {
  ParkingLot lot;
  Event event;
  Waiter waiter(lot);
  waiter.wait_for(event);
  event.fail(Error(ENOSPC, "full"));
  EXPECT_EQ(waiter.answer(), ENOSPC);
}

TEST(ParkingLot, answers_an_interrupt_at_once_and_not_from_the_thread_that_brings_it) {
  ParkingLot lot;
  Event event;
  Waiter waiter(lot);
  waiter.wait_for(event);
  const auto start = std::chrono::steady_clock::now();
  waiter.interrupt();
  EXPECT_EQ(waiter.answer(), EINTR);
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(1000));  // the goal is 100
  EXPECT_NE(waiter.thread(), std::this_thread::get_id());
  event.happen();
  EXPECT_EQ(waiter.answers(), 1);
}

TEST(ParkingLot, answers_an_interrupt_that_comes_before_the_wait) {
  ParkingLot lot;
  Event event;
  Waiter waiter(lot);
  waiter.interrupt();
  waiter.wait_for(event);
  EXPECT_EQ(waiter.answer(), EINTR);
}

TEST(ParkingLot, answers_interrupts_while_those_that_run_again_hang) {
  ParkingLot lot;
  Event event;
  std::promise<void> go_on;
  std::shared_future<void> may_go_on = go_on.get_future();
  const auto hangs = lot.enter({[=] { may_go_on.wait(); }, [](const Error&) {}});
  lot.wait_for(hangs, event);
  event.happen();
  Event other;
  Waiter waiter(lot);
  waiter.wait_for(other);
  waiter.interrupt();
  EXPECT_EQ(waiter.answer(), EINTR);
  go_on.set_value();
}

// SEMANTICS: "costs no thread, and ends within 100 ms"
TEST(ParkingLot, has_no_thread_for_one_that_waits) {
  ParkingLot lot;
  Event event;
  std::atomic<int> answered = 0;
  for (int i = 0; i < 10'000; ++i) {
    lot.wait_for(lot.enter({[&] { ++answered; }, [](const Error&) {}}), event);
  }
  EXPECT_EQ(lot.parked(), 10'000u);
  event.happen();
  lot.close();
  EXPECT_EQ(answered, 10'000);
}

TEST(ParkingLot, answers_each_once_whoever_comes_first) {
  for (int round = 0; round < 200; ++round) {
    ParkingLot lot;
    Event event;
    std::vector<std::unique_ptr<Waiter>> waiters;
    for (int i = 0; i < 8; ++i) {
      waiters.push_back(std::make_unique<Waiter>(lot));
      waiters.back()->wait_for(event);
    }
    std::thread interrupts([&] {
      for (auto& waiter : waiters) waiter->interrupt();
    });
    std::thread happens([&] { event.happen(); });
    lot.close();
    interrupts.join();
    happens.join();
    for (auto& waiter : waiters) {
      ASSERT_NE(waiter->answer(), -1);
      ASSERT_EQ(waiter->answers(), 1);
    }
  }
}

TEST(ParkingLot, refuses_all_when_it_closes_and_whoever_comes_then) {
  ParkingLot lot;
  Event event;
  Waiter waiter(lot);
  waiter.wait_for(event);
  lot.close();
  EXPECT_EQ(waiter.answer(), ENOTCONN);
  Waiter late(lot);
  late.wait_for(event);
  EXPECT_EQ(late.answer(), ENOTCONN);
}

TEST(ParkingLot, may_be_gone_when_the_event_comes) {
  Event event;
  {
    ParkingLot lot;
    Waiter waiter(lot);
    waiter.wait_for(event);
    lot.close();
  }
  event.happen();
}

}  // namespace
}  // namespace v2vfs::fs
