// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

namespace v2vfs::ctl {

/// A word of ctl as a command.
struct ControlWord {
  const char* word;
  const char* help;
  const char* doing;  // shown while it is waited for
  const char* done;   // printed behind the VM's name
};

/// All that ctl knows (SEMANTICS.md).
const std::vector<ControlWord>& control_words();

/// Writes the word to the ctl of each VM, waits, says what came of it. The exit code.
int control(const ControlWord& word, const std::vector<std::string>& words, bool quiet);

}  // namespace v2vfs::ctl
