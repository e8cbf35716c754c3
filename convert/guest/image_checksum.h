// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "inspect/base/digest.h"

/// /var/lib/initramfs-tools/VERSION: the line "HEX  /boot/initrd.img-VERSION" by which Debian's and
/// Ubuntu's update-initramfs know the image that they made. One that differs is not replaced by
/// `update-initramfs -u`, so it has to follow the image. Pure.
namespace v2vfs::convert {

struct ChecksumLine {
  DigestKind kind = DigestKind::sha1;  // md5, sha1 or sha256: by its length
  std::string hex;                     // lower case
  std::string rest;                    // what is behind it, line end included
};

/// nullopt: the text is something else.
std::optional<ChecksumLine> parse_checksum_line(std::string_view text);

}  // namespace v2vfs::convert
