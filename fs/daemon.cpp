// SPDX-License-Identifier: MIT
#include "fs/daemon.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fs/fuse_session.h"
#include "fs/host_watch.h"
#include "fs/loader.h"
#include "fs/machine_inspector.h"
#include "fs/mount_point.h"
#include "fs/mount_table.h"
#include "fs/overlay/io.h"
#include "fs/private_folder.h"
#include "fs/status_json.h"
#include "fs/tree.h"
#include "fs/unpacked_archives.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"
#include "inspect/source/source_json.h"

namespace v2vfs::fs {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kGlancesAtOnce = 4;
constexpr auto kLoadDeadline = std::chrono::seconds(2);

/// A name that was mistyped makes no folders.
void expect_folder_of(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  std::error_code ignored;
  if (folder.empty() || std::filesystem::is_directory(folder, ignored)) return;
  throw StartError(exit_usage,
                   fmt::format("option log={}: its folder is not there", clean_text(file)));
}

void start_log(const Options& options) {
  const log::Level lowest = options.debug ? log::Level::debug : log::Level::info;
  if (!options.log_file.empty()) {
    expect_folder_of(options.log_file);
    log::to_file(options.log_file, lowest);
  } else if (options.foreground) {
    log::to_stderr(lowest);
  } else {
    log::to_syslog(lowest);
  }
}

void raise_file_limit() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<std::string> absolute_paths(const std::vector<std::string>& paths) {
  std::vector<std::string> absolute;
  for (const std::string& path : paths) {
    const bool is_path = !inspect::is_libvirt_uri(path);
    absolute.push_back(is_path ? std::filesystem::absolute(path).string() : path);
  }
  return absolute;
}

/// A request that waits longer than this ends the whole connection (fuse.rst of the kernel).
void warn_of_request_timeout() {
  for (const char* file : {"default_request_timeout", "max_request_timeout"}) {
    const std::string path = std::string("/proc/sys/fs/fuse/") + file;
    unsigned seconds = 0;
    if (std::ifstream(path) >> seconds && seconds > 0) {
      log::warning(
          "{} is {} s: if somebody waits longer than that for a guest to be read, the kernel ends "
          "the whole mount. Set it to 0",
          path, seconds);
    }
  }
}

inspect::FoundSource find_source(const Options& options, std::function<bool()> stop,
                                 UnpackedArchives* unpacked) {
  inspect::SourceOptions given{
      .ovf_configuration = options.ovf_configuration,
      .places_folder = options.ephemeral ? "" : options.cache_dir + "/places",
      .stop = std::move(stop)};
  if (unpacked) {
    given.unpack_folder = [unpacked](const std::string& key, const std::string& archive) {
      return unpacked->folder(key, archive);
    };
  }
  try {
    inspect::FoundSource found = inspect::find_machines(options.sources, given);
    for (const inspect::Problem& problem : found.problems) log::warning("{}", problem.what);
    return found;
  } catch (const Error& e) {
    throw StartError(exit_source, e.sentence());
  }
}

/// Signals arrive here, not in a handler: libfuse's own handlers know one session only.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
  }
  int fd() const { return fd_.get(); }
  bool is_pending() const {
    pollfd poll{fd_.get(), POLLIN, 0};
    return ::poll(&poll, 1, 0) > 0;
  }
  void take() {
    signalfd_siginfo info{};
    (void)!::read(fd_.get(), &info, sizeof info);
  }

 private:
  UniqueFd fd_;
};

class Daemon {
 public:
  explicit Daemon(Options options)
      : options_(std::move(options)), ended_fd_(::eventfd(0, EFD_CLOEXEC)) {}

  ExitCode run(const std::function<void()>& ready) {
    prepare();
    load();
    mount();
    log::info("{} is mounted with {} VMs", options_.mountpoint, vms_.size());
    ready();
    serve_until_unmounted();
    finish();
    return exit_ok;
  }

 private:
  void prepare();
  void load();
  MachineInspector::Setup inspector_setup() const;
  void mount();
  void serve_until_unmounted();
  void finish();
  void stop();
  bool wait_for_writers(steady_clock::time_point deadline);
  std::string writers() const;
  void end_session();
  std::string status_text() const;
  const std::string& state_root() const {
    return ephemeral_ ? ephemeral_->path() : options_.state_dir;
  }

  Options options_;
  Signals signals_;
  UniqueFd ended_fd_;
  std::atomic<bool> is_leaving_ = false;  // what reads a source to its end gives up
  MountContext context_;
  std::optional<PrivateFolder> ephemeral_;
  std::optional<UnpackedArchives> unpacked_;  // before the source, which may ask it
  inspect::FoundSource source_;
  std::optional<StateDir> states_;
  std::vector<std::shared_ptr<Vm>> vms_;
  std::optional<Loader> loader_;
  std::optional<HostWatch> host_;
  std::optional<MachineInspector> inspector_;
  std::optional<WorkQueue> slow_work_, glances_;
  std::string vapp_text_;
  std::optional<Tree> tree_;
  std::optional<FuseSession> session_;
  std::string device_;
};

void Daemon::prepare() {
  raise_file_limit();
  // The daemon moves to the root folder.
  options_.sources = absolute_paths(options_.sources);
  options_.state_dir = std::filesystem::absolute(options_.state_dir);
  options_.cache_dir = std::filesystem::absolute(options_.cache_dir);
  options_.mountpoint = prepare_mountpoint(options_.mountpoint);
  check_outside(options_.mountpoint, options_.sources);
  check_outside(options_.mountpoint, {options_.state_dir});
  if (options_.ephemeral) ephemeral_.emplace(options_.state_dir, "ephemeral-");
  if (options_.unpack) unpacked_.emplace(state_root(), options_.mountpoint);
  source_ = find_source(
      options_, [this] { return is_leaving_ || signals_.is_pending(); },
      unpacked_ ? &*unpacked_ : nullptr);
  start_log(options_);
  warn_of_request_timeout();
}

MachineInspector::Setup Daemon::inspector_setup() const {
  return {.state_root = options_.state_dir,
          .cache_folder = options_.cache_dir,
          .pool = {options_.appliances, std::chrono::seconds(options_.appliance_idle_s)},
          .silence = std::chrono::seconds(options_.appliance_timeout_s),
          .may_use_kvm = [this] { return host_->choice().kvm; }};
}

void Daemon::load() {
  std::set<std::string> machines;
  for (const auto& machine : source_.machines) machines.insert(machine.folder);
  for (const auto& each : options_.vm_overrides) {
    if (machines.count(each.folder) > 0) continue;
    throw StartError(exit_usage,
                     fmt::format("option {0}/{1} is for the VM {0}, which is not in the source",
                                 clean_text(each.folder), each.name));
  }
  states_.emplace(state_root(), options_.mountpoint, machines);
  host_.emplace(options_.accel, options_.state_dir);
  inspector_.emplace(inspector_setup());
  slow_work_.emplace(options_.appliances);
  glances_.emplace(kGlancesAtOnce);
  context_ = {.mountpoint = options_.mountpoint,
              .read_only = options_.read_only,
              .uid = ::geteuid(),
              .gid = ::getegid(),
              .host = [this] { return host_->choice(); },
              .io = &real_io(),
              .states = &*states_,
              .inspect =
                  [this](const auto& vm, const auto& machine, const auto& choice,
                         const auto& options, const auto& disks, const auto& stop) {
                    return inspector_->inspect(vm, machine, choice, options, disks, stop);
                  },
              .open_guest =
                  [this](const auto& vm, const auto& choice, auto changes, const auto& plan,
                         const auto& disks, const auto& stop) {
                    return inspector_->open_guest(vm, choice, changes, plan, disks, stop);
                  },
              .change_guest =
                  [this](const auto& vm, const auto& choice, const auto& disks, const auto& change,
                         const auto& stop) { inspector_->change(vm, choice, disks, change, stop); },
              .slow_work = &*slow_work_,
              .glances = &*glances_,
              .hurry = [this](const Vm& vm) { loader_->hurry(vm); }};
  ::clock_gettime(CLOCK_REALTIME, &context_.started);
  if (!source_.appliances.empty()) vapp_text_ = inspect::vapp_json(source_);
  for (inspect::FoundMachine& machine : source_.machines) {
    VmOptions vm_options = options_.for_vm(machine.folder);
    vm_options.guest_choice.read_key_files();
    vms_.push_back(std::make_shared<Vm>(std::move(machine), vm_options, context_));
  }
  loader_.emplace(vms_);
  loader_->wait(kLoadDeadline, [this] { return states_->waits_for_another(); });
}

std::string Daemon::status_text() const {
  MountStatus status{options_.sources, states_->root(), {}};
  for (const auto& vm : vms_) status.vms.push_back(vm->status());
  return to_json(status);
}

void Daemon::mount() {
  std::function<std::string()> appliance;
  if (!vapp_text_.empty()) appliance = [this] { return vapp_text_; };
  tree_.emplace(
      context_, vms_, [this] { return status_text(); }, std::move(appliance));
  const SessionOptions session{options_.mountpoint,  options_.sources[0], options_.read_only,
                               options_.allow_other, options_.debug,      options_.fuse_options};
  session_.emplace(*tree_, states_->root(), session, [fd = ended_fd_.get()] {
    const std::uint64_t one = 1;
    (void)!::write(fd, &one, sizeof one);
  });
  device_ = mount_device(options_.mountpoint);
}

void Daemon::serve_until_unmounted() {
  bool stopping = false;
  for (;;) {
    pollfd fds[] = {{ended_fd_.get(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
    const int ready = ::poll(fds, 2, 1000);
    // The eventfd alone will not do: libfuse's loop waits for its threads, and one may hang.
    if (fds[0].revents || session_->ended()) return;
    if (ready <= 0) continue;
    signals_.take();
    if (stopping) return end_session();
    stopping = true;
    stop();
  }
}

std::string Daemon::writers() const {
  std::string text;
  for (const auto& vm : vms_) {
    for (const DiskStatus& disk : vm->status().disks) {
      for (const Holder& holder : disk.holders) {
        if (!holder.writes) continue;
        text += fmt::format("{}{}/{} by process {}", text.empty() ? "" : ", ", vm->folder(),
                            disk.file, holder.pid);
      }
    }
  }
  return text;
}

/// True when nobody writes any more; false at the deadline, a second signal or the end of the
/// mount.
bool Daemon::wait_for_writers(steady_clock::time_point deadline) {
  while (!writers().empty()) {
    if (steady_clock::now() >= deadline) return false;
    pollfd fds[] = {{ended_fd_.get(), POLLIN, 0}, {signals_.fd(), POLLIN, 0}};
    if (::poll(fds, 2, 100) > 0 || session_->ended()) return false;
  }
  return true;
}

/// SIGTERM: nobody new may write, what was written becomes durable, those who write may finish.
void Daemon::stop() {
  for (const auto& vm : vms_) vm->refuse_writers();
  for (const auto& vm : vms_) vm->flush();
  if (const std::string who = writers(); !who.empty()) {
    log::warning(
        "stopping, but disks are open for writing: {}. Waiting up to {} s for them; a "
        "second signal ends it now",
        who, options_.stop_timeout_s);
    if (!wait_for_writers(steady_clock::now() + std::chrono::seconds(options_.stop_timeout_s))) {
      log::warning("leaving although disks are still open for writing");
    }
  }
  end_session();
}

/// Lazily, so that it is gone from the tree even while somebody uses it; then the connection
/// itself, for whoever still does gets an error and not a wait without end.
void Daemon::end_session() {
  if (session_->ended()) return;  // its device number may be another's by now
  // Somebody may have unmounted it lazily and mounted something else there.
  if (mount_device(options_.mountpoint) == device_) unmount_by_force(options_.mountpoint);
  abort_connection(device_);
}

/// A thread that hangs in a source (NFS) cannot be ended, and while the daemon is there nobody else
/// gets its states. It may die at any time without losing what was acknowledged (rule R1).
void leave_after(std::chrono::seconds limit) {
  std::thread([limit] {
    std::this_thread::sleep_for(limit);
    log::warning("a thread still hangs, in a source that does not answer: leaving without it");
    std::_Exit(exit_ok);
  }).detach();
}

void Daemon::finish() {
  is_leaving_ = true;
  leave_after(std::chrono::seconds(std::max(options_.stop_timeout_s, 10u)));
  for (const auto& vm : vms_) {
    vm->stop();
    vm->flush();
  }
  inspector_->stop();
  slow_work_->stop();
  glances_->stop();
  session_.reset();
  glances_.reset();  // they may hand on to slow work
  slow_work_.reset();
  for (const auto& vm : vms_) vm->flush();
  loader_.reset();
  tree_.reset();
  vms_.clear();
  log::info("{} is unmounted", options_.mountpoint);
}

/// What the child tells the parent: the exit code, then the sentence.
void report(int fd, ExitCode exit_code, const std::string& sentence) {
  const std::string message = static_cast<char>('0' + exit_code) + sentence;
  (void)!::write(fd, message.data(), message.size());
}

ExitCode wait_for_report(int fd) {
  std::string message;
  char buffer[512];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    message.append(buffer, static_cast<std::size_t>(got));
  }
  if (message.empty()) {
    std::fprintf(stderr, "v2vfs: the daemon ended without a word; the log may say why\n");
    return exit_internal;
  }
  if (message.size() > 1) std::fprintf(stderr, "v2vfs: %s\n", message.c_str() + 1);
  return static_cast<ExitCode>(message[0] - '0');
}

/// stdin, stdout and stderr become /dev/null; stays where it is if that is missing.
void leave_terminal() {
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  for (const int fd : {0, 1, 2}) ::dup2(null.get(), fd);
}

[[noreturn]] void run_child(const Options& options, UniqueFd pipe) {
  ::setsid();
  // Ctrl-C while a large source is still being read reaches the parent only.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ExitCode exit_code = exit_internal;
  std::string sentence;
  try {
    exit_code = run_mount(options, [&] {
      ::prctl(PR_SET_PDEATHSIG, 0);
      report(pipe.get(), exit_ok, "");
      pipe.reset();
      (void)!::chdir("/");
      leave_terminal();
    });
  } catch (const StartError& e) {
    exit_code = e.exit_code();
    sentence = e.what();
  } catch (const std::exception& e) {
    sentence = e.what();
  }
  if (pipe) report(pipe.get(), exit_code, sentence);
  std::_Exit(exit_code);
}

}  // namespace

ExitCode run_mount(Options options, const std::function<void()>& ready) {
  return Daemon(std::move(options)).run(ready);
}

ExitCode run_mount_in_background(const Options& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw StartError(exit_internal, "cannot make a pipe");
  UniqueFd read_end(ends[0]), write_end(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) throw StartError(exit_internal, "cannot start a process");
  if (pid == 0) {
    read_end.reset();
    run_child(options, std::move(write_end));
  }
  write_end.reset();
  return wait_for_report(read_end.get());
}

}  // namespace v2vfs::fs
