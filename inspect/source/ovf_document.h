// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <vector>

/// An OVF descriptor as a bounded XML tree, and how to walk it. Names are compared without their
/// namespace prefix: producers differ in prefixes, default namespaces and versions of the
/// namespace.
namespace v2vfs::inspect::ovf {

using Node = pugi::xml_node;

/// Parses and checks `text`. Throws Error(EINVAL) with one sentence, that begins with `file`, for
/// what is no well-formed XML, has a DOCTYPE, is larger than 8 MiB, deeper than 256 levels, has
/// more than 200,000 nodes, or whose root is no Envelope.
class Document {
 public:
  Document(std::string_view text, std::string_view file);
  Node envelope() const { return tree_.document_element(); }

 private:
  pugi::xml_document tree_;
};

constexpr std::size_t kMostDescriptorBytes = 8 << 20;

/// The name behind the prefix.
std::string_view local_name(const char* name);

/// What an element is: its local name; for OVF 0.9's <Section xsi:type="ovf:DiskSection_Type"> and
/// <Content xsi:type="ovf:VirtualSystem_Type"> the type without "_Type".
std::string_view kind_of(Node node);

/// The element children of that kind.
std::vector<Node> children(Node node, std::string_view kind);
/// The first of them, or an empty node.
Node child(Node node, std::string_view kind);

/// The attribute of that local name. Vendors' attributes (vmw:, vbox:, vcloud:, xml:) count only
/// where there is no other of that name.
std::optional<std::string> attribute(Node node, std::string_view name);
std::string attribute_or(Node node, std::string_view name, std::string_view otherwise);

/// All character data directly in the element, trimmed.
std::string text_of(Node node);
/// text_of(child(node, kind)); empty if it is not there.
std::string child_text(Node node, std::string_view kind);

}  // namespace v2vfs::inspect::ovf
