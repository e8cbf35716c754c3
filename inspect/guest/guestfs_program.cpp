// SPDX-License-Identifier: MIT
//
// The one place where what the guest brought is executed: in the appliance, which has no network.
#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/guest/guestfs_guest.h"
#include "inspect/guest/guestfs_handle.h"

namespace v2vfs::inspect {

std::string GuestfsGuest::run_program(const std::vector<std::string>& words) {
  if (words.empty()) throw Error(EINVAL, "no program was named");
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    if (word.find('\0') != std::string::npos) throw Error(EINVAL, "a word with a NUL in it");
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const GuestfsText said(
      handle_->check_pointer(::guestfs_command(handle_->get(), arguments.data()), words.front()));
  return said.get();
}

}  // namespace v2vfs::inspect
