// SPDX-License-Identifier: MIT
#include <pugixml.hpp>

#include <string>
#include <string_view>

#include "convert/domain/domain_xml.h"
#include "convert/domain/xml_chars.h"

// pugixml takes more than XML 1.0 allows. What it takes and libvirt's parser would refuse is looked
// for here (raw text, references not resolved): a file that was cut or garbled is found when it is
// saved.

namespace v2vfs::convert {
namespace {

constexpr unsigned kParse = (pugi::parse_full | pugi::parse_fragment) & ~pugi::parse_escapes;
constexpr std::size_t kDeepest = 256;  // libxml2's limit
constexpr std::size_t kMostAttributes = 64;

bool is_reference(std::string_view name) {
  for (const std::string_view known : {"lt", "gt", "amp", "quot", "apos"}) {
    if (name == known) return true;
  }
  if (name.size() < 2 || name[0] != '#') return false;
  const bool hex = name[1] == 'x';
  const std::string_view digits = name.substr(hex ? 2 : 1);
  return !digits.empty() && digits.size() <= 6 &&
         digits.find_first_not_of(hex ? "0123456789abcdefABCDEF" : "0123456789") ==
             std::string_view::npos;
}

bool has_sound_references(std::string_view text) {
  for (std::size_t at = text.find('&'); at != text.npos; at = text.find('&', at + 1)) {
    const std::size_t end = text.find(';', at);
    if (end == text.npos || !is_reference(text.substr(at + 1, end - at - 1))) return false;
  }
  return true;
}

bool has_sound_attributes(const pugi::xml_node& node) {
  std::size_t count = 0;
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    const std::string_view value = attribute.value();
    if (++count > kMostAttributes) return false;
    if (value.find('<') != value.npos || !has_sound_references(value)) return false;
    for (auto next = attribute.next_attribute(); next; next = next.next_attribute()) {
      if (std::string_view(next.name()) == attribute.name()) return false;
    }
  }
  return true;
}

struct SoundnessWalker : pugi::xml_tree_walker {
  bool for_each(pugi::xml_node& node) override {
    if (depth() > static_cast<int>(kDeepest) || node.type() == pugi::node_doctype) return false;
    if (node.type() == pugi::node_pcdata) return has_sound_references(node.value());
    return has_sound_attributes(node);
  }
};

/// One <domain> and beside it comments, processing instructions and the XML declaration only.
bool has_only_a_domain(const pugi::xml_document& document) {
  unsigned domains = 0;
  for (const pugi::xml_node& node : document) {
    const bool is_text = node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
    if (is_text) return false;
    if (node.type() != pugi::node_element) continue;
    if (std::string_view(node.name()) != "domain") return false;
    ++domains;
  }
  return domains == 1;
}

}  // namespace

bool is_domain_document(const std::string& text) {
  if (!is_xml_text(text)) return false;
  pugi::xml_document document;
  if (!document.load_buffer(text.data(), text.size(), kParse, pugi::encoding_utf8)) return false;
  SoundnessWalker walker;
  return has_only_a_domain(document) && document.traverse(walker);
}

}  // namespace v2vfs::convert
