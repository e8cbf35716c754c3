// SPDX-License-Identifier: MIT
#include "inspect/source/packed_files.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"
#include "inspect/source/inflated_file.h"
#include "inspect/source/joined_file.h"
#include "inspect/source/ovf_notes.h"
#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostChunks = 4096;
constexpr std::size_t kChunkDigits = 9;
constexpr std::string_view kGzipSuffix = ".gz";

bool begins_as_gzip(const SourceFile& file) { return file.head(2) == "\x1f\x8b"; }

/// The number of a chunk of `href`, if `name` is one.
std::optional<std::size_t> chunk_number(std::string_view name, std::string_view href) {
  if (name.size() != href.size() + 1 + kChunkDigits || !name.starts_with(href)) return std::nullopt;
  if (name[href.size()] != '.') return std::nullopt;
  std::size_t number = 0;
  for (const char c : name.substr(href.size() + 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + static_cast<std::size_t>(c - '0');
  }
  return number;
}

std::string as_relative(std::string_view name) {
  try {
    return relative_name(name);
  } catch (const Error&) {  // whoever opens it is told
    return std::string(name);
  }
}

}  // namespace

bool is_called_gzip(std::string_view name) { return has_suffix(name, kGzipSuffix); }

std::string_view without_gzip_suffix(std::string_view name) {
  if (is_called_gzip(name)) name.remove_suffix(kGzipSuffix.size());
  return name;
}

PackedFiles::PackedFiles(std::shared_ptr<const SourceFiles> stored,
                         std::shared_ptr<AccessPointCache> cache)
    : stored_(std::move(stored)), cache_(std::move(cache)) {}

PackedFiles::PackedFiles(std::shared_ptr<const SourceFiles> stored,
                         const std::vector<PackedFile>& packed,
                         std::shared_ptr<AccessPointCache> cache,
                         std::vector<std::string>& assumptions)
    : PackedFiles(std::move(stored), std::move(cache)) {
  for (const PackedFile& file : packed) {
    Packing packing;
    packing.is_gzip = file.is_gzip;
    if (file.chunk_bytes) find_chunks(file, packing, assumptions);
    if (file.is_gzip && packing.chunks.empty()) note_plain(file.href, assumptions);
    packings_.try_emplace(as_relative(file.href), std::move(packing));
  }
}

void PackedFiles::find_chunks(const PackedFile& file, Packing& packing,
                              std::vector<std::string>& assumptions) {
  const std::string href = as_relative(file.href);
  bool is_whole_there = false;
  for (const std::string& name : stored_->names()) {  // sorted
    is_whole_there = is_whole_there || name == href;
    const auto number = chunk_number(name, href);
    if (!number) continue;
    if (*number != packing.chunks.size() && packing.problem.empty()) {
      packing.problem =
          fmt::format("its chunk {}.{:09} is not there", clean_text(href), packing.chunks.size());
    }
    packing.chunks.push_back(name);
  }
  packing.chunk_bytes = *file.chunk_bytes;
  if (!file.is_gzip) packing.bytes = file.bytes;
  if (packing.chunks.size() > kMostChunks) {
    packing.problem =
        fmt::format("it has {} chunks, more than {}", packing.chunks.size(), kMostChunks);
  }
  if (packing.chunks.empty() && is_whole_there) {
    ovf::add_note(assumptions,
                  fmt::format("The file {} should be in chunks and is whole.", ovf::quoted(href)));
  }
}

void PackedFiles::note_plain(const std::string& href, std::vector<std::string>& assumptions) const {
  try {
    if (begins_as_gzip(stored_->open(href))) return;
  } catch (const Error&) {  // said by whoever looks for the files
    return;
  }
  ovf::add_note(assumptions,
                fmt::format("The file {} should be compressed and is not.", ovf::quoted(href)));
}

const PackedFiles::Packing* PackedFiles::packing_of(std::string_view name) const {
  const auto found = packings_.find(as_relative(name));
  return found == packings_.end() ? nullptr : &found->second;
}

std::vector<std::string> PackedFiles::stored_names(const std::string& name) const {
  const Packing* const packing = packing_of(name);
  return packing && !packing->chunks.empty() ? packing->chunks : stored_->stored_names(name);
}

SourceFile PackedFiles::open(std::string_view name) const {
  const Packing* const packing = packing_of(name);
  const bool is_chunked = packing && !packing->chunks.empty();
  SourceFile file = is_chunked ? open_chunks(name, *packing) : stored_->open(name);
  const bool may_be_gzip = (packing && packing->is_gzip) || is_called_gzip(name);
  if (!may_be_gzip || !begins_as_gzip(file)) return file;
  std::string shown = file.name() + " (decompressed)";
  return inflated_file({std::move(file)}, std::move(shown), cache_);
}

SourceFile PackedFiles::open_chunks(std::string_view name, const Packing& packing) const {
  const std::string shown = clean_text(name);
  if (!packing.problem.empty()) throw Error(EIO, "{}: {}", shown, packing.problem);
  std::vector<SourceFile> files;
  for (const std::string& chunk : packing.chunks) {
    files.push_back(stored_->open(chunk));
    const bool is_last = files.size() == packing.chunks.size();
    const std::uint64_t bytes = files.back().length();
    if (bytes == packing.chunk_bytes || (is_last && bytes < packing.chunk_bytes)) continue;
    throw Error(EIO, "{} has {} bytes, but a chunk of it has {}", files.back().name(), bytes,
                packing.chunk_bytes);
  }
  SourceFile joined = joined_file(std::move(files), shown);
  if (packing.bytes && *packing.bytes != joined.length()) {
    throw Error(EIO, "{}: its {} chunks have {} bytes, the descriptor says {}", shown,
                packing.chunks.size(), joined.length(), *packing.bytes);
  }
  return joined;
}

}  // namespace v2vfs::inspect
