// SPDX-License-Identifier: MIT
//
// Logins on serial consoles, and the display.
#include "convert/guest/plan_draft.h"
#include "convert/guest/system_edits.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

constexpr const char* kWhySerial = "the first serial port is where Xen's console was";

/// modesetting came with the X server of systemd's time; before it vesa drives every screen.
std::string display_driver(const PlanDraft& draft) {
  return draft.guest().init == "systemd" ? "modesetting" : "vesa";
}

void plan_display(PlanDraft& draft) {
  const std::string driver = display_driver(draft);
  const auto edit = [&](const std::string& path) {
    draft.edit(
        path, [&](std::string_view text) { return edit_xorg(text, driver); },
        "the screen is not the old hypervisor's any more");
  };
  edit("/etc/X11/xorg.conf");
  edit("/etc/X11/XF86Config");
  for (const std::string& path : draft.files("/etc/X11/xorg.conf.d/", ".conf")) edit(path);
}

/// upstart's logins of Xen's console, one file a terminal.
void plan_upstart(PlanDraft& draft) {
  for (const char* const console : {"hvc0", "xvc0"}) {
    const std::string job = std::string("/etc/init/") + console;
    if (!draft.text(job + ".conf")) continue;
    draft.create(job + ".override", "manual\n",
                 "there is no Xen console, and it would start again and again");
  }
}

}  // namespace

void plan_console(PlanDraft& draft) {
  draft.edit("/etc/inittab", edit_inittab_console, kWhySerial);
  draft.edit("/etc/securetty", edit_securetty, kWhySerial);
  plan_upstart(draft);
  plan_display(draft);
}

}  // namespace v2vfs::convert
