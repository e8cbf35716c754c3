// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "convert/disk/image_header.h"
#include "inspect/base/digest.h"
#include "inspect/source/source_file.h"

namespace v2vfs::convert {

struct ImageLayer {
  inspect::SourceFile file;
  ImageHeader header;
};

/// An image and what it builds upon, topmost first, found by our own reading of the headers among
/// the source's files: nobody else follows a name in them.
struct ImageChain {
  std::vector<ImageLayer> layers;
  /// Of a single image with one table, by block; empty for all others.
  std::vector<bool> stored;
  std::uint64_t stored_bytes = 0;        // of the guest, by all layers; at most the disk's size
  std::vector<ByteRange> damaged;        // of the guest, ascending and apart; EIO
  std::vector<std::string> assumptions;  // readings that were a guess

  std::uint64_t virtual_bytes() const { return layers.front().header.virtual_bytes; }
};

/// Opens the chain that begins with `file`, called `path` among `files`; headers and tables go into
/// `digest`. A backing file whose name leads nowhere is looked for beside the image: chains are
/// moved. One whose format is not said is told by its content, which is a guess and is noted.
/// Throws Error as read_image_header and scan_image do; ENOENT or EACCES for a layer that is
/// missing or lies outside the source, EIO for one that is a layer already, EOPNOTSUPP for more
/// than 32 layers, for names that are no file's ("nbd://", "json:"), for a VMDK as a backing file,
/// and for layers that are no plain range of a host file.
ImageChain open_chain(const inspect::SourceFiles& files, const std::string& path,
                      const inspect::SourceFile& file, ImageFormat format, Digest& digest);

/// The options with which qemu opens `chain` node by node, each with its driver and file, the
/// lowest without a backing file: it follows no name and guesses no format. Layer i is the
/// descriptor first_fd + i of the process.
std::string image_options(const ImageChain& chain, int first_fd);

}  // namespace v2vfs::convert
