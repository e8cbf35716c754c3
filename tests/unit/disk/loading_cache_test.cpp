// SPDX-License-Identifier: MIT
#include "convert/disk/loading_cache.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace v2vfs::convert {
namespace {

TEST(LoadingCache, keeps_what_was_used_last) {
  LoadingCache<int> cache(2);
  int loads = 0;
  const auto get = [&](int key) {
    return *cache.get(key, [&] {
      ++loads;
      return std::make_shared<const int>(key);
    });
  };
  for (const int key : {1, 2, 1, 3, 1}) EXPECT_EQ(get(key), key);
  EXPECT_EQ(loads, 3);
  get(2);
  EXPECT_EQ(loads, 4);
}

TEST(LoadingCache, merges_concurrent_loads) {
  LoadingCache<int> cache(4);
  std::atomic<int> loads = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      EXPECT_EQ(*cache.get(7,
                           [&] {
                             ++loads;
                             std::this_thread::sleep_for(std::chrono::milliseconds(50));
                             return std::make_shared<const int>(7);
                           }),
                7);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(loads, 1);
}

TEST(LoadingCache, a_failed_load_is_tried_again) {
  LoadingCache<int> cache(4);
  EXPECT_THROW(cache.get(1, []() -> std::shared_ptr<const int> { throw std::runtime_error("no"); }),
               std::runtime_error);
  EXPECT_EQ(*cache.get(1, [] { return std::make_shared<const int>(5); }), 5);
}

TEST(LoadingCache, whoever_waited_for_a_failed_load_loads) {
  LoadingCache<int> cache(4);
  std::atomic<int> loads = 0;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      try {
        cache.get(1, [&]() -> std::shared_ptr<const int> {
          const int mine = ++loads;
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
          if (mine == 1) throw std::runtime_error("the first fails");
          return std::make_shared<const int>(mine);
        });
      } catch (const std::runtime_error&) {
        ++failures;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(loads, 2);
}

}  // namespace
}  // namespace v2vfs::convert
