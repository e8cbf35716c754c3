// SPDX-License-Identifier: MIT
// librpm's list of packages is the one thing of a guest that only libguestfs reads. Its public call
// for it wants an inspection by libguestfs first, which unmounts everything and takes a minute
// under TCG; this is the call behind that one.
#define GUESTFS_PRIVATE 1

#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/guest/guestfs_guest.h"
#include "inspect/guest/guestfs_handle.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {

std::vector<PackageEntry> GuestfsGuest::rpm_packages(const std::string& root_device) {
  // librpm reads the guest's macros, which may run programs of the guest in the appliance: only
  // where that can change nothing but a throw-away overlay.
  if (any_writable_) {
    throw Error(EPERM, "{}: packages are listed while the disks are read-only",
                clean_text(root_device));
  }
  const std::unique_ptr<guestfs_application2_list, decltype(&::guestfs_free_application2_list)>
      found(handle_->check_pointer(::guestfs_internal_list_rpm_applications(handle_->get()),
                                   root_device),
            ::guestfs_free_application2_list);
  std::vector<PackageEntry> packages;
  for (std::uint32_t i = 0; i < found->len; ++i) {
    const guestfs_application2& each = found->val[i];
    packages.push_back({each.app2_name, each.app2_version, each.app2_release,
                        each.app2_epoch > 0 ? std::to_string(each.app2_epoch) : "", each.app2_arch,
                        each.app2_url, each.app2_summary,
                        std::string(each.app2_description).substr(0, kDescriptionBytes)});
  }
  return packages;
}

}  // namespace v2vfs::inspect
