// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/exit_code.h"

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs::ctl {

ExitCode exit_code_of(const std::exception& failure) {
  const auto* const error = dynamic_cast<const Error*>(&failure);
  if (!error) return exit_internal;
  switch (error->error_number()) {
    case EINVAL:
      return exit_usage;
    case ENOENT:
    case ENOTDIR:
    case ENOTCONN:
      return exit_not_there;
    case EBUSY:
    case ETXTBSY:
      return exit_busy;
    case EOPNOTSUPP:
      return exit_unsupported;
    case EINTR:
      return exit_interrupted;
    default:
      return exit_failed;
  }
}

}  // namespace v2vfs::ctl
