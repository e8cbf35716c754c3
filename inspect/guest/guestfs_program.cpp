// SPDX-License-Identifier: MIT
//
// The one place where what the guest brought is executed: in the appliance, which has no network.
#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/guest/guestfs_guest.h"
#include "inspect/guest/guestfs_handle.h"

namespace v2vfs::inspect {
namespace {

/// What went wrong comes last, behind whatever the program said on its way.
std::string last_lines(std::string_view said) {
  constexpr std::size_t kMost = 400;
  while (said.ends_with('\n')) said.remove_suffix(1);
  if (said.size() > kMost) said.remove_prefix(said.size() - kMost);
  return clean_text(said, kMost);
}

}  // namespace

std::string GuestfsGuest::run_program(const std::vector<std::string>& words) {
  if (words.empty()) throw Error(EINVAL, "no program was named");
  std::vector<char*> arguments;
  for (const std::string& word : words) {
    if (word.find('\0') != std::string::npos) throw Error(EINVAL, "a word with a NUL in it");
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  const GuestfsText said(::guestfs_command(handle_->get(), arguments.data()));
  if (said) return said.get();
  handle_->forgive();
  const char* const error = ::guestfs_last_error(handle_->get());
  throw Error(EIO, "{}: {}", clean_text(words.front()), last_lines(error ? error : "it failed"));
}

}  // namespace v2vfs::inspect
