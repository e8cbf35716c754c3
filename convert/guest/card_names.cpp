// SPDX-License-Identifier: MIT
#include "convert/guest/card_names.h"

#include <fmt/core.h>

#include <algorithm>

#include "inspect/base/text.h"
#include "inspect/guest/network_files.h"
#include "inspect/guest/text_lines.h"

namespace v2vfs::convert {
namespace {

using inspect::NicFacts;

constexpr std::size_t kMostCards = 64;
constexpr std::size_t kLongestName = 15;  // IFNAMSIZ without its end

/// Masked by a link to /dev/null or an empty file.
bool is_masked(const PlanDraft& draft, const std::string& path) {
  const inspect::FoundPath* const found = draft.found(path);
  if (found && found->kind == inspect::FileKind::symlink) return found->target == "/dev/null";
  const std::string* const text = draft.text(path);
  return text && trim(*text).empty();
}

/// initscripts of Red Hat's releases up to 8 give DEVICE to the card with HWADDR.
bool binds_by_hwaddr(const PlanDraft& draft, const NicFacts& nic) {
  return nic.style == "ifcfg" && draft.family() == Family::rhel && !draft.is_at_least(9);
}

/// LLADDR of SUSE's ifcfg sets an address; everywhere else an address says which card is meant.
bool says_which_card(const PlanDraft& draft, const NicFacts& nic) {
  return nic.style != "netplan" && !(nic.style == "ifcfg" && draft.family() == Family::suse);
}

/// A name that can stand in a rule.
bool is_plain_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

/// Cards that an interfaces(5) names as parts of a bridge or bond only.
std::vector<std::string_view> ports_of(std::string_view text) {
  std::vector<std::string_view> names;
  for (const std::string_view line : inspect::lines_of(text)) {
    const auto words = inspect::words_of(line);
    const bool parts =
        words.size() > 1 &&
        (words[0] == "bridge_ports" || words[0] == "bridge-ports" || words[0] == "bond-slaves" ||
         words[0] == "slaves" || words[0] == "vlan-raw-device");
    if (parts) names.insert(names.end(), words.begin() + 1, words.end());
  }
  return names;
}

class CardNames {
 public:
  explicit CardNames(PlanDraft& draft) : draft_(draft), by_place_(names_by_place(draft)) {}

  std::vector<Card> name() {
    take_cards();
    by_rules();
    by_mac();
    collect_free_names();
    by_slots();
    by_order();
    by_default();
    return std::move(cards_);
  }

 private:
  void take_cards() {
    const auto& nics = draft_.spec().nics;
    const auto& macs = draft_.options().nic_macs;
    for (std::size_t i = 0; i < std::min(nics.size(), kMostCards); ++i) {
      Card card;
      card.number = i;
      card.mac = inspect::plain_mac(i < macs.size() ? macs[i] : nics[i].mac.value_or(""));
      if (nics[i].pci_slot) card.place = vmware_place(*nics[i].pci_slot);
      cards_.push_back(std::move(card));
    }
  }

  Card* with_mac(const std::string& mac) {
    for (Card& card : cards_) {
      if (!mac.empty() && card.mac == mac) return &card;
    }
    return nullptr;
  }

  bool is_given(const std::string& name) const {
    return std::any_of(cards_.begin(), cards_.end(),
                       [&](const Card& card) { return card.name == name; });
  }

  static void give(Card& card, const std::string& name, std::string why) {
    card.name = name;
    card.why = std::move(why);
  }

  void by_rules() {
    for (const inspect::NicNameRule& rule : draft_.guest().nic_names) {
      Card* const card = with_mac(rule.mac);
      if (!card || !card->name.empty() || !is_plain_name(rule.name)) continue;
      give(*card, rule.name, clean_text(rule.file));
      card->bound = true;
    }
  }

  void by_mac() {
    for (const NicFacts& nic : draft_.guest().network) {
      Card* const card = with_mac(nic.mac);
      if (!card || !card->name.empty() || !is_card_name(nic.name) || is_given(nic.name)) continue;
      // netplan's key is a card's name only as long as nobody says otherwise.
      const bool otherwise = card->place && !is_name_at(nic.name, *card->place);
      if (nic.style == "netplan" && otherwise) continue;
      give(*card, nic.name, clean_text(nic.file) + " names it beside its address");
      card->bound = binds_by_hwaddr(draft_, nic);
    }
  }

  void add_free(std::string_view name) {
    const std::string card(name.substr(0, name.find('.')));  // "ens192.5" is a VLAN of it
    if (!is_card_name(card) || card.size() > kLongestName || is_given(card)) return;
    const bool known = std::find(free_.begin(), free_.end(), card) != free_.end();
    if (!known && free_.size() < kMostCards) free_.push_back(card);
  }

  /// Names that files use and that no card has yet. One that says the MAC of a card that is not
  /// there never counted.
  void collect_free_names() {
    for (const NicFacts& nic : draft_.guest().network) {
      const bool foreign = !nic.mac.empty() && !with_mac(nic.mac);
      if (foreign && is_card_name(nic.name) && says_which_card(draft_, nic)) {
        draft_.note(fmt::format("{} is for a card with the address {}, which is not there",
                                clean_text(nic.file), nic.mac));
        continue;
      }
      add_free(nic.name);
    }
    for (const std::string& path : draft_.files("/etc/network/interfaces", "")) {
      for (const std::string_view name : ports_of(*draft_.text(path))) add_free(name);
    }
    std::sort(free_.begin(), free_.end(), [](const std::string& a, const std::string& b) {
      return card_order(a) < card_order(b);
    });
  }

  void by_slots() {
    for (Card& card : cards_) {
      if (!card.name.empty() || !card.place) continue;
      for (const std::string& name : free_) {
        if (!is_name_at(name, *card.place) || is_given(name)) continue;
        give(card, name, "the card's PCI slot in the source had that name");
        break;
      }
    }
  }

  /// A card whose slot says another name never had one of these, but for the kernel's own.
  bool may_have(const Card& card, const std::string& name) const {
    const bool kernels_own = kernel_card_number(name).has_value();
    return !card.place || !by_place_ || kernels_own || !name.starts_with("en");
  }

  std::vector<Card*> cards_in_order() {
    std::vector<Card*> cards;
    for (Card& card : cards_) cards.push_back(&card);
    const bool all_placed = std::all_of(cards_.begin(), cards_.end(),
                                        [](const Card& card) { return bool(card.place); });
    // The kernel counts by bus.
    if (all_placed) {
      std::stable_sort(cards.begin(), cards.end(), [](const Card* a, const Card* b) {
        return std::pair(a->place->bus, a->place->device) <
               std::pair(b->place->bus, b->place->device);
      });
    }
    return cards;
  }

  void by_order() {
    std::vector<std::string> left;
    for (const std::string& name : free_) {
      if (!is_given(name)) left.push_back(name);
    }
    std::size_t next = 0;
    for (Card* const card : cards_in_order()) {
      if (!card->name.empty() || next >= left.size() || !may_have(*card, left[next])) continue;
      give(*card, left[next++], "");
      card->why = "the guest's files name as many cards, and it is the next one";
      card->assumed = true;
    }
    for (; next < left.size(); ++next) {
      draft_.note("no network card of the source is left for the name " + clean_text(left[next]));
    }
  }

  /// No file names it, but scripts and firewalls may.
  void by_default() {
    for (Card& card : cards_) {
      if (!card.name.empty() || !card.place || !by_place_) continue;
      const std::string name = predictable_name(*card.place);
      if (!is_given(name)) give(card, name, "the card's PCI slot in the source gave it that name");
    }
  }

  PlanDraft& draft_;
  const bool by_place_;
  std::vector<Card> cards_;
  std::vector<std::string> free_;
};

}  // namespace

bool names_by_place(const PlanDraft& draft) {
  const inspect::GuestFacts& guest = draft.guest();
  if (guest.init != "systemd" || draft.family() == Family::suse) return false;
  const bool ubuntu = guest.os.id == "ubuntu";
  if (draft.family() == Family::debian && !draft.is_at_least(ubuntu ? 16 : 9) && guest.os.major) {
    return false;
  }
  for (const char* const path :
       {"/etc/systemd/network/99-default.link", "/etc/udev/rules.d/80-net-setup-link.rules",
        "/etc/udev/rules.d/80-net-name-slot.rules"}) {
    if (is_masked(draft, path)) return false;
  }
  const auto& loader = guest.bootloader;
  const std::string options =
      loader.default_entry ? loader.entries[*loader.default_entry].options : "";
  for (const std::string_view word : inspect::words_of(options)) {
    if (word == "net.ifnames=0") return false;
  }
  return true;
}

std::vector<Card> name_cards(PlanDraft& draft) { return CardNames(draft).name(); }

}  // namespace v2vfs::convert
