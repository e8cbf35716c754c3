// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "convert/guest/text_edit.h"

/// Kernel command lines in the files of boot loaders. As config_edits.h: words change, nothing
/// else.
namespace v2vfs::convert {

/// One word of a command line -> what it becomes; nullopt: it stays. `kernel` is the file that the
/// line is for (last part of its path), or empty where the text does not say.
using WordEdit =
    std::function<std::optional<std::string>(std::string_view word, std::string_view kernel)>;

/// root=, resume= and whatever else takes a device; console=hvc0 and xvc0. `root` names devices for
/// the initrd of that kernel.
using RenameFor =
    std::function<std::optional<std::string>(std::string_view name, std::string_view kernel)>;
WordEdit device_words(const RenameFor& rename);
WordEdit console_words();

/// All words of a text: /etc/kernel/cmdline, cmdline.d of dracut.
std::string edit_cmdline(std::string_view text, const WordEdit& edit);

/// grub.cfg: lines linux*, module*, and "set kernelopts=".
std::string edit_grub2(std::string_view text, const WordEdit& edit);

/// menu.lst, grub.conf: lines kernel and module, and the "# kopt=" that update-grub builds from.
std::string edit_grub_legacy(std::string_view text, const WordEdit& edit);

/// Entries of the Boot Loader Specification: options.
std::string edit_loader_entry(std::string_view text, const WordEdit& edit);

/// extlinux.conf, syslinux.cfg: APPEND.
std::string edit_syslinux(std::string_view text, const WordEdit& edit);

/// NAME="..." of /etc/default/grub and the like: words of values whose name `is_meant` says.
std::string edit_cmdline_assignments(std::string_view text,
                                     const std::function<bool(std::string_view name)>& is_meant,
                                     const WordEdit& edit);

/// GRUB's environment block: the words of kernelopts. It keeps its size; nullopt where what is
/// longer has no room.
std::optional<std::string> edit_grubenv(std::string_view text, const WordEdit& edit);

/// "default" of menu.lst counts titles from 0: a text with another one; as it is where it has none.
std::string set_legacy_default(std::string_view text, std::size_t entry);

}  // namespace v2vfs::convert
