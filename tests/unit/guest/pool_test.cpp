// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "fs/appliance_pool.h"
#include "tests/support/folder_guest.h"

namespace v2vfs::fs {
namespace {

using namespace std::chrono_literals;

/// What all stubs of one test share.
struct Counts {
  std::atomic<int> alive = 0;
  std::atomic<int> most = 0;
  std::atomic<int> started = 0;
};

class Stub : public PooledAppliance {
 public:
  explicit Stub(Counts& counts) : counts_(counts) {
    ++counts_.started;
    const int now = ++counts_.alive;
    if (now > counts_.most) counts_.most = now;
  }
  ~Stub() override { --counts_.alive; }
  inspect::Guest& guest() override {
    if (ended) throw Error(ended, "ended");
    return guest_;
  }
  void end(const Error& why) override { ended = why.error_number(); }
  bool usable() const override { return !ended; }

  std::atomic<int> ended = 0;

 private:
  Counts& counts_;
  test::FolderGuest guest_{"/nonexistent"};
};

/// Leases and failures in the order in which they came.
class Desk {
 public:
  AppliancePool::Ready ready(const std::string& name) {
    return [this, name](AppliancePool::Outcome outcome) {
      const std::scoped_lock lock(mutex_);
      order_.push_back(name);
      if (auto* lease = std::get_if<ApplianceLease>(&outcome)) {
        leases_.emplace(name, std::move(*lease));
      } else {
        errors_[name] = std::get<Error>(outcome).error_number();
      }
      changed_.notify_all();
    };
  }
  bool has(const std::string& name, std::chrono::milliseconds time = 5s) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(
        lock, time, [&] { return std::find(order_.begin(), order_.end(), name) != order_.end(); });
  }
  ApplianceLease take(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    auto node = leases_.extract(name);
    return std::move(node.mapped());
  }
  void drop(const std::string& name) { const ApplianceLease gone = take(name); }
  int error(const std::string& name) {
    const std::scoped_lock lock(mutex_);
    return errors_.contains(name) ? errors_[name] : 0;
  }
  std::vector<std::string> order() {
    const std::scoped_lock lock(mutex_);
    return order_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> order_;
  std::map<std::string, ApplianceLease> leases_;
  std::map<std::string, int> errors_;
};

class PoolTest : public testing::Test {
 protected:
  AppliancePool::Start start() {
    return [this](const ApplianceRequest&) { return std::make_unique<Stub>(counts_); };
  }
  static ApplianceRequest of(const std::string& key, std::uint32_t memory = 1280) {
    ApplianceRequest request;
    request.key = key;
    request.settings.disks = {{"/" + key, false}};
    request.settings.memory_mib = memory;
    return request;
  }
  static bool comes_true(const std::function<bool()>& what) {
    for (int i = 0; i < 500 && !what(); ++i) std::this_thread::sleep_for(10ms);
    return what();
  }

  Counts counts_;
  Desk desk_;
};

// SEMANTICS: "in the order in which they were asked for"
TEST_F(PoolTest, gives_no_more_than_there_may_be_and_in_order) {
  AppliancePool pool({2, 1h}, start());
  for (const char* key : {"a", "b", "c", "d"}) pool.request(of(key), desk_.ready(key));
  ASSERT_TRUE(desk_.has("b"));
  EXPECT_FALSE(desk_.has("c", 50ms));
  EXPECT_EQ(pool.waiting(), 2U);
  desk_.drop("b");
  ASSERT_TRUE(desk_.has("c"));
  desk_.drop("a");
  ASSERT_TRUE(desk_.has("d"));
  EXPECT_EQ(desk_.order(), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(counts_.most, 2);
}

TEST_F(PoolTest, keeps_one_warm_for_its_key) {
  AppliancePool pool({1, 1h}, start());
  pool.request(of("a"), desk_.ready("first"));
  ASSERT_TRUE(desk_.has("first"));
  EXPECT_FALSE(desk_.take("first").was_warm());
  pool.request(of("a"), desk_.ready("second"));
  ASSERT_TRUE(desk_.has("second"));
  EXPECT_TRUE(desk_.take("second").was_warm());
  EXPECT_EQ(counts_.started, 1);
}

TEST_F(PoolTest, starts_another_for_more_memory_or_other_disks) {
  AppliancePool pool({1, 1h}, start());
  pool.request(of("a"), desk_.ready("small"));
  ASSERT_TRUE(desk_.has("small"));
  desk_.drop("small");
  pool.request(of("a", 2560), desk_.ready("large"));
  ASSERT_TRUE(desk_.has("large"));
  desk_.drop("large");
  pool.request(of("a"), desk_.ready("small again"));
  ASSERT_TRUE(desk_.has("small again"));
  EXPECT_TRUE(desk_.take("small again").was_warm());
  EXPECT_EQ(counts_.started, 2);
  EXPECT_EQ(counts_.most, 1);
}

// SEMANTICS: "It is one for each VM, is started when it is needed"
TEST_F(PoolTest, lets_one_key_have_one_at_a_time) {
  AppliancePool pool({3, 1h}, start());
  pool.request(of("a"), desk_.ready("first"));
  pool.request(of("a"), desk_.ready("second"));
  pool.request(of("b"), desk_.ready("other"));
  ASSERT_TRUE(desk_.has("other"));
  EXPECT_FALSE(desk_.has("second", 50ms));
  desk_.drop("first");
  ASSERT_TRUE(desk_.has("second"));
  EXPECT_EQ(counts_.started, 2);
}

// SEMANTICS: "One that is idle is kept for `appliance-idle` seconds"
TEST_F(PoolTest, ends_what_is_idle_for_too_long) {
  AppliancePool pool({1, 50ms}, start());
  pool.request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(desk_.has("a"));
  std::this_thread::sleep_for(100ms);
  EXPECT_EQ(counts_.alive, 1);  // not while it is used
  desk_.drop("a");
  EXPECT_TRUE(comes_true([&] { return counts_.alive == 0; }));
  EXPECT_EQ(pool.running(), 0U);
}

TEST_F(PoolTest, gives_the_place_of_the_idlest_to_who_waits) {
  AppliancePool pool({2, 1h}, start());
  for (const char* key : {"old", "new"}) {
    pool.request(of(key), desk_.ready(key));
    ASSERT_TRUE(desk_.has(key));
  }
  desk_.drop("old");
  std::this_thread::sleep_for(5ms);
  desk_.drop("new");
  pool.request(of("third"), desk_.ready("third"));
  ASSERT_TRUE(desk_.has("third"));
  pool.request(of("new"), desk_.ready("new again"));
  ASSERT_TRUE(desk_.has("new again"));
  EXPECT_TRUE(desk_.take("new again").was_warm());
  EXPECT_EQ(counts_.most, 2);
}

TEST_F(PoolTest, does_not_keep_what_broke_or_is_not_to_be_kept) {
  AppliancePool pool({1, 1h}, start());
  pool.request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(desk_.has("a"));
  {
    ApplianceLease lease = desk_.take("a");
    lease.do_not_keep();
  }
  EXPECT_TRUE(comes_true([&] { return counts_.alive == 0; }));
}

TEST_F(PoolTest, ends_one_in_use) {
  AppliancePool pool({1, 1h}, start());
  pool.request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(desk_.has("a"));
  pool.end("a", Error(EBUSY, "a writer came"));
  pool.request(of("a"), desk_.ready("fresh"));
  EXPECT_FALSE(desk_.has("fresh", 50ms));  // the place is not free yet
  {
    const ApplianceLease lease = desk_.take("a");
    EXPECT_THROW(lease.guest(), Error);
  }
  ASSERT_TRUE(desk_.has("fresh"));
  EXPECT_FALSE(desk_.take("fresh").was_warm());
}

TEST_F(PoolTest, ends_one_while_it_is_started) {
  std::promise<void> go;
  AppliancePool pool({1, 1h}, [&](const ApplianceRequest&) {
    go.get_future().wait();
    return std::make_unique<Stub>(counts_);
  });
  pool.request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(comes_true([&] { return pool.running() == 1; }));
  pool.end("a", Error(EBUSY, "a writer came"));
  go.set_value();
  ASSERT_TRUE(desk_.has("a"));
  try {
    desk_.take("a").guest();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.error_number(), EBUSY);
  }
}

TEST_F(PoolTest, forgets_who_does_not_wait_any_more) {
  AppliancePool pool({1, 1h}, start());
  pool.request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(desk_.has("a"));
  const auto ticket = pool.request(of("b"), desk_.ready("b"));
  EXPECT_TRUE(pool.cancel(ticket));
  EXPECT_FALSE(pool.cancel(ticket));
  desk_.drop("a");
  EXPECT_FALSE(desk_.has("b", 50ms));
}

TEST_F(PoolTest, says_why_one_does_not_start_and_goes_on) {
  std::atomic<bool> broken = true;
  AppliancePool pool({1, 1h}, [&](const ApplianceRequest&) -> std::unique_ptr<PooledAppliance> {
    if (broken) throw Error(ENOPKG, "no kernel");
    return std::make_unique<Stub>(counts_);
  });
  pool.request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(desk_.has("a"));
  EXPECT_EQ(desk_.error("a"), ENOPKG);
  broken = false;
  pool.request(of("a"), desk_.ready("again"));
  ASSERT_TRUE(desk_.has("again"));
  EXPECT_EQ(desk_.error("again"), 0);
}

TEST_F(PoolTest, stops_with_all_that_wait) {
  auto pool = std::make_unique<AppliancePool>(AppliancePool::Limits{1, 1h}, start());
  pool->request(of("a"), desk_.ready("a"));
  ASSERT_TRUE(desk_.has("a"));
  pool->request(of("b"), desk_.ready("b"));
  pool->stop(Error(ECANCELED, "unmounted"));
  ASSERT_TRUE(desk_.has("b"));
  EXPECT_EQ(desk_.error("b"), ECANCELED);
  pool.reset();  // the lease outlives it
  desk_.drop("a");
  EXPECT_EQ(counts_.alive, 0);
}

TEST_F(PoolTest, keeps_its_word_under_a_crowd) {
  AppliancePool pool({3, 2ms}, start());
  std::atomic<int> done = 0;
  std::mutex mutex;
  std::vector<std::thread> users;
  constexpr int kRequests = 300;
  for (int i = 0; i < kRequests; ++i) {
    pool.request(of(std::to_string(i % 7)), [&, i](AppliancePool::Outcome outcome) {
      const std::scoped_lock lock(mutex);
      users.emplace_back([&done, i, held = std::move(outcome)] {
        if (i % 11 == 0) std::this_thread::sleep_for(1ms);
        EXPECT_TRUE(std::holds_alternative<ApplianceLease>(held));
        ++done;
      });
    });
    if (i % 50 == 0) pool.end(std::to_string(i % 7), Error(EBUSY, "a writer came"));
  }
  EXPECT_TRUE(comes_true([&] { return done == kRequests; }));
  {
    const std::scoped_lock lock(mutex);
    for (std::thread& user : users) user.join();
  }
  EXPECT_LE(counts_.most, 3);
  EXPECT_TRUE(comes_true([&] { return counts_.alive == 0; }));
}

}  // namespace
}  // namespace v2vfs::fs
