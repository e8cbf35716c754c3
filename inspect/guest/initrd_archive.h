// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/guest/guest_facts.h"

namespace v2vfs::inspect {

/// Bytes of the image: up to `length` from `offset` on, fewer only at its end.
using ReadAt = std::function<std::string(std::uint64_t offset, std::size_t length)>;

struct InitrdEntry {
  std::string name;        // without leading "/" and "./"
  std::uint32_t mode = 0;  // st_mode: kind and permissions
  std::uint64_t bytes = 0;
  std::size_t segment = 0;  // index of InitrdArchive::segments
};

/// What an initrd image holds, seen as the kernel sees it (init/initramfs.c).
struct InitrdArchive {
  std::vector<InitrdSegment> segments;
  std::vector<InitrdEntry> entries;          // in order; later ones replace earlier ones
  std::map<std::string, std::string> files;  // of the names asked for; the last one of a name
  /// What is behind the last archive and its padding: nothing, "bootconfig" (its footer says so),
  /// or "unknown" (the kernel would stop there with an error).
  std::string tail;
  std::uint64_t tail_offset = 0;
  std::uint64_t unpacked_bytes = 0;
  std::string problem;  // why it was not read to the end, one sentence; empty: it was
};

/// Who gets the bytes of an image's entries, while it is unpacked.
struct InitrdSink {
  /// Returns true to get the entry's bytes: a file's content, a symlink's target.
  std::function<bool(const InitrdEntry& entry)> on_entry;
  /// The next bytes of the entry that was wanted last.
  std::function<void(std::string_view bytes)> on_data;
};

/// Opens an image really: newc archives, plain or in gzip, bzip2, lzma, xz, zstd and legacy lz4,
/// one after another. lzo is told but not opened. Memory and output are bounded (limits.h; decoders
/// get 160 MiB at most); what is damaged or too much ends the reading and is told in `problem`.
/// Throws only what `read_at` and the sink throw, and bad_alloc.
InitrdArchive unpack_initrd(std::uint64_t image_bytes, const ReadAt& read_at,
                            const InitrdSink& sink);

/// The same; `wants(name)`: the content of that file is kept, up to kInitrdFileBytes.
InitrdArchive read_initrd(std::uint64_t image_bytes, const ReadAt& read_at,
                          const std::function<bool(std::string_view name)>& wants);

}  // namespace v2vfs::inspect
