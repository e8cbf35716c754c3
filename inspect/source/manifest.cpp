// SPDX-License-Identifier: MIT
#include "inspect/source/manifest.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "inspect/base/error.h"
#include "inspect/base/signature.h"
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

/// The file of that suffix (".mf") beside the descriptor: the one of the same name, else the only
/// one.
std::optional<std::string> name_beside(const SourceFiles& files, std::string_view descriptor_path,
                                       std::string_view suffix) {
  const std::string stem = std::filesystem::path(descriptor_path).stem();
  std::vector<std::string> found;
  for (const std::string& name : files.names()) {
    const std::filesystem::path path(name);
    if (!equals_ignoring_case(path.extension().native(), suffix)) continue;
    if (path.filename().native().starts_with("._")) continue;  // AppleDouble
    if (path.stem() == stem) return name;
    found.push_back(name);
  }
  if (found.size() == 1) return found[0];
  return std::nullopt;
}

std::optional<std::string> text_beside(const SourceFiles& files, std::string_view descriptor_path,
                                       std::string_view suffix) {
  const std::optional<std::string> name = name_beside(files, descriptor_path, suffix);
  if (!name) return std::nullopt;
  const SourceFile file = files.open(*name);
  if (file.length() > kLargestManifest) throw Error(EFBIG, "{} is larger than 1 MiB", file.name());
  std::string text(file.length(), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return text;
}

struct Signature {
  DigestKind kind = DigestKind::sha256;
  std::vector<unsigned char> bytes;
};

/// The first line of the certificate: ALGORITHM(FILE)= HEX.
std::optional<Signature> parse_signature(std::string_view text) {
  const std::string_view line = trim(text.substr(0, text.find('\n')));
  const std::size_t open = line.find('(');
  const std::size_t equals = line.rfind('=');
  if (open == std::string_view::npos || equals == std::string_view::npos) return std::nullopt;
  const std::optional<Algorithm> known = algorithm(line.substr(0, open));
  const std::string hex = to_lower(trim(line.substr(equals + 1)));
  if (!known || hex.empty() || hex.size() % 2 != 0 || !is_hex(hex)) return std::nullopt;
  Signature signature{known->kind, {}};
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    signature.bytes.push_back(
        static_cast<unsigned char>(std::stoul(hex.substr(i, 2), nullptr, 16)));
  }
  return signature;
}

ManifestSignature bad(std::string what) {
  return {ManifestSignature::State::bad, "", std::move(what)};
}

ManifestSignature outcome_for(const Signer& signer) {
  using State = ManifestSignature::State;
  if (signer.objection.empty()) {
    return {State::trusted, signer.subject, "the manifest is signed by " + signer.subject};
  }
  if (signer.is_self_signed) {
    return {State::self_signed, signer.subject,
            "the manifest is signed by " + signer.subject + ", for which nobody vouches"};
  }
  return {State::untrusted, signer.subject,
          fmt::format("the manifest is signed by {}, which this host does not trust: {}",
                      signer.subject, signer.objection)};
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
  const auto text = text_beside(files, descriptor_path, ".mf");
  return text ? std::optional(parse_manifest(*text)) : std::nullopt;
}

ManifestSignature check_manifest_signature(const SourceFiles& files,
                                           std::string_view descriptor_path) {
  const auto certificate = text_beside(files, descriptor_path, ".cert");
  if (!certificate) return {ManifestSignature::State::none, "", "the source is not signed"};
  const auto manifest = text_beside(files, descriptor_path, ".mf");
  const auto signature = parse_signature(*certificate);
  if (!manifest || !signature) {
    return bad(manifest ? "the certificate holds no signature of a manifest"
                        : "there is a certificate, but no manifest that it could be of");
  }
  try {
    const auto signer = check_signature(*manifest, signature->kind, signature->bytes, *certificate);
    if (!signer) return bad("the manifest is not the one that was signed");
    return outcome_for(*signer);
  } catch (const Error& error) {
    return bad(error.sentence());
  }
}

std::optional<std::string> check_digest(const SourceFiles& files, const ManifestEntry& entry,
                                        const GoOn& go_on) {
  const SourceFile file = files.open_stored(entry.file);
  Digest digest(entry.kind);
  std::vector<std::byte> buffer(kReadBytes);
  for (std::uint64_t offset = 0; offset < file.length();) {
    const std::size_t bytes = std::min<std::uint64_t>(buffer.size(), file.length() - offset);
    if (!go_on(bytes)) return std::nullopt;
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
