// SPDX-License-Identifier: MIT
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "mount-helpers/mount_options.h"

// mount.v2vfs: what mount(8) calls for `mount -t v2vfs` and for lines of fstab. It turns mount's
// own arguments and exit codes into those of v2vfs, which has to stand beside it or in PATH.

extern char** environ;

namespace {

using namespace v2vfs::helper;

// As in mount(8), "EXIT STATUS".
enum MountExit { exit_mounted = 0, exit_invocation = 1, exit_bug = 4, exit_failed = 32 };

constexpr const char* kHelp =
    R"(Usage: mount.v2vfs SOURCE MOUNTPOINT [-s] [-f] [-n] [-v] [-o OPTION,...]

mount(8) calls it for `mount -t v2vfs SOURCE MOUNTPOINT` and for lines of fstab; the
options for -o are those of `v2vfs --help`.

  -s   leave out options that v2vfs does not know
  -f   fake: all but the mounting
  -n   has no meaning here: there is no mtab
  -v   show the command that is run
  -o   options
  -t, -N   taken and left out: they are for mount(8) itself
)";

int usage(const std::string& sentence) {
  std::fprintf(stderr, "mount.v2vfs: %s\n", sentence.c_str());
  return exit_invocation;
}

/// Beside /proc/self/exe lies sbin's v2vfs where both are installed; else PATH has it.
std::string daemon_path() {
  char buffer[4096];
  const ssize_t length = ::readlink("/proc/self/exe", buffer, sizeof buffer);
  const std::string self(buffer, length > 0 ? static_cast<std::size_t>(length) : 0);
  const std::string beside = self.substr(0, self.rfind('/') + 1) + "v2vfs";
  return ::access(beside.c_str(), X_OK) == 0 ? beside : "v2vfs";
}

/// mount(8) takes the environment from users; v2vfs keeps their states in their homes.
void set_home() {
  const char* const home = std::getenv("HOME");
  if (::geteuid() == 0 || (home && *home == '/')) return;
  const passwd* const user = ::getpwuid(::geteuid());
  if (user && user->pw_dir[0] == '/') ::setenv("HOME", user->pw_dir, 1);
}

int exit_code_for_mount(int status) {
  if (!WIFEXITED(status)) return exit_bug;
  switch (WEXITSTATUS(status)) {
    case 0:
      return exit_mounted;
    case 1:
      return exit_invocation;
    case 5:
      return exit_bug;
    default:
      return exit_failed;
  }
}

int run(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (const int error = ::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ)) {
    errno = error;
    std::perror("mount.v2vfs: v2vfs");
    return exit_failed;
  }
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return exit_code_for_mount(status);
}

}  // namespace

int main(int argc, char** argv) {
  const MountCall call = parse_call({argv + 1, argv + argc});
  if (call.help) {
    std::fputs(kHelp, stdout);
    return exit_mounted;
  }
  if (!call.mistake.empty()) return usage(call.mistake);
  std::vector<std::string> words = {daemon_path()};
  const std::string options = option_list(call);
  if (!options.empty()) words.insert(words.end(), {"-o", options});
  words.insert(words.end(), {"--", call.source, call.mountpoint});
  if (call.verbose) {
    for (const std::string& word : words) std::printf("%s ", word.c_str());
    std::printf("\n");
    std::fflush(stdout);
  }
  set_home();
  return call.fake ? exit_mounted : run(std::move(words));
}
