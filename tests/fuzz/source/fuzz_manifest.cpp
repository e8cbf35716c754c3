// SPDX-License-Identifier: MIT
#include "inspect/source/manifest.h"
#include "tests/fuzz/source/memory_file.h"

namespace {

using namespace v2vfs::inspect;

/// The input up to a NUL is the manifest, the rest the certificate.
class TwoFiles : public SourceFiles {
 public:
  explicit TwoFiles(std::span<const std::uint8_t> bytes)
      : bytes_(bytes),
        cut_(static_cast<std::size_t>(std::find(bytes.begin(), bytes.end(), 0) - bytes.begin())) {}

  SourceFile open(std::string_view name) const override {
    if (name == "a.mf") return memory_file(bytes_.first(cut_));
    return memory_file(bytes_.subspan(std::min(cut_ + 1, bytes_.size())));
  }
  std::vector<std::string> names() const override { return {"a.cert", "a.mf"}; }

 private:
  std::span<const std::uint8_t> bytes_;
  std::size_t cut_;
};

}  // namespace

/// Any bytes: entries with digests of the right length, and a signature that is none.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const TwoFiles files({data, size});
    const auto manifest = read_manifest(files, "a.ovf");
    for (const ManifestEntry& entry : manifest.value().entries) {
      if (entry.hex.size() < 40) std::abort();
    }
    if (check_manifest_signature(files, "a.ovf").what.empty()) std::abort();
  } catch (const v2vfs::Error&) {
  }
  return 0;
}
