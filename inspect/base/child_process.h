// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "inspect/base/unique_fd.h"

namespace v2vfs {

/// What a child is started with. It gets this and nothing else of ours: no other descriptor, no
/// environment, no signal mask.
struct ChildSetup {
  /// A path, or a name that is looked for where the system keeps programs, whatever our PATH says.
  std::string program;
  std::vector<std::string> arguments;    // argv[0] among them
  std::vector<std::string> environment;  // beside PATH and LC_ALL=C
  std::vector<int> files;                // they become descriptors 3, 4, ...
  /// The first of `files` is a listening socket, said as sd_listen_fds(3) says it.
  bool listens = false;
  int output = -1;                 // becomes its stdout; -1: /dev/null
  std::uint64_t memory_bytes = 0;  // of address space; 0: no limit
};

/// The path of `program` (see ChildSetup); empty if it is not installed.
std::string find_program(const std::string& program);

/// A program of this host in a process group of its own, without a shell. It is killed, stopped or
/// not, when the thread that started it ends: so that has to be a lasting one, and the child ends
/// with us however we die. Its stdin is /dev/null, its stderr is a memory file that cannot grow.
/// Thread safe.
class ChildProcess {
 public:
  /// Throws Error: ENOENT if there is no such program, else as the system says.
  explicit ChildProcess(const ChildSetup& setup);
  /// Kills the group and reaps the child.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// Readable once the child is dead.
  int pidfd() const { return process_.get(); }
  /// The memory file.
  int stderr_file() const { return words_.get(); }

  /// SIGKILL to the group. The number is its own: nobody reaps before the destructor.
  void kill() const;
  /// True if it is dead within that time.
  bool wait_for_death(int milliseconds) const;
  /// "exit code 1", "signal 9", or that it lives.
  std::string death() const;
  /// The end of what it wrote to stderr, cleaned; empty: nothing.
  std::string last_words() const;

 private:
  UniqueFd words_;
  UniqueFd process_;
  pid_t pid_ = 0;
};

}  // namespace v2vfs
