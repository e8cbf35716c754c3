// SPDX-License-Identifier: MIT
#include "inspect/source/bounded_xml.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostDepth = 256;
constexpr std::size_t kMostNodes = 200'000;
constexpr std::ptrdiff_t kMostMarks = 3 * kMostNodes;

[[noreturn]] void refuse(std::string_view file, std::string_view why) {
  throw Error(EINVAL, "{}: {}", clean_text(file), why);
}

/// Before the parser allocates anything: a tag costs a '<', an attribute a '='.
void check_size(std::string_view text, std::string_view file) {
  if (text.size() > kMostXmlBytes) refuse(file, "the description is larger than 8 MiB");
  const auto marks =
      std::count_if(text.begin(), text.end(), [](char c) { return c == '<' || c == '='; });
  if (marks > kMostMarks) refuse(file, "the description has too many elements and attributes");
}

/// Walks without recursion, as the depth is not known yet.
void check_shape(pugi::xml_node root, std::string_view file) {
  std::size_t nodes = 0;
  std::size_t depth = 0;
  for (pugi::xml_node node = root; node;) {
    if (++nodes > kMostNodes) refuse(file, "the description has more than 200,000 nodes");
    if (depth > kMostDepth) refuse(file, "the description is nested deeper than 256 levels");
    if (node.first_child()) {
      node = node.first_child();
      ++depth;
      continue;
    }
    while (node && node != root && !node.next_sibling()) {
      node = node.parent();
      --depth;
    }
    node = node == root ? pugi::xml_node() : node.next_sibling();
  }
}

}  // namespace

void load_bounded_xml(std::string_view text, std::string_view file, pugi::xml_document& tree) {
  check_size(text, file);
  constexpr unsigned kOptions = pugi::parse_default | pugi::parse_doctype;
  const pugi::xml_parse_result result = tree.load_buffer(text.data(), text.size(), kOptions);
  for (const pugi::xml_node& node : tree.children()) {
    if (node.type() == pugi::node_doctype) {
      refuse(file, "it has a DOCTYPE, which is not needed and not accepted");
    }
  }
  if (!result) {
    refuse(file, fmt::format("it is no well-formed XML: {} (byte {})", result.description(),
                             result.offset));
  }
  check_shape(tree, file);
}

}  // namespace v2vfs::inspect
