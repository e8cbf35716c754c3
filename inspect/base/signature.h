// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "inspect/base/digest.h"

namespace v2vfs {

/// Who signed a text, as a certificate (X.509, PEM) says.
struct Signer {
  std::string subject;          // one line, cleaned
  bool is_self_signed = false;  // nobody vouches for it
  /// Why the host's certificate authorities do not vouch for it; empty: they do, now.
  std::string objection;
};

/// The signer if `signature` is the certificate's, over `text`; nullopt: it is not. The first
/// certificate in `pem` signed, those behind it may lead to an authority (at most 16 count). Throws
/// Error(EINVAL) if there is none that can be read. Reads the host's authorities.
std::optional<Signer> check_signature(std::string_view text, DigestKind kind,
                                      const std::vector<unsigned char>& signature,
                                      std::string_view pem);

}  // namespace v2vfs
