// SPDX-License-Identifier: MIT
#include "fs/loader.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {
constexpr std::size_t kThreads = 16;  // they mostly wait for sources
}

Loader::Loader(std::vector<std::shared_ptr<Vm>> vms) : vms_(std::move(vms)) {
  for (const auto& vm : vms_) left_.emplace(vm.get(), vm.get());
  for (std::size_t i = 0; i < std::min(kThreads, vms_.size()); ++i) {
    threads_.emplace_back([this] { run(); });
  }
}

Loader::~Loader() {
  for (std::thread& thread : threads_) thread.join();
}

void Loader::run() {
  std::unique_lock lock(mutex_);
  while (Vm* const vm = next()) {
    lock.unlock();
    load(*vm);
    lock.lock();
    ++done_;
    signal_.notify_all();
  }
}

/// With the lock held; nullptr when all are taken.
Vm* Loader::next() {
  const auto take = [this](const Vm* wanted) -> Vm* {
    const auto found = left_.extract(wanted);
    return found ? found.mapped() : nullptr;
  };
  while (!urgent_.empty()) {
    const Vm* const wanted = urgent_.front();
    urgent_.pop_front();
    if (Vm* const vm = take(wanted)) return vm;
  }
  while (next_ < vms_.size()) {
    if (Vm* const vm = take(vms_[next_++].get())) return vm;
  }
  return nullptr;
}

void Loader::hurry(const Vm& vm) {
  const std::lock_guard lock(mutex_);
  const bool is_known = std::find(urgent_.begin(), urgent_.end(), &vm) != urgent_.end();
  if (left_.contains(&vm) && !is_known) urgent_.push_back(&vm);
}

void Loader::load(Vm& vm) {
  try {
    if (!vm.described()) throw Error(EIO, vm.why_unusable());
    vm.load();
  } catch (const StartError& e) {
    vm.fail(Error(EBUSY, std::string(e.what())));
    const std::lock_guard lock(mutex_);
    if (!refusal_) refusal_ = e;
  } catch (const Error& e) {
    vm.fail(e);
  } catch (const std::exception& e) {
    vm.fail(Error(EIO, std::string(e.what())));
  }
}

void Loader::wait(std::chrono::milliseconds limit, const std::function<bool()>& waits_for_another) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  std::unique_lock lock(mutex_);
  while (done_ < vms_.size()) {
    signal_.wait_for(lock, std::chrono::milliseconds(100));
    if (std::chrono::steady_clock::now() >= deadline && !waits_for_another()) break;
  }
  if (refusal_) throw *refusal_;
}

}  // namespace v2vfs::fs
