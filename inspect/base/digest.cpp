// SPDX-License-Identifier: MIT
#include "inspect/base/digest.h"

#include <fmt/core.h>
#include <openssl/evp.h>

#include <cerrno>

#include "inspect/base/error.h"

namespace v2vfs {
namespace {

const EVP_MD* algorithm(DigestKind kind) {
  switch (kind) {
    case DigestKind::md5:
      return EVP_md5();
    case DigestKind::sha1:
      return EVP_sha1();
    case DigestKind::sha256:
      return EVP_sha256();
    case DigestKind::sha512:
      return EVP_sha512();
  }
  return EVP_sha256();
}

}  // namespace

struct Digest::Context {
  Context() : md(EVP_MD_CTX_new()) {}
  Context(const Context&) = delete;
  ~Context() { EVP_MD_CTX_free(md); }
  EVP_MD_CTX* md;
};

Digest::Digest(DigestKind kind) : context_(std::make_unique<Context>()) {
  if (!context_->md || EVP_DigestInit_ex(context_->md, algorithm(kind), nullptr) != 1) {
    throw Error(EIO, "OpenSSL cannot compute a message digest here");
  }
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

Digest& Digest::add(std::span<const std::byte> bytes) {
  EVP_DigestUpdate(context_->md, bytes.data(), bytes.size());
  return *this;
}

Digest& Digest::add(std::string_view text) { return add(std::as_bytes(std::span(text))); }

Digest& Digest::add_field(std::string_view text) { return add_number(text.size()).add(text); }

Digest& Digest::add_number(std::uint64_t number) {
  std::array<std::byte, 8> bytes;
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(number >> (8 * i));
  return add(bytes);
}

std::string Digest::hex() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value;
  unsigned length = 0;
  EVP_DigestFinal_ex(context_->md, value.data(), &length);
  std::string out;
  for (unsigned i = 0; i < length; ++i) out += fmt::format("{:02x}", value[i]);
  return out;
}

}  // namespace v2vfs
