// SPDX-License-Identifier: MIT
#include "inspect/source/manifest.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kLargestManifest = 1 << 20;
constexpr std::size_t kReadBytes = 1 << 20;

struct Algorithm {
  DigestKind kind;
  std::size_t hex_digits;
};

std::optional<Algorithm> algorithm(std::string_view word) {
  std::string name = to_lower(trim(word));
  std::erase(name, '-');
  if (name == "sha1") return Algorithm{DigestKind::sha1, 40};
  if (name == "sha256" || name == "sha2256") return Algorithm{DigestKind::sha256, 64};
  if (name == "sha512" || name == "sha2512") return Algorithm{DigestKind::sha512, 128};
  return std::nullopt;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

/// ALGORITHM(FILE)= HEX. The name may hold any of these signs: it ends at the last ")".
std::optional<ManifestEntry> parse_line(std::string_view line) {
  const std::size_t open = line.find('(');
  const std::size_t close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  const std::optional<Algorithm> known = algorithm(line.substr(0, open));
  std::string_view value = trim(line.substr(close + 1));
  if (!known || !value.starts_with('=')) return std::nullopt;
  const std::string hex = to_lower(trim(value.substr(1)));
  if (hex.size() != known->hex_digits || !is_hex(hex)) return std::nullopt;
  std::string_view file = trim(line.substr(open + 1, close - open - 1));
  while (file.starts_with("./")) file.remove_prefix(2);
  return ManifestEntry{std::string(file), known->kind, hex};
}

std::optional<std::string> manifest_name(const SourceFiles& files,
                                         std::string_view descriptor_path) {
  const std::string stem = std::filesystem::path(descriptor_path).stem();
  std::vector<std::string> found;
  for (const std::string& name : files.names()) {
    const std::filesystem::path path(name);
    if (!equals_ignoring_case(path.extension().native(), ".mf")) continue;
    if (path.filename().native().starts_with("._")) continue;  // AppleDouble
    if (path.stem() == stem) return name;
    found.push_back(name);
  }
  if (found.size() == 1) return found[0];
  return std::nullopt;
}

}  // namespace

Manifest parse_manifest(std::string_view text) {
  Manifest manifest;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    if (auto entry = parse_line(line)) {
      manifest.entries.push_back(std::move(*entry));
    } else {
      manifest.ignored.push_back(
          fmt::format("The manifest's line \"{}\" is not understood.", clean_text(line)));
    }
  }
  return manifest;
}

std::optional<Manifest> read_manifest(const SourceFiles& files, std::string_view descriptor_path) {
  const std::optional<std::string> name = manifest_name(files, descriptor_path);
  if (!name) return std::nullopt;
  const SourceFile file = files.open(*name);
  if (file.length() > kLargestManifest) throw Error(EFBIG, "{} is larger than 1 MiB", file.name());
  std::string text(file.length(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return parse_manifest(text);
}

std::optional<std::string> check_digest(const SourceFiles& files, const ManifestEntry& entry,
                                        const std::function<bool()>& stop) {
  const SourceFile file = files.open(entry.file);
  Digest digest(entry.kind);
  std::vector<std::byte> buffer(kReadBytes);
  for (std::uint64_t offset = 0; offset < file.length();) {
    if (stop()) return std::nullopt;
    const std::size_t bytes = std::min<std::uint64_t>(buffer.size(), file.length() - offset);
    file.read(offset, std::span(buffer).first(bytes));
    digest.add(std::span<const std::byte>(buffer).first(bytes));
    offset += bytes;
  }
  const std::string hex = digest.hex();
  if (hex == entry.hex) return "";
  return fmt::format("{} is not what was exported: its digest is {}, the manifest says {}",
                     file.name(), hex, entry.hex);
}

}  // namespace v2vfs::inspect
