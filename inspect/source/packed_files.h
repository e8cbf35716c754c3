// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "inspect/source/access_point_cache.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// What an OVF says of how one of its files is stored (DSP0243 7.1).
struct PackedFile {
  std::string href;
  bool is_gzip = false;
  std::optional<std::uint64_t> chunk_bytes;  // ovf:chunkSize: HREF.000000000, HREF.000000001, ...
  std::optional<std::uint64_t> bytes;        // ovf:size, of all chunks
};

/// The files that a description names, as what they hold: chunks joined, compressed ones inflated.
/// Besides those that an OVF says it of, a file called .gz that begins as one is inflated, whoever
/// names it. Thread safe.
class PackedFiles : public SourceFiles {
 public:
  /// Looks which chunks there are. What is otherwise than said goes to `assumptions`; chunks that
  /// are missing or of a wrong size make open() throw.
  PackedFiles(std::shared_ptr<const SourceFiles> stored, const std::vector<PackedFile>& packed,
              std::shared_ptr<AccessPointCache> cache, std::vector<std::string>& assumptions);
  /// Nothing is said of any.
  PackedFiles(std::shared_ptr<const SourceFiles> stored, std::shared_ptr<AccessPointCache> cache);

  /// Throws Error as the files below do; EIO for chunks that are not as they should be.
  SourceFile open(std::string_view name) const override;
  std::vector<std::string> names() const override { return stored_->names(); }
  std::vector<std::string> stored_names(const std::string& name) const override;
  SourceFile open_stored(std::string_view name) const override { return stored_->open(name); }
  std::optional<std::string> path_of(std::string_view name) const override {
    return stored_->path_of(name);
  }

 private:
  struct Packing {
    bool is_gzip = false;
    std::vector<std::string> chunks;  // none: it is one file
    std::uint64_t chunk_bytes = 0;
    std::optional<std::uint64_t> bytes;  // of all chunks
    std::string problem;                 // why it cannot be opened
  };
  void find_chunks(const PackedFile& file, Packing& packing, std::vector<std::string>& assumptions);
  void note_plain(const std::string& href, std::vector<std::string>& assumptions) const;
  const Packing* packing_of(std::string_view name) const;
  SourceFile open_chunks(std::string_view name, const Packing& packing) const;

  std::shared_ptr<const SourceFiles> stored_;
  std::shared_ptr<AccessPointCache> cache_;
  std::map<std::string, Packing, std::less<>> packings_;
};

/// True for a name that ends in ".gz".
bool is_called_gzip(std::string_view name);
/// `name` without a ".gz" at its end.
std::string_view without_gzip_suffix(std::string_view name);

}  // namespace v2vfs::inspect
