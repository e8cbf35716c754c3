// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/base/digest.h"
#include "inspect/source/source_file.h"

namespace v2vfs::inspect {

/// One line of an OVF manifest (DSP0243 1.1, 5.1 "Manifest"): the digest of one whole file.
struct ManifestEntry {
  std::string file;
  DigestKind kind = DigestKind::sha256;
  std::string hex;  // lower case
};

struct Manifest {
  std::vector<ManifestEntry> entries;
  std::vector<std::string> ignored;  // lines that say nothing we know, one sentence each
};

/// Reads lines as exporters write them: "SHA256(disk.vmdk)= 0a1b...", with or without blanks,
/// SHA-256 and SHA2-256 for SHA256, "./" before the name, CR at the end. Pure; takes any bytes.
Manifest parse_manifest(std::string_view text);

/// The manifest beside the descriptor: the .mf of the same name, else the only one. nullopt: there
/// is none. Throws Error if it cannot be read or is larger than 1 MiB.
std::optional<Manifest> read_manifest(const SourceFiles& files, std::string_view descriptor_path);

/// What the certificate beside the manifest says (DSP0243 5.1: a signature of the manifest's bytes,
/// then the certificate of whose key it is).
struct ManifestSignature {
  enum class State { none, bad, self_signed, untrusted, trusted } state = State::none;
  std::string signer;  // empty where `none` or `bad`
  std::string what;    // one sentence
};

/// Looks for NAME.cert beside NAME.mf. Never throws for what it holds: that is `bad`. Throws Error
/// if it, or the manifest, cannot be read.
ManifestSignature check_manifest_signature(const SourceFiles& files,
                                           std::string_view descriptor_path);

/// Asked before each MiB or less that is read; false ends it.
using GoOn = std::function<bool(std::uint64_t bytes)>;

/// What is wrong with the file as it is stored, as a sentence; empty if its digest is the one of
/// `entry`. Reads the whole file, in the order of its bytes. nullopt if `go_on` ended it. Throws
/// Error.
std::optional<std::string> check_digest(const SourceFiles& files, const ManifestEntry& entry,
                                        const GoOn& go_on);

}  // namespace v2vfs::inspect
