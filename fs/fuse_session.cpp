// SPDX-License-Identifier: MIT
#include "fs/fuse_session.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>

#include "fs/fuse_guard.h"
#include "fs/fuse_ops.h"
#include "fs/mount_table.h"
#include "fs/options.h"
#include "inspect/base/log.h"

namespace v2vfs::fs {
namespace {

using std::chrono::steady_clock;

/// A request to a source that hangs holds a thread; there is room for many of them before anybody
/// else notices.
constexpr unsigned kMostThreads = 512;

constexpr auto kLongestStart = std::chrono::seconds(30);

std::string escape_commas(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ',' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string mount_options(const SessionOptions& options) {
  std::string text = "default_permissions,nosuid,nodev,noexec,subtype=v2vfs,fsname=" +
                     escape_commas(options.source_name);
  if (options.allow_other) text += ",allow_other";
  if (options.read_only) text += ",ro";
  for (const std::string& option : options.fuse_options) text += "," + escape_commas(option);
  return text;
}

/// Argument list of libfuse with its own destructor.
class Arguments {
 public:
  explicit Arguments(const SessionOptions& options) {
    fuse_opt_add_arg(&args_, "v2vfs");
    fuse_opt_add_arg(&args_, "-o");
    fuse_opt_add_arg(&args_, mount_options(options).c_str());
    if (options.debug) fuse_opt_add_arg(&args_, "-d");
  }
  ~Arguments() { fuse_opt_free_args(&args_); }
  Arguments(const Arguments&) = delete;
  fuse_args* get() { return &args_; }

 private:
  fuse_args args_ = FUSE_ARGS_INIT(0, nullptr);
};

/// True at most every ten seconds for the same sentence.
bool is_news(const std::string& sentence) {
  static std::mutex mutex;
  static std::map<std::string, steady_clock::time_point> told;
  const std::lock_guard lock(mutex);
  const auto now = steady_clock::now();
  if (told.size() > 256) told.clear();
  auto [entry, is_new] = told.try_emplace(sentence, now);
  if (is_new) return true;
  if (now - entry->second < std::chrono::seconds(10)) return false;
  entry->second = now;
  return true;
}

bool needs_attention(int error_number) {
  switch (error_number) {
    case EIO:
    case ENOSPC:
    case ESTALE:
    case EINVAL:
    case EBUSY:
    case ENOMEM:
      return true;
    default:
      return false;
  }
}

}  // namespace

void log_failure(const char* operation, fuse_ino_t ino, pid_t pid, int error_number,
                 const std::string& sentence) noexcept {
  try {
    if (needs_attention(error_number)) {
      if (is_news(sentence)) log::warning("{} ({} by process {})", sentence, operation, pid);
    } else {
      log::debug("{} of inode {} by process {}: {}", operation, ino, pid, sentence);
    }
  } catch (...) {  // a full disk must not turn a reply into a crash
  }
}

class FuseSession::Impl {
 public:
  Impl(NodeSpace& nodes, std::string state_root, const SessionOptions& options,
       std::function<void()> ended)
      : target_{&nodes, std::move(state_root), {}, {}, {}, {}},
        ended_([this, ended = std::move(ended)] {
          finished_ = true;
          ended();
        }) {
    Arguments arguments(options);
    session_ =
        fuse_session_new(arguments.get(), &fuse_operations(), sizeof(fuse_lowlevel_ops), &target_);
    if (!session_) throw StartError(exit_usage, "libfuse does not take one of the -o options");
    if (fuse_session_mount(session_, options.mountpoint.c_str()) != 0) {
      fuse_session_destroy(session_);
      throw StartError(exit_mount, "cannot mount on " + options.mountpoint +
                                       ": libfuse said why (is /dev/fuse there, is fuse3 "
                                       "installed, may you write to the folder?)");
    }
    loop_ = std::thread([this] { run(); });
    if (target_.answered.get_future().wait_for(kLongestStart) != std::future_status::ready) {
      unmount_lazily(options.mountpoint);
      loop_.join();
      fuse_session_destroy(session_);
      throw StartError(exit_mount, options.mountpoint + ": the kernel does not answer");
    }
  }

  ~Impl() {
    loop_.join();
    target_.waiting.close();  // what is parked is answered while there is a session to answer to
    fuse_session_unmount(session_);
    fuse_session_destroy(session_);
  }

  /// libfuse's own flag is true only until its loop has returned.
  bool ended() const { return finished_ || fuse_session_exited(session_); }

 private:
  void run() {
    fuse_loop_config* config = fuse_loop_cfg_create();
    fuse_loop_cfg_set_clone_fd(config, 1);
    fuse_loop_cfg_set_max_threads(config, kMostThreads);
    const int result = fuse_session_loop_mt(session_, config);
    fuse_loop_cfg_destroy(config);
    if (result < 0) log::error("the FUSE loop ended: {}", std::strerror(-result));
    ended_();
  }

  FuseTarget target_;
  std::atomic<bool> finished_ = false;
  std::function<void()> ended_;
  fuse_session* session_ = nullptr;
  std::thread loop_;
};

FuseSession::FuseSession(NodeSpace& nodes, std::string state_root, const SessionOptions& options,
                         std::function<void()> ended)
    : impl_(std::make_unique<Impl>(nodes, std::move(state_root), options, std::move(ended))) {}

FuseSession::~FuseSession() = default;

bool FuseSession::ended() const { return impl_->ended(); }

}  // namespace v2vfs::fs
