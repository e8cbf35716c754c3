// SPDX-License-Identifier: MIT
#include "inspect/guest/initrd_archive.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/guest/cpio_reader.h"
#include "inspect/guest/limits.h"
#include "inspect/guest/stream_decoder.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kReadBytes = 4 << 20;
constexpr std::size_t kMostSegments = 64;
constexpr std::string_view kBootconfigMagic = "#BOOTCONFIG\n";

/// The image through a window, so that small reads do not each ask the guest.
class Window {
 public:
  Window(std::uint64_t bytes, const ReadAt& read_at) : bytes_(bytes), read_at_(read_at) {}

  std::uint64_t bytes() const { return bytes_; }

  /// Up to `length` bytes; a view that the next call ends. Throws Error(EIO) where the image is
  /// shorter than it said.
  std::string_view at(std::uint64_t offset, std::size_t length) {
    length = static_cast<std::size_t>(std::min<std::uint64_t>(length, bytes_ - offset));
    const bool inside = offset >= start_ && offset + length <= start_ + window_.size();
    if (!inside) {
      const std::size_t want = std::max(length, kReadBytes);
      window_.clear();
      start_ = offset;
      while (window_.size() < length) {
        const std::size_t ask = std::min(kReadBytes, want - window_.size());
        const std::string piece = read_at_(offset + window_.size(), ask);
        if (piece.empty()) throw Error(EIO, "it ends at byte {}, before its size", offset);
        window_ += piece;
      }
    }
    return std::string_view(window_).substr(static_cast<std::size_t>(offset - start_), length);
  }

 private:
  std::uint64_t bytes_;
  const ReadAt& read_at_;
  std::string window_;
  std::uint64_t start_ = 0;
};

class InitrdReader {
 public:
  InitrdReader(std::uint64_t bytes, const ReadAt& read_at, const InitrdSink& sink)
      : window_(std::min(bytes, kInitrdBytes), read_at), sink_(sink) {}

  InitrdArchive read() {
    try {
      find_bootconfig();
      while (offset_ < end_ && found_.problem.empty() && found_.tail.empty()) read_segment();
    } catch (const Error& error) {
      if (error.error_number() != EIO && error.error_number() != ENOMEM &&
          error.error_number() != EFBIG && error.error_number() != EOPNOTSUPP) {
        throw;
      }
      found_.problem = error.sentence();
    }
    if (found_.tail.empty() && end_ < window_.bytes()) {
      found_.tail = "bootconfig";
      found_.tail_offset = end_;
    }
    return std::move(found_);
  }

 private:
  /// Its last twelve bytes say so, and the length and checksum before them where it starts
  /// (Documentation/admin-guide/bootconfig.rst).
  void find_bootconfig() {
    end_ = window_.bytes();
    const std::uint64_t footer = 8 + kBootconfigMagic.size();
    if (end_ < footer) return;
    const std::string text(window_.at(end_ - footer, footer));
    if (!text.ends_with(kBootconfigMagic)) return;
    std::uint32_t length = 0;
    for (std::size_t i = 4; i-- > 0;) length = length << 8 | static_cast<std::uint8_t>(text[i]);
    if (length <= end_ - footer) end_ -= footer + length;
  }

  void read_segment() {
    const std::uint64_t zeros = zeros_at(offset_);
    if (!found_.segments.empty()) found_.segments.back().padding += zeros;
    offset_ += zeros;
    if (offset_ >= end_) return;
    const auto compression = compression_of(window_.at(offset_, 8));
    // The kernel reads whatever follows lz4 as one more of its blocks.
    const bool behind_lz4 = !found_.segments.empty() && found_.segments.back().compression == "lz4";
    const bool aligned = compression != Compression::none || offset_ % 4 == 0;
    if (!compression || !aligned || behind_lz4 || found_.segments.size() >= kMostSegments) {
      found_.tail = "unknown";
      found_.tail_offset = offset_;
      return;
    }
    start_segment(*compression);
    const std::uint64_t behind = unpack(*compression);
    InitrdSegment& segment = found_.segments.back();
    segment.bytes = behind - offset_;
    segment.has_trailer = cpio_.saw_trailer();
    offset_ = behind;
  }

  void start_segment(Compression compression) {
    InitrdSegment segment;
    segment.offset = offset_;
    segment.compression = word(compression);
    found_.segments.push_back(segment);
    cpio_ = CpioReader();
    cpio_.on_entry = [this](const CpioEntry& entry) { return take(entry); };
    cpio_.on_data = sink_.on_data;
  }

  std::uint64_t zeros_at(std::uint64_t from) {
    std::uint64_t at = from;
    while (at < end_) {
      const std::string_view piece = window_.at(at, piece_at(at));
      const std::size_t zeros = std::min(piece.find_first_not_of('\0'), piece.size());
      at += zeros;
      if (zeros < piece.size()) break;
    }
    return at - from;
  }

  std::size_t piece_at(std::uint64_t at) const {
    return static_cast<std::size_t>(std::min<std::uint64_t>(kPieceBytes, end_ - at));
  }

  /// Returns the offset behind the segment.
  std::uint64_t unpack(Compression compression) {
    if (compression == Compression::none) return unpack_plain();
    if (compression == Compression::lz4) return unpack_lz4();
    const std::unique_ptr<StreamDecoder> decoder = make_decoder(compression);
    if (!decoder) throw Error(EOPNOTSUPP, "{} is not unpacked here", word(compression));
    return unpack_stream(*decoder);
  }

  std::uint64_t unpack_plain() {
    std::uint64_t at = offset_;
    while (at < end_) {
      const std::size_t length = piece_at(at);
      const std::size_t taken = cpio_.feed(window_.at(at, length), true);
      count_output(taken);
      at += taken;
      if (taken < length || (cpio_.saw_trailer() && cpio_.at_rest())) break;
    }
    check_at_rest();
    return at;
  }

  std::uint64_t unpack_lz4() {
    const auto read_at = [this](std::uint64_t at, std::size_t length) {
      return std::string(window_.at(at, length));
    };
    const std::uint64_t behind = decode_lz4_blocks(
        offset_ + 4, end_, read_at, [this](std::string_view piece) { take_output(piece); });
    check_at_rest();
    return behind;
  }

  std::uint64_t unpack_stream(StreamDecoder& decoder) {
    std::string out(kPieceBytes, '\0');
    std::uint64_t at = offset_;
    while (true) {
      const std::string_view in = at < end_ ? window_.at(at, piece_at(at)) : std::string_view();
      const StreamDecoder::Step step = decoder.step(in, out);
      at += step.taken;
      take_output(std::string_view(out).substr(0, step.made));
      if (step.ended) break;
      if (step.taken == 0 && step.made == 0) throw Error(EIO, "its last archive is cut short");
    }
    check_at_rest();
    return at;
  }

  void take_output(std::string_view piece) {
    count_output(piece.size());
    cpio_.feed(piece);
  }

  void count_output(std::uint64_t bytes) {
    found_.unpacked_bytes += bytes;
    if (found_.unpacked_bytes > kInitrdUnpackedBytes) {
      throw Error(EFBIG, "it unpacks to more than {} MiB", kInitrdUnpackedBytes >> 20);
    }
  }

  void check_at_rest() {
    if (!cpio_.at_rest()) throw Error(EIO, "its last archive is cut short");
  }

  bool take(const CpioEntry& entry) {
    names_bytes_ += entry.name.size();
    if (found_.entries.size() >= kInitrdEntries || names_bytes_ > kInitrdNamesBytes) {
      throw Error(EFBIG, "it has more entries than are looked at");
    }
    found_.entries.push_back({entry.name, entry.mode, entry.bytes, found_.segments.size() - 1});
    ++found_.segments.back().entries;
    return sink_.on_entry(found_.entries.back());
  }

  Window window_;
  const InitrdSink& sink_;
  InitrdArchive found_;
  CpioReader cpio_;
  std::uint64_t offset_ = 0;
  std::uint64_t end_ = 0;
  std::uint64_t names_bytes_ = 0;
};

}  // namespace

InitrdArchive unpack_initrd(std::uint64_t image_bytes, const ReadAt& read_at,
                            const InitrdSink& sink) {
  InitrdArchive archive = InitrdReader(image_bytes, read_at, sink).read();
  if (archive.problem.empty() && image_bytes > kInitrdBytes) {
    archive.problem = "it is larger than what is looked at";
  }
  return archive;
}

InitrdArchive read_initrd(std::uint64_t image_bytes, const ReadAt& read_at,
                          const std::function<bool(std::string_view name)>& wants) {
  std::map<std::string, std::string> files;
  std::string* keeping = nullptr;
  std::uint64_t kept_bytes = 0;
  InitrdSink sink;
  sink.on_entry = [&](const InitrdEntry& entry) {
    const bool regular = (entry.mode & 0170000) == 0100000;
    const bool fits =
        entry.bytes <= kInitrdFileBytes && kept_bytes + entry.bytes <= kInitrdKeptBytes;
    if (!regular || !fits || !wants(entry.name)) return false;
    kept_bytes += entry.bytes;
    keeping = &files[entry.name];
    keeping->clear();
    return true;
  };
  sink.on_data = [&](std::string_view bytes) { *keeping += bytes; };
  InitrdArchive archive = unpack_initrd(image_bytes, read_at, sink);
  archive.files = std::move(files);
  return archive;
}

}  // namespace v2vfs::inspect
