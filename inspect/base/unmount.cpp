// SPDX-License-Identifier: MIT
#include "inspect/base/unmount.h"

#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

extern char** environ;

namespace v2vfs {
namespace {

/// True if it ended with 0. What it says on stderr is left out: the caller says it better.
bool run_fusermount(const std::string& path, bool lazily) {
  std::vector<std::string> words = {"fusermount3", "-u", "-q"};
  if (lazily) words.emplace_back("-z");
  words.insert(words.end(), {"--", path});
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = 0;
  if (::posix_spawnp(&pid, argv[0], nullptr, nullptr, argv.data(), environ) != 0) return false;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool unmount(const std::string& path, int flags) {
  if (::umount2(path.c_str(), UMOUNT_NOFOLLOW | flags) == 0) return true;
  if (errno != EPERM) return false;
  if (run_fusermount(path, flags & MNT_DETACH)) return true;
  // fusermount3 does not say why. Another's mount shows its owner, or is closed to us.
  struct stat status {};
  const bool is_seen = ::stat(path.c_str(), &status) == 0;
  errno = (is_seen ? status.st_uid != ::getuid() : errno == EACCES) ? EPERM : EBUSY;
  return false;
}

}  // namespace v2vfs
