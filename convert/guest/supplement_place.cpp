// SPDX-License-Identifier: MIT
#include "convert/guest/supplement_place.h"

#include <algorithm>

#include "inspect/base/deflate.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::Compression;

constexpr std::uint64_t kMostTailBytes = 64 << 10;  // the kernel takes a bootconfig of 32 KiB

std::string refusal_of(const inspect::InitrdFacts& image) {
  if (!image.problem.empty()) {
    return "the image could not be read to its end: " + clean_text(image.problem);
  }
  if (image.segments.empty()) return "there is no archive in the image";
  if (image.tail == "unknown") {
    return "behind the image's last archive lies something that is not known; whatever is added "
           "would not be unpacked";
  }
  if (!image.tail.empty() && image.tail != "bootconfig") return "the image has an unknown end";
  return "";
}

Compression format_for(const std::string& last, const std::vector<std::string>& codecs) {
  if (last == "lz4") return Compression::lz4;
  const bool has_gzip =
      codecs.empty() || std::find(codecs.begin(), codecs.end(), "gzip") != codecs.end();
  return has_gzip ? Compression::gzip : Compression::none;
}

std::string packed(Compression format, const std::string& archive) {
  if (format == Compression::gzip) return gzip(archive);
  return format == Compression::lz4 ? inspect::encode_lz4_blocks(archive) : archive;
}

}  // namespace

SupplementPlace place_supplement(const inspect::InitrdFacts& image,
                                 const std::vector<std::string>& codecs) {
  SupplementPlace place;
  place.refusal = refusal_of(image);
  if (!place.refusal.empty()) return place;
  const inspect::InitrdSegment& last = image.segments.back();
  const std::uint64_t end = last.offset + last.bytes;
  place.format = format_for(last.compression, codecs);
  if (place.format == Compression::lz4) {
    place.kept_bytes = end;
  } else {
    place.kept_bytes = end + last.padding;
    place.padding = (4 - place.kept_bytes % 4) % 4;
  }
  if (image.tail == "bootconfig") {
    place.tail_offset = end + last.padding;
    place.tail_bytes = image.bytes - std::min(image.bytes, place.tail_offset);
    if (place.tail_bytes > kMostTailBytes) place.refusal = "the image's bootconfig is too large";
  }
  return place;
}

std::string stored_supplement(const SupplementPlace& place, const std::string& archive,
                              const std::string& tail) {
  std::string bytes = std::string(place.padding, '\0') + packed(place.format, archive);
  if (place.format != Compression::lz4) {
    const std::uint64_t end = place.kept_bytes + bytes.size();
    const std::uint64_t wanted = tail.empty() ? 0 : place.tail_offset % 4;
    bytes.append((wanted + 4 - end % 4) % 4, '\0');
  }
  return bytes + tail;
}

}  // namespace v2vfs::convert
