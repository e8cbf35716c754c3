// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace v2vfs {

enum class DigestKind { md5, sha1, sha256, sha512 };

/// A running message digest. Not thread safe.
class Digest {
 public:
  explicit Digest(DigestKind kind = DigestKind::sha256);
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;
  ~Digest();

  Digest& add(std::span<const std::byte> bytes);
  Digest& add(std::string_view text);
  /// The length first, so that ("ab","c") and ("a","bc") differ.
  Digest& add_field(std::string_view text);
  Digest& add_number(std::uint64_t number);

  /// Lower-case hexadecimal. Ends the digest: nothing may be added afterwards.
  std::string hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace v2vfs
