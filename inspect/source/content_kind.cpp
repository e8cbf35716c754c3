// SPDX-License-Identifier: MIT
#include "inspect/source/content_kind.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/deflated_stream.h"
#include "inspect/source/tar_header.h"
#include "inspect/source/text_kind.h"
#include "inspect/source/xz_file.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kLooked = 64 << 10;

bool is_tar(std::string_view bytes) {
  TarBlock block;
  if (bytes.size() < block.size()) return false;
  std::copy_n(reinterpret_cast<const std::byte*>(bytes.data()), block.size(), block.begin());
  return has_tar_checksum(block);
}

template <typename Head>
bool holds_tar(Head head) {
  try {
    return is_tar(head());
  } catch (const Error&) {  // whoever reads it to its end says what is wrong
    return false;
  }
}

/// Without the NULs of UTF-16 and a byte order mark in front.
bool is_ovf(std::string bytes) {
  std::erase(bytes, '\0');
  std::string_view text = bytes;
  for (const std::string_view mark : {"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"}) {
    if (text.starts_with(mark)) text.remove_prefix(mark.size());
  }
  return trim(text).starts_with('<') && text.find("Envelope") != std::string_view::npos;
}

}  // namespace

bool is_archive(ContentKind kind) {
  return kind == ContentKind::tar || kind == ContentKind::tar_gzip || kind == ContentKind::tar_xz ||
         kind == ContentKind::zip;
}

ContentKind content_kind(const SourceFile& file) {
  const std::string bytes = file.head(kLooked);
  const std::string_view text = bytes;
  if (text.empty()) return ContentKind::empty;
  if (text.starts_with("\x1f\x8b")) {
    return holds_tar([&] { return inflate_head({file}, kTarBlock); }) ? ContentKind::tar_gzip
                                                                      : ContentKind::gzip;
  }
  if (text.starts_with(std::string_view("\xfd"
                                        "7zXZ\0",
                                        6)))
    return holds_tar([&] { return xz_head(file, kTarBlock); }) ? ContentKind::tar_xz
                                                               : ContentKind::xz;
  if (text.starts_with("PK\x03\x04")) return ContentKind::zip;
  if (is_tar(text)) return ContentKind::tar;
  const ContentKind kind = text_kind(text);
  if (kind != ContentKind::other) return kind;
  return is_ovf(bytes) ? ContentKind::ovf : ContentKind::other;
}

}  // namespace v2vfs::inspect
