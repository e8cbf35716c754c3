// SPDX-License-Identifier: MIT
#include "inspect/guest/guest.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;

}  // namespace

std::optional<std::string> read_whole(Guest& guest, const std::string& path,
                                      std::size_t most_bytes) {
  const std::optional<std::string> real = guest.resolve(path);
  if (!real) return std::nullopt;
  const FileStat stat = guest.stat(*real);
  if (stat.kind != FileKind::file) return std::nullopt;
  if (stat.bytes > most_bytes) {
    throw Error(EFBIG,
                clean_text(path) + " in the guest is larger than what is read of such a file");
  }
  std::string text;
  while (text.size() < most_bytes) {
    const std::size_t want = std::min(kPieceBytes, most_bytes - text.size());
    const std::string piece = guest.read(*real, text.size(), want);
    text += piece;
    if (piece.size() < want) break;
  }
  return text;
}

}  // namespace v2vfs::inspect
