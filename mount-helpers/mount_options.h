// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

/// How mount(8) calls its helpers. Pure.
namespace v2vfs::helper {

struct MountCall {
  std::string source, mountpoint;
  std::vector<std::string> options;
  bool sloppy = false;
  bool fake = false;
  bool verbose = false;
  bool help = false;
  std::string mistake;  // a sentence; empty: none
};

/// SOURCE MOUNTPOINT [-sfnvh] [-o OPTION,...] [-t TYPE] [-N NAMESPACE], in any order.
MountCall parse_call(const std::vector<std::string>& arguments);

/// What v2vfs is given behind -o: without what is mount's and systemd's own, and with -s without
/// what v2vfs does not know. Empty: nothing.
std::string option_list(const MountCall& call);

}  // namespace v2vfs::helper
