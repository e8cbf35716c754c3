// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "convert/disk/disk_view.h"
#include "convert/disk/image_chain.h"
#include "convert/disk/nbd_server.h"
#include "inspect/base/digest.h"
#include "inspect/base/error.h"

namespace v2vfs::convert {

/// The guest's bytes of an image (VHD, VHDX, VDI, qcow2, QED, Parallels) with what it builds upon.
/// What it is, its size and what of it is damaged we read ourselves; a qemu-nbd gives its blocks.
/// It is started by the first question for content, and again by the next one after it died. Thread
/// safe.
class ImageSource {
 public:
  /// See open_chain. Reads headers and tables, starts nothing.
  ImageSource(const inspect::SourceFiles& files, const std::string& path,
              const inspect::SourceFile& file, ImageFormat format, Digest& digest);

  std::uint64_t bytes() const { return chain_.virtual_bytes(); }
  /// At most so many are no zeros.
  std::uint64_t stored_bytes() const { return chain_.stored_bytes; }
  std::vector<inspect::SourceFile> files() const;
  /// Readings that were guesses, one sentence each.
  const std::vector<std::string>& assumptions() const { return chain_.assumptions; }

  /// The range lies inside. Throws Error(EIO) with the file: within 30 s, whatever qemu-nbd does.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
  /// By our own reading of the tables where there is one table (QEMU does not tell of VHDX); else a
  /// hole is what qemu says to be zeros. lseek(2) asks, and nobody can interrupt that: what is not
  /// answered within 5 s is data.
  Stretch stretch_at(std::uint64_t offset) const;

 private:
  std::shared_ptr<NbdServer> server(Deadline deadline) const;
  void read_sectors(std::uint64_t offset, std::span<std::byte> out) const;
  std::vector<Stretch> ask(std::uint64_t offset, std::uint64_t length) const;
  Stretch table_stretch(std::uint64_t offset) const;
  Stretch asked_stretch(std::uint64_t offset) const;
  const ByteRange* damage_behind(std::uint64_t offset) const;

  const ImageChain chain_;
  mutable std::timed_mutex server_mutex_;
  mutable std::shared_ptr<NbdServer> server_;  // guarded by server_mutex_, as these
  mutable std::optional<Error> failure_;       // of the last start
  mutable Deadline next_start_;
  mutable std::mutex stretch_mutex_;
  mutable std::uint64_t stretches_begin_ = 0;  // guarded by stretch_mutex_, as these
  mutable std::vector<Stretch> stretches_;     // the last answer
};

}  // namespace v2vfs::convert
