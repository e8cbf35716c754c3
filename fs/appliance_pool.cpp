// SPDX-License-Identifier: MIT
#include "fs/appliance_pool.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/log.h"

namespace v2vfs::fs {

/// One of the N. It is counted until its appliance is gone.
struct AppliancePool::Place {
  ApplianceRequest request;
  std::shared_ptr<PooledAppliance> appliance;  // none while it is started
  bool leased = true;
  bool discarded = false;      // for nobody any more; ended once it is not leased
  std::optional<Error> ended;  // while it was started: why
  Clock::time_point idle_since;

  bool idle() const { return !leased && !discarded; }
  void end(const Error& why) {
    discarded = true;
    if (!ended) ended = why;
    if (appliance) appliance->end(why);
  }
};

struct AppliancePool::Waiting {
  Ticket ticket = 0;
  ApplianceRequest request;
  Ready ready;
};

struct AppliancePool::State : std::enable_shared_from_this<State> {
  State(Limits given, Start how) : limits(given), start(std::move(how)) {}

  using Lock = std::unique_lock<std::mutex>;

  /// One thing that can be done now; false: there is none.
  bool step(Lock& lock);
  bool bury(Lock& lock);
  void discard_expired();
  bool serve_one(Lock& lock);
  void lease_warm(Lock& lock, Place& place, std::list<Waiting>::iterator who);
  void start_new(Lock& lock, std::list<Waiting>::iterator who);
  bool make_room();
  Place* of_key(const std::string& key);
  ApplianceLease lease_of(Place& place, bool was_warm);
  void give_back(const Place* which, bool keep);
  std::optional<Clock::time_point> next_expiry() const;
  static void call(const Ready& ready, Outcome outcome);

  const Limits limits;
  const Start start;
  mutable std::mutex mutex;
  std::condition_variable_any changed;
  std::list<Place> places;     // guarded, as all below
  std::list<Waiting> waiting;  // first come first
  Ticket last_ticket = 0;
  std::optional<Error> stopped;
  bool nudged = true;  // something may be possible that was not
};

namespace {

bool same_disks(const inspect::GuestSettings& a, const inspect::GuestSettings& b) {
  return std::equal(a.disks.begin(), a.disks.end(), b.disks.begin(), b.disks.end(),
                    [](const inspect::GuestDisk& x, const inspect::GuestDisk& y) {
                      return x.path == y.path && x.writable == y.writable;
                    });
}

/// An appliance with `has` will do for somebody who wants `wants`.
bool serves(const inspect::GuestSettings& has, const inspect::GuestSettings& wants) {
  return same_disks(has, wants) && has.memory_mib >= wants.memory_mib;
}

}  // namespace

AppliancePool::AppliancePool(Limits limits, Start start)
    : state_(std::make_shared<State>(limits, std::move(start))),
      keeper_([state = state_](const std::stop_token& stop) { keep(state, stop); }) {}

AppliancePool::~AppliancePool() {
  stop(Error(ECANCELED, "the mount ends"));
  keeper_.request_stop();
}

AppliancePool::Ticket AppliancePool::request(ApplianceRequest request, Ready ready) {
  const State::Lock lock(state_->mutex);
  const Ticket ticket = ++state_->last_ticket;
  state_->waiting.push_back({ticket, std::move(request), std::move(ready)});
  state_->nudged = true;
  state_->changed.notify_all();
  return ticket;
}

bool AppliancePool::cancel(Ticket ticket) {
  const State::Lock lock(state_->mutex);
  return std::erase_if(state_->waiting, [&](const Waiting& w) { return w.ticket == ticket; }) > 0;
}

void AppliancePool::end(const std::string& key, const Error& why) {
  const State::Lock lock(state_->mutex);
  for (Place& place : state_->places) {
    if (place.request.key == key) place.end(why);
  }
  state_->nudged = true;
  state_->changed.notify_all();
}

void AppliancePool::stop(const Error& why) {
  const State::Lock lock(state_->mutex);
  if (!state_->stopped) state_->stopped = why;
  for (Place& place : state_->places) {
    place.end(*state_->stopped);
  }
  state_->nudged = true;
  state_->changed.notify_all();
}

std::size_t AppliancePool::running() const {
  const State::Lock lock(state_->mutex);
  return state_->places.size();
}

std::size_t AppliancePool::waiting() const {
  const State::Lock lock(state_->mutex);
  return state_->waiting.size();
}

void AppliancePool::keep(const std::shared_ptr<State>& state, const std::stop_token& stop) {
  State::Lock lock(state->mutex);
  for (;;) {
    state->nudged = false;
    while (state->step(lock)) {
    }
    if (stop.stop_requested()) return;
    const auto is_nudged = [&] { return state->nudged; };
    if (const auto expiry = state->next_expiry()) {
      state->changed.wait_until(lock, stop, *expiry, is_nudged);
    } else {
      state->changed.wait(lock, stop, is_nudged);
    }
  }
}

bool AppliancePool::State::step(Lock& lock) {
  discard_expired();
  return bury(lock) || serve_one(lock);
}

/// Ends one appliance that nobody needs.
bool AppliancePool::State::bury(Lock& lock) {
  const auto it = std::find_if(places.begin(), places.end(),
                               [](const Place& p) { return p.discarded && !p.leased; });
  if (it == places.end()) return false;
  std::shared_ptr<PooledAppliance> dead = std::move(it->appliance);
  it->leased = true;  // it keeps its place until it is gone, and nobody else buries it
  lock.unlock();
  dead.reset();
  lock.lock();
  places.erase(it);
  return true;
}

void AppliancePool::State::discard_expired() {
  const auto now = Clock::now();
  for (Place& place : places) {
    if (!place.idle()) continue;
    place.discarded =
        stopped || !place.appliance->usable() || now - place.idle_since >= limits.idle;
  }
}

/// Serves the first who can be served.
bool AppliancePool::State::serve_one(Lock& lock) {
  for (auto who = waiting.begin(); who != waiting.end(); ++who) {
    if (stopped) {
      const Ready ready = std::move(who->ready);
      waiting.erase(who);
      lock.unlock();
      call(ready, *stopped);
      lock.lock();
      return true;
    }
    if (Place* mine = of_key(who->request.key)) {
      if (!mine->idle()) continue;  // its turn comes when the other one is through
      if (serves(mine->request.settings, who->request.settings)) {
        lease_warm(lock, *mine, who);
      } else {
        mine->discarded = true;
      }
      return true;
    }
    if (places.size() < limits.most) {
      start_new(lock, who);
      return true;
    }
    return make_room();
  }
  return false;
}

/// Discards the appliance that is idle for longest.
bool AppliancePool::State::make_room() {
  Place* oldest = nullptr;
  for (Place& place : places) {
    if (place.idle() && (!oldest || place.idle_since < oldest->idle_since)) oldest = &place;
  }
  if (oldest) oldest->discarded = true;
  return oldest != nullptr;
}

AppliancePool::Place* AppliancePool::State::of_key(const std::string& key) {
  const auto it = std::find_if(places.begin(), places.end(), [&](const Place& place) {
    return !place.discarded && place.request.key == key;
  });
  return it == places.end() ? nullptr : &*it;
}

void AppliancePool::State::lease_warm(Lock& lock, Place& place, std::list<Waiting>::iterator who) {
  const Ready ready = std::move(who->ready);
  waiting.erase(who);
  place.leased = true;
  ApplianceLease lease = lease_of(place, true);
  lock.unlock();
  call(ready, std::move(lease));
  lock.lock();
}

void AppliancePool::State::start_new(Lock& lock, std::list<Waiting>::iterator who) {
  Waiting waiter = std::move(*who);
  waiting.erase(who);
  const auto place = places.emplace(places.end());
  place->request = waiter.request;
  lock.unlock();
  std::shared_ptr<PooledAppliance> fresh;
  Error failure(EIO, "");
  try {
    fresh = start(waiter.request);
  } catch (const Error& e) {
    failure = e;
  } catch (const std::exception& e) {
    failure = Error(EIO, e.what());
  }
  lock.lock();
  if (!fresh) {
    places.erase(place);
    lock.unlock();
    call(waiter.ready, failure);
    lock.lock();
    return;
  }
  place->appliance = fresh;
  if (place->ended) fresh->end(*place->ended);
  ApplianceLease lease = lease_of(*place, false);
  lock.unlock();
  fresh.reset();
  call(waiter.ready, std::move(lease));
  lock.lock();
}

ApplianceLease AppliancePool::State::lease_of(Place& place, bool was_warm) {
  auto use = std::make_unique<ApplianceLease::Use>();
  use->appliance = place.appliance;
  use->was_warm = was_warm;
  use->give_back = [self = shared_from_this(), which = &place](bool keep) {
    self->give_back(which, keep);
  };
  return ApplianceLease(std::move(use));
}

void AppliancePool::State::give_back(const Place* which, bool keep) {
  const Lock lock(mutex);
  for (Place& place : places) {
    if (&place != which) continue;
    place.leased = false;
    place.idle_since = Clock::now();
    place.discarded |= !keep;
  }
  nudged = true;
  changed.notify_all();
}

std::optional<AppliancePool::Clock::time_point> AppliancePool::State::next_expiry() const {
  std::optional<Clock::time_point> first;
  for (const Place& place : places) {
    if (!place.idle()) continue;
    const auto expiry = place.idle_since + limits.idle;
    if (!first || expiry < *first) first = expiry;
  }
  return first;
}

void AppliancePool::State::call(const Ready& ready, Outcome outcome) {
  try {
    ready(std::move(outcome));
  } catch (const std::exception& e) {
    log::error("an appliance was given to somebody who failed: {}", e.what());
  }
}

}  // namespace v2vfs::fs
