// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_document.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect::ovf {
namespace {

constexpr std::size_t kMostDepth = 256;
constexpr std::size_t kMostNodes = 200'000;
constexpr std::ptrdiff_t kMostMarks = 3 * kMostNodes;

[[noreturn]] void refuse(std::string_view file, std::string_view why) {
  throw Error(EINVAL, "{}: {}", clean_text(file), why);
}

/// Before the parser allocates anything: a tag costs a '<', an attribute a '='.
void check_size(std::string_view text, std::string_view file) {
  if (text.size() > kMostDescriptorBytes) refuse(file, "the descriptor is larger than 8 MiB");
  const auto marks =
      std::count_if(text.begin(), text.end(), [](char c) { return c == '<' || c == '='; });
  if (marks > kMostMarks) refuse(file, "the descriptor has too many elements and attributes");
}

/// Walks without recursion, as the depth is not known yet.
void check_shape(Node root, std::string_view file) {
  std::size_t nodes = 0;
  std::size_t depth = 0;
  for (Node node = root; node;) {
    if (++nodes > kMostNodes) refuse(file, "the descriptor has more than 200,000 nodes");
    if (depth > kMostDepth) refuse(file, "the descriptor is nested deeper than 256 levels");
    if (node.first_child()) {
      node = node.first_child();
      ++depth;
      continue;
    }
    while (node && node != root && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    node = node == root ? Node() : node.next_sibling();
  }
}

bool is_vendor_attribute(std::string_view name) {
  constexpr std::array<std::string_view, 5> kVendors = {"vmw", "vbox", "vcloud", "xml", "xmlns"};
  const std::size_t colon = name.find(':');
  if (colon == std::string_view::npos) return false;
  return std::find(kVendors.begin(), kVendors.end(), name.substr(0, colon)) != kVendors.end();
}

}  // namespace

Document::Document(std::string_view text, std::string_view file) {
  check_size(text, file);
  constexpr unsigned kOptions = pugi::parse_default | pugi::parse_doctype;
  const pugi::xml_parse_result result = tree_.load_buffer(text.data(), text.size(), kOptions);
  for (const Node& node : tree_.children()) {
    if (node.type() == pugi::node_doctype) {
      refuse(file, "it has a DOCTYPE, which no OVF needs and which is not accepted");
    }
  }
  if (!result) {
    refuse(file, fmt::format("it is no well-formed XML: {} (byte {})", result.description(),
                             result.offset));
  }
  check_shape(tree_, file);
  if (kind_of(envelope()) != "Envelope") {
    refuse(file, fmt::format("it is no OVF: its root element is <{}>, not <Envelope>",
                             clean_text(envelope().name(), 64)));
  }
}

std::string_view local_name(const char* name) {
  const std::string_view whole = name;
  const std::size_t colon = whole.rfind(':');
  return colon == std::string_view::npos ? whole : whole.substr(colon + 1);
}

std::string_view kind_of(Node node) {
  const std::string_view name = local_name(node.name());
  if (name != "Section" && name != "Content") return name;
  for (const pugi::xml_attribute& attribute : node.attributes()) {
    std::string_view type = local_name(attribute.value());
    if (local_name(attribute.name()) != "type" || !type.ends_with("_Type")) continue;
    type.remove_suffix(5);
    return type;
  }
  return name;
}

std::vector<Node> children(Node node, std::string_view kind) {
  std::vector<Node> found;
  for (const Node& each : node.children()) {
    if (each.type() == pugi::node_element && kind_of(each) == kind) found.push_back(each);
  }
  return found;
}

Node child(Node node, std::string_view kind) {
  for (const Node& each : node.children()) {
    if (each.type() == pugi::node_element && kind_of(each) == kind) return each;
  }
  return {};
}

std::optional<std::string> attribute(Node node, std::string_view name) {
  std::optional<std::string> of_vendor;
  for (const pugi::xml_attribute& each : node.attributes()) {
    if (local_name(each.name()) != name) continue;
    if (!is_vendor_attribute(each.name())) return each.value();
    if (!of_vendor) of_vendor = each.value();
  }
  return of_vendor;
}

std::string attribute_or(Node node, std::string_view name, std::string_view otherwise) {
  return attribute(node, name).value_or(std::string(otherwise));
}

std::string text_of(Node node) {
  std::string text;
  for (const Node& each : node.children()) {
    if (each.type() == pugi::node_pcdata || each.type() == pugi::node_cdata) text += each.value();
  }
  return std::string(trim(text));
}

std::string child_text(Node node, std::string_view kind) { return text_of(child(node, kind)); }

}  // namespace v2vfs::inspect::ovf
