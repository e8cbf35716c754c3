// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_startup.h"

#include <algorithm>
#include <map>
#include <string>

#include "inspect/source/ovf_units.h"

namespace v2vfs::inspect::ovf {
namespace {

constexpr std::uint64_t kMostOrder = 65'535;
constexpr std::uint64_t kMostDelay = 86'400;
constexpr std::size_t kMostItems = 10'000;

unsigned number(Node node, std::string_view name, std::uint64_t most) {
  const auto value = parse_count(attribute_or(node, name, ""));
  return static_cast<unsigned>(std::min(value.value_or(0), most));
}

/// A machine with the orders of the collections around it, outermost first.
struct Placed {
  std::vector<unsigned> orders;
  StartupItem item;
};

class StartupReader {
 public:
  std::vector<StartupItem> run(Node envelope) {
    visit(envelope, {});
    std::stable_sort(placed_.begin(), placed_.end(),
                     [](const Placed& a, const Placed& b) { return a.orders < b.orders; });
    if (is_nested_) renumber();
    std::vector<StartupItem> items;
    for (Placed& placed : placed_) items.push_back(std::move(placed.item));
    return items;
  }

 private:
  void visit(Node node, const std::vector<unsigned>& around) {
    std::map<std::string, Node> items;
    for (const Node& item : children(child(node, "StartupSection"), "Item")) {
      items.try_emplace(attribute_or(item, "id", ""), item);
    }
    for (const Node& each : node.children()) {
      const std::string_view kind = kind_of(each);
      const bool is_collection = kind == "VirtualSystemCollection";
      if (!is_collection && kind != "VirtualSystem") continue;
      const std::string id = attribute_or(each, "id", "");
      const auto item = items.find(id);
      std::vector<unsigned> orders = around;
      if (item != items.end()) orders.push_back(number(item->second, "order", kMostOrder));
      if (is_collection) {
        const std::size_t from = placed_.size();
        visit(each, orders);
        if (item != items.end()) add_group_delays(from, item->second);
      }
      if (!is_collection && !orders.empty()) {
        add(id, item == items.end() ? Node() : item->second, std::move(orders));
      }
    }
  }

  /// A group has started when its last machine has, and stopped when its first one has.
  void add_group_delays(std::size_t from, Node group) {
    if (from == placed_.size()) return;
    const auto by_orders = [](const Placed& a, const Placed& b) { return a.orders < b.orders; };
    const auto [first, last] = std::minmax_element(
        placed_.begin() + static_cast<std::ptrdiff_t>(from), placed_.end(), by_orders);
    const auto add = [](unsigned& delay, unsigned more) {
      delay = static_cast<unsigned>(std::min<std::uint64_t>(delay + more, kMostDelay));
    };
    add(last->item.start_delay_s, number(group, "startDelay", kMostDelay));
    add(first->item.stop_delay_s, number(group, "stopDelay", kMostDelay));
  }

  void add(const std::string& id, Node item, std::vector<unsigned> orders) {
    if (placed_.size() >= kMostItems) return;
    is_nested_ = is_nested_ || orders.size() > 1;
    StartupItem startup;
    startup.machine_id = id;
    startup.order = orders.back();
    startup.start_delay_s = number(item, "startDelay", kMostDelay);
    startup.stop_delay_s = number(item, "stopDelay", kMostDelay);
    placed_.push_back({std::move(orders), std::move(startup)});
  }

  void renumber() {
    unsigned rank = 0;
    for (std::size_t i = 0; i < placed_.size(); ++i) {
      if (i == 0 || placed_[i].orders != placed_[i - 1].orders) ++rank;
      placed_[i].item.order = rank;
    }
  }

  std::vector<Placed> placed_;
  bool is_nested_ = false;
};

}  // namespace

std::vector<StartupItem> read_startup(Node envelope) { return StartupReader().run(envelope); }

}  // namespace v2vfs::inspect::ovf
