// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace v2vfs::inspect::vmx {

/// A .vmx, .vmsd or the like: lines of `key = "value"`. Keys do not mind case; |XX in a value is a
/// byte in hexadecimal; '#' begins a comment line; of a key that is there twice the first counts;
/// a line that ends in a backslash within its quotes goes on in the next.
class Dictionary {
 public:
  /// Throws Error(EINVAL) with a sentence that begins with `file` for what is no such text: NUL
  /// bytes, no line with '=', more than 8 MiB or 100,000 lines.
  Dictionary(std::string_view bytes, std::string_view file);

  /// The value of a key (lower case), as it stands there; asking marks it as used.
  std::optional<std::string> find(const std::string& key) const;
  std::string text(const std::string& key) const;  // "" if it is not there
  /// TRUE, FALSE in any case; `otherwise` if it is not there or is neither.
  bool flag(const std::string& key, bool otherwise) const;
  std::optional<std::uint64_t> number(const std::string& key) const;

  /// The numbers N for which a key "<stem>N..." is there, N below 1,000.
  std::set<unsigned> numbers_of(std::string_view stem) const;
  /// For "scsi": the pairs (N, M) for which a key "scsiN:M.…" is there.
  std::set<std::pair<unsigned, unsigned>> places_of(std::string_view stem) const;

  /// Marks as used every key that begins so.
  void use_all(std::string_view prefix) const;
  /// Their first components ("sched", "tools"), sorted, each once: of keys that nobody asked for.
  std::vector<std::string> unused() const;

  const std::vector<std::string>& assumptions() const { return assumptions_; }

 private:
  void add_line(std::string_view line, std::size_t number);
  void add(const std::string& key, std::string value);

  std::map<std::string, std::string> values_;
  mutable std::set<std::string> used_;
  std::vector<std::string> assumptions_;
};

}  // namespace v2vfs::inspect::vmx
