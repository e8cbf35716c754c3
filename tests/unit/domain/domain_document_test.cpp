// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "convert/domain/domain_xml.h"
#include "convert/domain/xml_chars.h"

namespace v2vfs::convert {
namespace {

TEST(DomainDocument, takes_what_libvirt_would_read) {
  for (const char* text : {
           "<domain/>",
           "<?xml version='1.0' encoding='UTF-8'?>\r\n<!-- mine --><domain "
           "type='kvm'>\r\n</domain>\n",
           "<domain><name>a &amp; b &#233; "
           "&#xE9;</name><description><![CDATA[<x>]]></description></domain>",
           "<domain><metadata><a:b xmlns:a='urn:x' a:c='1'/></metadata></domain>",
           "<domain><title>\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xac</title></domain>",
       }) {
    EXPECT_TRUE(is_domain_document(text)) << text;
  }
}

TEST(DomainDocument, refuses_everything_else) {
  for (const char* text : {
           "",
           "domain",
           "<domain>",
           "<domain></domai>",
           "<domain><name></domain></name>",
           "<network/>",
           "<a:domain xmlns:a='urn:x'/>",
           "<domain/><domain/>",
           "<domain/>text",
           "text<domain/>",
           "<domain a='1' a='2'/>",
           "<domain a='<'/>",
           "<domain>&nbsp;</domain>",
           "<domain>a & b</domain>",
           "<domain a='&#;'/>",
           "<domain a=1/>",
           "<domain>\xff</domain>",
           "<domain>\x01</domain>",
           "<domain>\xed\xa0\x80</domain>",
           "<!DOCTYPE domain><domain/>",
           "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><domain>&x;</domain>",
       }) {
    EXPECT_FALSE(is_domain_document(text)) << text;
  }
}

TEST(DomainDocument, refuses_a_nul_byte_and_a_file_cut_anywhere) {
  const std::string text = "<domain type='kvm'><name>x</name></domain>";
  EXPECT_FALSE(is_domain_document(text + std::string(1, '\0')));
  for (std::size_t bytes = 0; bytes < text.size(); ++bytes) {
    EXPECT_FALSE(is_domain_document(text.substr(0, bytes))) << bytes;
  }
}

TEST(XmlText, a_sequence_ends_with_the_text) {
  constexpr std::string_view kAccent = "\xc3\xa9";
  EXPECT_TRUE(is_xml_text(kAccent));
  EXPECT_FALSE(is_xml_text(kAccent.substr(0, 1))) << "what lies behind is not looked at";
}

TEST(DomainDocument, refuses_depth_that_no_parser_takes) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "<a>";
  std::string ends;
  for (int i = 0; i < 100000; ++i) ends += "</a>";
  EXPECT_FALSE(is_domain_document("<domain>" + text + ends + "</domain>"));
}

}  // namespace
}  // namespace v2vfs::convert
