// SPDX-License-Identifier: MIT
#include "inspect/base/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "inspect/base/error.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs {
namespace {

constexpr std::size_t kWordsBytes = 64 << 10;
constexpr std::size_t kShownWords = 600;
constexpr int kDeathMilliseconds = 10'000;
constexpr int kFirstFd = 3;
constexpr std::array<std::string_view, 6> kProgramFolders = {
    "/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr std::string_view kListenPid = "LISTEN_PID=";
constexpr std::string_view kOomScore = "800";  // of 1000: before anybody else on the host

/// A file in memory that cannot grow: a child may write what it likes.
UniqueFd bounded_file(std::size_t bytes) {
  UniqueFd file(::memfd_create("v2vfs-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file || ::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 ||
      ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0) {
    throw errno_error("starting a process: a file in memory");
  }
  return file;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// All that the child needs between fork(2) and execve(2), made before it: other threads may hold
/// any lock there, so only calls that signal-safety(7) lists are made.
class Launch {
 public:
  Launch(const ChildSetup& setup, std::string path, int words, int failed)
      : path_(std::move(path)),
        arguments_(setup.arguments),
        environment_({kPath, "LC_ALL=C"}),
        files_(setup.files),
        output_(setup.output),
        memory_bytes_(setup.memory_bytes),
        words_(words),
        failed_(failed) {
    environment_.insert(environment_.end(), setup.environment.begin(), setup.environment.end());
    if (setup.listens) {
      environment_.emplace_back("LISTEN_FDS=1");
      environment_.push_back(std::string(kListenPid) + std::string(20, '\0'));  // see name_listener
      listener_ = environment_.back().data() + kListenPid.size();
    }
    argument_pointers_ = pointers(arguments_);
    environment_pointers_ = pointers(environment_);
  }
  Launch(const Launch&) = delete;

  /// In the child.
  [[noreturn]] void run(pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::setpgid(0, 0);
    reset_signals();
    if (::chdir("/") == 0 && place_files() && set_limits()) {
      name_listener();
      ::execve(path_.c_str(), argument_pointers_.data(), environment_pointers_.data());
    }
    const int error = errno;
    [[maybe_unused]] const ssize_t told = ::write(failed_, &error, sizeof error);
    ::_exit(127);
  }

 private:
  static void reset_signals() {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
  }

  /// Copies of all above the places that they go to, then into their places; nothing else stays.
  bool place_files() {
    const int end = kFirstFd + static_cast<int>(files_.size());
    failed_ = ::fcntl(failed_, F_DUPFD_CLOEXEC, end + 1);
    words_ = ::fcntl(words_, F_DUPFD_CLOEXEC, end + 1);
    const int in = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int out = output_ < 0 ? ::open("/dev/null", O_WRONLY | O_CLOEXEC)
                                : ::fcntl(output_, F_DUPFD_CLOEXEC, end + 1);
    for (int& file : files_) file = ::fcntl(file, F_DUPFD_CLOEXEC, end + 1);
    if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(words_, 2) < 0) return false;
    for (std::size_t i = 0; i < files_.size(); ++i) {
      if (::dup2(files_[i], kFirstFd + static_cast<int>(i)) < 0) return false;
    }
    failed_ = ::dup3(failed_, end, O_CLOEXEC);
    return failed_ >= 0 && ::syscall(SYS_close_range, end + 1, ~0U, 0) == 0;
  }

  bool set_limits() const {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    [[maybe_unused]] const ssize_t set = ::write(score, kOomScore.data(), kOomScore.size());
    if (memory_bytes_ == 0) return true;
    const rlimit memory{memory_bytes_, memory_bytes_};
    return ::setrlimit(RLIMIT_AS, &memory) == 0;
  }

  void name_listener() const {
    if (listener_) std::to_chars(listener_, listener_ + 20, ::getpid());
  }

  std::string path_;
  std::vector<std::string> arguments_;
  std::vector<std::string> environment_;
  std::vector<int> files_;
  int output_;
  std::uint64_t memory_bytes_;
  int words_;
  int failed_;
  char* listener_ = nullptr;
  std::vector<char*> argument_pointers_;
  std::vector<char*> environment_pointers_;
};

/// No handler of ours runs in the child: none of our signals reaches it before it has its own.
pid_t fork_quietly(Launch& launch) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t parent = ::getpid();
  const pid_t pid = ::_Fork();  // without handlers that libraries want called
  if (pid == 0) launch.run(parent);
  const int error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) throw errno_error(error, "starting a process");
  return pid;
}

}  // namespace

std::string find_program(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  for (const std::string_view folder : kProgramFolders) {
    std::string path = std::string(folder) + program;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return "";
}

ChildProcess::ChildProcess(const ChildSetup& setup) : words_(bounded_file(kWordsBytes)) {
  std::string path = find_program(setup.program);
  if (path.empty()) throw Error(ENOENT, "the program {} is not installed", setup.program);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw errno_error("starting a process: a pipe");
  const UniqueFd failure(ends[0]);
  UniqueFd failed(ends[1]);
  Launch launch(setup, std::move(path), words_.get(), failed.get());
  pid_ = fork_quietly(launch);
  failed.reset();
  process_.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  int error = 0;
  ssize_t got = 0;
  while ((got = ::read(failure.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (got == 0) return;  // execve(2) closed it
  ::waitpid(pid_, nullptr, 0);
  throw errno_error(error, "starting " + setup.program);
}

ChildProcess::~ChildProcess() {
  kill();
  if (!wait_for_death(kDeathMilliseconds)) {
    log::error("process {} does not die; it is left behind", pid_);
    return;
  }
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void ChildProcess::kill() const { ::kill(-pid_, SIGKILL); }

bool ChildProcess::wait_for_death(int milliseconds) const {
  pollfd dead{process_.get(), POLLIN, 0};
  int result = 0;
  do {
    result = ::poll(&dead, 1, milliseconds);
  } while (result < 0 && errno == EINTR);
  return result > 0;
}

std::string ChildProcess::death() const {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return "it closed its socket";
  }
  if (info.si_code == CLD_EXITED) return fmt::format("exit code {}", info.si_status);
  return fmt::format("signal {}", info.si_status);
}

std::string ChildProcess::last_words() const {
  // The child's stderr shares its file position with this descriptor.
  const off_t written = ::lseek(words_.get(), 0, SEEK_CUR);
  if (written <= 0) return "";
  std::string words(static_cast<std::size_t>(written), '\0');
  const ssize_t got = ::pread(words_.get(), words.data(), words.size(), 0);
  words.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  const std::string_view shown = trim(words);
  return clean_text(shown.substr(shown.size() - std::min(shown.size(), kShownWords)),
                    2 * kShownWords);
}

}  // namespace v2vfs
