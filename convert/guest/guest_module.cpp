// SPDX-License-Identifier: MIT
#include "convert/guest/guest_module.h"

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/guest/stream_decoder.h"

namespace v2vfs::convert {
namespace {

constexpr std::string_view kElf =
    "\x7f"
    "ELF";
constexpr std::size_t kPieceBytes = 256 << 10;

std::string decoded(inspect::StreamDecoder& decoder, std::string_view rest) {
  std::string out;
  std::string piece(kPieceBytes, '\0');
  while (true) {
    const auto step = decoder.step(rest, piece);
    rest.remove_prefix(step.taken);
    out.append(piece, 0, step.made);
    if (step.ended) return out;
    if (out.size() > kMostModuleBytes) throw Error(EFBIG, "it is too large for a module");
    if (step.taken == 0 && step.made == 0) throw Error(EIO, "it is cut short");
  }
}

}  // namespace

std::string decompressed_module(std::string stored) {
  const auto compression = inspect::compression_of(stored);
  const auto decoder = compression ? inspect::make_decoder(*compression) : nullptr;
  std::string module = decoder ? decoded(*decoder, stored) : std::move(stored);
  if (!module.starts_with(kElf)) throw Error(EIO, "it is no kernel module");
  return module;
}

std::string read_module(inspect::Guest& guest, const std::string& path) {
  auto stored = inspect::read_whole(guest, path, kMostModuleBytes);
  if (!stored) throw Error(ENOENT, "the guest has no {}", clean_text(path));
  try {
    return decompressed_module(std::move(*stored));
  } catch (const Error& error) {
    throw Error(error.error_number(), "{} in the guest: {}", clean_text(path), error.sentence());
  }
}

}  // namespace v2vfs::convert
