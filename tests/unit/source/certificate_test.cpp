// SPDX-License-Identifier: MIT
//
// Signed manifests: the right one is told from others, whoever signed it.
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "inspect/source/folder_files.h"
#include "inspect/source/manifest.h"
#include "tests/unit/source/source_fixture.h"

namespace v2vfs::inspect {
namespace {

using ::testing::HasSubstr;
using State = ManifestSignature::State;

std::string text_of(BIO* bio) {
  char* text = nullptr;
  const long bytes = BIO_get_mem_data(bio, &text);
  std::string copy(text, static_cast<std::size_t>(bytes));
  BIO_free(bio);
  return copy;
}

/// A key with a certificate, signed by itself or by another.
class Identity {
 public:
  explicit Identity(const char* name, const Identity* issuer = nullptr)
      : key_(EVP_RSA_gen(2048)), certificate_(X509_new()) {
    X509_set_version(certificate_, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 7);
    X509_gmtime_adj(X509_getm_notBefore(certificate_), -3600);
    X509_gmtime_adj(X509_getm_notAfter(certificate_), 3600);
    X509_set_pubkey(certificate_, key_);
    X509_NAME* const subject = X509_get_subject_name(certificate_);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    const Identity& by = issuer ? *issuer : *this;
    X509_set_issuer_name(certificate_, X509_get_subject_name(by.certificate_));
    X509_sign(certificate_, by.key_, EVP_sha256());
  }
  Identity(const Identity&) = delete;
  Identity& operator=(const Identity&) = delete;
  ~Identity() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
  }

  std::string pem() const {
    BIO* const bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate_);
    return text_of(bio);
  }

  std::string signature_hex(const std::string& text, const EVP_MD* digest) const {
    EVP_MD_CTX* const context = EVP_MD_CTX_new();
    std::size_t bytes = 0;
    EVP_DigestSignInit(context, nullptr, digest, nullptr, key_);
    const auto* const data = reinterpret_cast<const unsigned char*>(text.data());
    EVP_DigestSign(context, nullptr, &bytes, data, text.size());
    std::vector<unsigned char> signature(bytes);
    EVP_DigestSign(context, signature.data(), &bytes, data, text.size());
    EVP_MD_CTX_free(context);
    std::string hex;
    for (const unsigned char byte : signature) hex += fmt::format("{:02x}", byte);
    return hex;
  }

 private:
  EVP_PKEY* key_;
  X509* certificate_;
};

class Certificates : public ::testing::Test {
 protected:
  ManifestSignature check() {
    return check_manifest_signature(FolderFiles(std::make_shared<SourceRoot>(folder_.path()), ""),
                                    "/srv/vm.ovf");
  }
  void write(const std::string& manifest, const std::string& certificate) {
    folder_.write("vm.mf", manifest);
    folder_.write("vm.cert", certificate);
  }

  testing::TempFolder folder_;
  const std::string manifest_ = "SHA256(vm.ovf)= 00\n";
};

TEST_F(Certificates, there_is_none) {
  folder_.write("vm.mf", manifest_);
  EXPECT_EQ(check().state, State::none);
}

TEST_F(Certificates, one_that_vouches_for_itself) {
  const Identity me("Example Exports");
  for (const auto& [word, digest] :
       {std::pair{"SHA1", EVP_sha1()}, {"SHA256", EVP_sha256()}, {"SHA-512", EVP_sha512()}}) {
    write(manifest_,
          fmt::format("{}(vm.mf)= {}\r\n{}", word, me.signature_hex(manifest_, digest), me.pem()));
    const ManifestSignature found = check();
    EXPECT_EQ(found.state, State::self_signed) << word << ": " << found.what;
    EXPECT_EQ(found.signer, "CN=Example Exports");
  }
}

// SEMANTICS: "`signature` is none, bad, self-signed, untrusted"
TEST_F(Certificates, one_of_an_authority_that_nobody_knows) {
  const Identity authority("Nobody's Authority");
  const Identity me("Example Exports", &authority);
  write(manifest_, fmt::format("SHA256(vm.mf)= {}\n{}{}", me.signature_hex(manifest_, EVP_sha256()),
                               me.pem(), authority.pem()));
  const ManifestSignature found = check();
  EXPECT_EQ(found.state, State::untrusted);
  EXPECT_THAT(found.what, HasSubstr("does not trust"));
}

// SEMANTICS: "`signature` is none, bad, self-signed, untrusted"
TEST_F(Certificates, a_signature_of_something_else_is_bad) {
  const Identity me("Example Exports");
  const Identity other("Somebody Else");
  const std::string hex = me.signature_hex(manifest_, EVP_sha256());
  write(manifest_ + " ", "SHA256(vm.mf)= " + hex + "\n" + me.pem());
  EXPECT_EQ(check().state, State::bad);
  write(manifest_, "SHA256(vm.mf)= " + hex + "\n" + other.pem());
  EXPECT_EQ(check().state, State::bad);
  write(manifest_, "SHA1(vm.mf)= " + hex + "\n" + me.pem());
  EXPECT_EQ(check().state, State::bad);
}

TEST_F(Certificates, nonsense_is_bad_and_says_so) {
  const Identity me("Example Exports");
  for (const std::string& text :
       {std::string(), std::string("SHA256(vm.mf)= 00"), std::string("SHA256(vm.mf)= xyz\n"),
        "SHA256(vm.mf)= 00\n" + me.pem().substr(0, 300), "MD5(vm.mf)= 00\n" + me.pem(), me.pem(),
        std::string(1000, '\xff')}) {
    write(manifest_, text);
    const ManifestSignature found = check();
    EXPECT_EQ(found.state, State::bad) << text.substr(0, 30);
    EXPECT_FALSE(found.what.empty());
  }
}

}  // namespace
}  // namespace v2vfs::inspect
