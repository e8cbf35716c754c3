// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>

namespace v2vfs::fs {

/// What is decided of a guest that is not converted, between mounts.
struct ConversionRecord {
  enum class Decision { open, unsupported, serve };
  Decision decision = Decision::open;
  std::string conversion;  // conversion.json of unsupported
  /// Somebody was given the domain of the guest as it would be converted.
  bool promised = false;
  bool operator==(const ConversionRecord&) const = default;
};

/// `key`: of what the decision was made by; with another one a guest that was unsupported may not
/// be.
std::string conversion_record_to_json(const ConversionRecord& record, const std::string& key);
/// A text that is damaged, or of another version, decides nothing.
ConversionRecord conversion_record_from_json(const std::string& text, const std::string& key);

}  // namespace v2vfs::fs
