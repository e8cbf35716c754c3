// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_items.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "inspect/base/text.h"
#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::ovf {
namespace {

bool is_item(Node node) {
  const std::string_view name = local_name(node.name());
  return node.type() == pugi::node_element &&
         (name == "Item" || name == "StorageItem" || name == "EthernetPortItem");
}

/// The fields by name; the first of a name counts. Read once, as an item has some twenty.
std::map<std::string_view, std::string> read_fields(Node node) {
  std::map<std::string_view, std::string> fields;
  for (const Node& each : node.children()) {
    if (each.type() == pugi::node_element) {
      fields.try_emplace(local_name(each.name()), text_of(each));
    }
  }
  return fields;
}

/// The first of the fields that is there and not empty.
std::string pick(const std::map<std::string_view, std::string>& fields,
                 std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto found = fields.find(name);
    if (found != fields.end() && !found->second.empty()) return found->second;
  }
  return {};
}

unsigned read_type(const std::string& text) {
  const auto type = parse_count(text);
  return type && *type <= std::numeric_limits<unsigned>::max() ? static_cast<unsigned>(*type) : 0;
}

/// OVF 0.9 has Caption and InstanceId where 1.x has ElementName and InstanceID.
Item read_item(Node node) {
  const auto fields = read_fields(node);
  Item item;
  item.node = node;
  item.type = read_type(pick(fields, {"ResourceType"}));
  item.instance_id = pick(fields, {"InstanceID", "InstanceId"});
  item.parent = pick(fields, {"Parent"});
  item.label = pick(fields, {"ElementName", "Caption", "Description"});
  item.subtype = pick(fields, {"ResourceSubType", "ResourceSubtype"});
  item.address = pick(fields, {"Address", "BusNumber"});
  item.address_on_parent = pick(fields, {"AddressOnParent"});
  item.connection = pick(fields, {"Connection"});
  item.host_resource = pick(fields, {"HostResource"});
  item.quantity = pick(fields, {"VirtualQuantity"});
  item.units = pick(fields, {"VirtualQuantityUnits", "AllocationUnits"});
  item.bound = to_lower(attribute_or(node, "bound", ""));
  const std::string automatic = pick(fields, {"AutomaticAllocation"});
  item.is_connected = automatic.empty() || parse_flag(automatic);
  if (item.label.empty()) item.label = "item " + item.instance_id;
  return item;
}

bool holds_for(const std::vector<std::string>& configurations, const std::string& chosen) {
  return configurations.empty() ||
         std::find(configurations.begin(), configurations.end(), chosen) != configurations.end();
}

}  // namespace

std::optional<std::string> config_value(Node node, std::string_view element, std::string_view key) {
  for (const Node& each : node.children()) {
    if (local_name(each.name()) != element || each.type() != pugi::node_element) continue;
    if (attribute(each, "key") == key) return attribute_or(each, "value", "");
  }
  return std::nullopt;
}

std::optional<std::string> Item::config(std::string_view key) const {
  return config_value(node, "Config", key);
}

std::vector<Item> read_items(Node hardware, const std::string& configuration) {
  std::vector<Item> items;
  std::map<std::string, std::size_t> general;  // those for all, by InstanceID and bound
  for (const Node& node : hardware.children()) {
    if (!is_item(node)) continue;
    const auto configurations = split_words(attribute_or(node, "configuration", ""));
    if (!holds_for(configurations, configuration)) continue;
    Item item = read_item(node);
    const std::string key = item.instance_id + "\n" + item.bound;
    const auto place = general.find(key);
    if (!configurations.empty() && place != general.end()) {
      items[place->second] = std::move(item);
      continue;
    }
    if (configurations.empty() && !item.instance_id.empty()) general.try_emplace(key, items.size());
    items.push_back(std::move(item));
  }
  return items;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    const bool is_break = c == ' ' || c == ',' || c == ';' || c == '\t' || c == '\n' || c == '\r';
    if (!is_break) word += c;
    if (is_break && !word.empty()) words.push_back(std::exchange(word, {}));
  }
  if (!word.empty()) words.push_back(word);
  return words;
}

}  // namespace v2vfs::inspect::ovf
