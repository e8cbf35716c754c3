// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "inspect/base/error.h"
#include "inspect/guest/guest.h"
#include "inspect/guest/guest_wire.h"

/// At most N appliances for a mount, kept warm for a while. Who needs one asks and is called back:
/// no thread waits.
namespace v2vfs::fs {

/// One appliance, as the pool sees it (appliance.h is the real one).
class PooledAppliance {
 public:
  virtual ~PooledAppliance() = default;  // ends it, and waits until it is gone
  /// For whoever has it leased, on one thread at a time. Starting takes place in its first call.
  virtual inspect::Guest& guest() = 0;
  /// Ends it at once; calls of its guest throw `why`. Any thread; does not wait.
  virtual void end(const Error& why) = 0;
  /// Any thread.
  virtual bool usable() const = 0;
};

struct ApplianceRequest {
  /// What the appliance may be used for again: VM and generation of its disks. Requests with the
  /// same key share one appliance, one after the other.
  std::string key;
  inspect::GuestSettings settings;
};

class AppliancePool;

/// The use of one appliance. Given back when it goes; then it stays warm for the next request with
/// its key.
class ApplianceLease {
 public:
  ApplianceLease(ApplianceLease&&) noexcept = default;
  ApplianceLease& operator=(ApplianceLease&&) noexcept = default;
  ~ApplianceLease() = default;

  inspect::Guest& guest() const { return use_->appliance->guest(); }
  /// It was warm: what an earlier lease mounted and unlocked is still there.
  bool was_warm() const { return use_->was_warm; }
  /// It is not kept, but ended when the lease goes.
  void do_not_keep() { use_->keep = false; }

 private:
  friend class AppliancePool;
  struct Use {
    std::shared_ptr<PooledAppliance> appliance;
    bool was_warm = false;
    bool keep = true;
    std::function<void(bool keep)> give_back;
    ~Use() {
      appliance.reset();  // the pool is the one that ends it
      give_back(keep);
    }
  };
  explicit ApplianceLease(std::unique_ptr<Use> use) : use_(std::move(use)) {}
  std::unique_ptr<Use> use_;
};

/// Thread safe. One thread of its own starts and ends appliances and calls back; it lives as long
/// as the pool, so it may be the one that appliances die with (PR_SET_PDEATHSIG).
class AppliancePool {
 public:
  struct Limits {
    std::size_t most = 1;
    std::chrono::milliseconds idle{60'000};
  };
  using Start = std::function<std::unique_ptr<PooledAppliance>(const ApplianceRequest&)>;
  /// The lease, or why there is none (what Start threw; ECANCELED when the pool stops).
  using Outcome = std::variant<ApplianceLease, Error>;
  /// Called once on the pool's thread, which must not be kept; unless cancelled.
  using Ready = std::function<void(Outcome)>;
  using Ticket = std::uint64_t;

  AppliancePool(Limits limits, Start start);
  /// Stops. Leases may outlive it.
  ~AppliancePool();

  /// First come, first served; only a warm appliance of the same key is given out of turn. Where
  /// all places are taken, the one that is idle for longest is ended.
  Ticket request(ApplianceRequest request, Ready ready);
  /// False: it was called, or is being called.
  bool cancel(Ticket ticket);
  /// The warm appliance of the key is ended; a leased one too, whose calls then throw `why`. New
  /// requests get a fresh one.
  void end(const std::string& key, const Error& why);
  /// Ends all of them; who waits gets `why`. Later requests too.
  void stop(const Error& why);

  std::size_t running() const;
  std::size_t waiting() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Place;
  struct Waiting;
  struct State;

  static void keep(const std::shared_ptr<State>& state, const std::stop_token& stop);

  std::shared_ptr<State> state_;
  std::jthread keeper_;
};

}  // namespace v2vfs::fs
