// SPDX-License-Identifier: MIT
#include "fs/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>

namespace v2vfs::fs {
namespace {

using namespace std::chrono_literals;

TEST(WorkQueue, does_all_that_comes_and_never_more_at_once_than_it_may) {
  std::atomic<int> now = 0, most = 0, done = 0;
  {
    WorkQueue queue(3);
    std::promise<void> all;
    for (int i = 0; i < 30; ++i) {
      queue.add([&] {
        const int running = ++now;
        for (int seen = most; running > seen && !most.compare_exchange_weak(seen, running);) {
        }
        std::this_thread::sleep_for(2ms);
        --now;
        if (++done == 30) all.set_value();
      });
    }
    EXPECT_EQ(all.get_future().wait_for(10s), std::future_status::ready);
  }
  EXPECT_EQ(done, 30);
  EXPECT_EQ(most, 3);
}

TEST(WorkQueue, stopped_drops_what_waits_and_what_comes_and_ends_with_what_runs) {
  std::promise<void> began, go_on;
  std::atomic<int> done = 0;
  const auto held = std::make_shared<int>(0);
  {
    WorkQueue queue(1);
    queue.add([&] {
      began.set_value();
      go_on.get_future().wait();
      ++done;
    });
    began.get_future().wait();
    queue.add([&done, held] { ++done; });
    EXPECT_EQ(held.use_count(), 2);
    queue.stop();
    EXPECT_EQ(held.use_count(), 1);
    queue.add([&] { ++done; });
    go_on.set_value();
  }
  EXPECT_EQ(done, 1);
}

}  // namespace
}  // namespace v2vfs::fs
