// SPDX-License-Identifier: MIT
#include "inspect/base/signature.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include <cerrno>
#include <memory>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs {
namespace {

constexpr std::size_t kMostCertificates = 16;

struct Free {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(X509_STORE* p) const { X509_STORE_free(p); }
  void operator()(X509_STORE_CTX* p) const { X509_STORE_CTX_free(p); }
  void operator()(EVP_MD_CTX* p) const { EVP_MD_CTX_free(p); }
  void operator()(STACK_OF(X509) * p) const { sk_X509_free(p); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;
using Certificate = Owned<X509>;

std::vector<Certificate> read_certificates(std::string_view pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<Certificate> found;
  while (bio && found.size() < kMostCertificates) {
    // The callback refuses a passphrase: nobody is asked for one.
    Certificate each(PEM_read_bio_X509(
        bio.get(), nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
    if (!each) break;
    found.push_back(std::move(each));
  }
  return found;
}

const EVP_MD* algorithm(DigestKind kind) {
  switch (kind) {
    case DigestKind::md5:
      break;  // no manifest is signed by it
    case DigestKind::sha1:
      return EVP_sha1();
    case DigestKind::sha256:
      return EVP_sha256();
    case DigestKind::sha512:
      return EVP_sha512();
  }
  return EVP_sha256();
}

bool is_signed_by(X509* certificate, std::string_view text, DigestKind kind,
                  const std::vector<unsigned char>& signature) {
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY* const key = X509_get0_pubkey(certificate);
  return context && key &&
         EVP_DigestVerifyInit(context.get(), nullptr, algorithm(kind), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
}

std::string subject_of(X509* certificate) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (!bio) return "";
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio.get(), &text);
  return clean_text(std::string_view(text, static_cast<std::size_t>(bytes)));
}

/// What the host's authorities have against the first one.
std::string objection_to(const std::vector<Certificate>& certificates) {
  const Owned<X509_STORE> store(X509_STORE_new());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  const Owned<STACK_OF(X509)> others(sk_X509_new_null());
  if (!store || !context || !others) return "the check failed";
  for (std::size_t i = 1; i < certificates.size(); ++i) {
    sk_X509_push(others.get(), certificates[i].get());
  }
  X509_STORE_set_default_paths(store.get());
  if (X509_STORE_CTX_init(context.get(), store.get(), certificates[0].get(), others.get()) != 1) {
    return "the check failed";
  }
  if (X509_verify_cert(context.get()) == 1) return "";
  return X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()));
}

}  // namespace

std::optional<Signer> check_signature(std::string_view text, DigestKind kind,
                                      const std::vector<unsigned char>& signature,
                                      std::string_view pem) {
  const std::vector<Certificate> certificates = read_certificates(pem);
  if (certificates.empty()) throw Error(EINVAL, "there is no certificate that can be read");
  X509* const own = certificates[0].get();
  if (!is_signed_by(own, text, kind, signature)) return std::nullopt;
  return Signer{subject_of(own), X509_self_signed(own, 0) == 1, objection_to(certificates)};
}

}  // namespace v2vfs
