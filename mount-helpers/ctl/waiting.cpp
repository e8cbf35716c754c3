// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/waiting.h"

#include <fmt/core.h>
#include <pthread.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/show_status.h"

namespace v2vfs::ctl {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBeforeFirst{700};  // what is done sooner needs no words
constexpr std::chrono::milliseconds kBetween{500};

volatile std::sig_atomic_t was_interrupted = 0;

void on_interrupt(int) { was_interrupted = 1; }

/// Started with all signals blocked.
template <typename Body>
std::jthread thread_without_signals(Body body) {
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::jthread thread(std::move(body));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

std::string activity_of(const Place& vm, const std::string& otherwise) {
  try {
    const std::string activity = activity_text(read_vm_status(vm.mountpoint, vm.vm));
    return vm.vm + ": " + (activity == "-" ? otherwise : activity);
  } catch (const Error&) {
    return vm.vm + ": " + otherwise;
  }
}

}  // namespace

Waiting::Waiting(Place vm, std::string what, bool quiet)
    : vm_(std::move(vm)),
      what_(std::move(what)),
      line_(quiet),
      thread_(thread_without_signals([this](const std::stop_token& stop) { run(stop); })) {}

void Waiting::run(const std::stop_token& stop) {
  const auto start = steady_clock::now();
  std::mutex mutex;
  std::condition_variable_any stopped;
  for (auto pause = kBeforeFirst;; pause = kBetween) {
    std::unique_lock lock(mutex);
    if (stopped.wait_for(lock, stop, pause, [&] { return stop.stop_requested(); })) return;
    line_.show_waiting(activity_of(vm_, what_), std::chrono::duration_cast<std::chrono::seconds>(
                                                    steady_clock::now() - start));
  }
}

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = on_interrupt;  // and no SA_RESTART
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) ::sigaction(signal, &action, nullptr);
}

bool interrupted() { return was_interrupted != 0; }

}  // namespace v2vfs::ctl
