// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "inspect/guest/guest_facts.h"
#include "inspect/guest/stream_decoder.h"

namespace v2vfs::convert {

/// Where in an initrd image a further archive goes, and how it has to be stored there.
struct SupplementPlace {
  std::string refusal;           // why nowhere, one sentence; empty: it goes
  std::uint64_t kept_bytes = 0;  // of the image, from its start; what is behind them goes
  std::uint64_t padding = 0;     // zero bytes between them and the archive
  inspect::Compression format = inspect::Compression::none;  // none, gzip or lz4
  std::uint64_t tail_offset = 0;  // what comes again behind the archive: a bootconfig
  std::uint64_t tail_bytes = 0;   // 0: nothing
};

/// As the kernel unpacks it (init/initramfs.c, 160 boots of kernels 4.15, 5.4 and 6.1): behind all
/// but lz4 a gzip or plain archive at a multiple of four bytes; behind legacy lz4, which has no end
/// mark, only lz4 with not one byte between; anything that the kernel does not know stops it, so an
/// image with an unknown end, or one that could not be read to its end, is left alone. A bootconfig
/// has to stay last. `codecs` is KernelFacts::initrd_codecs: empty means unknown, and gzip is taken
/// for granted. Pure.
SupplementPlace place_supplement(const inspect::InitrdFacts& image,
                                 const std::vector<std::string>& codecs);

/// What is written behind the bytes that are kept: zeros, the archive as the place has to have it,
/// and `tail`, which the image had at tail_offset, aligned as it was (behind lz4 there is no room
/// for zeros). Pure.
std::string stored_supplement(const SupplementPlace& place, const std::string& archive,
                              const std::string& tail);

}  // namespace v2vfs::convert
