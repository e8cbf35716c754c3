// SPDX-License-Identifier: MIT
//
// The names of network cards: what the guest called each is tied to its MAC address, which the
// domain keeps. A udev rule does it in every release that has udev: it goes before .link files
// (whose other settings still count), and gives the name again where an initrd's udev gave another.
#include <fmt/core.h>

#include <algorithm>

#include "convert/guest/boot_kernels.h"
#include "convert/guest/card_names.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::Severity;

constexpr const char* kRules = "/etc/udev/rules.d/70-v2vfs-net.rules";
const std::string kHead = "# Network cards keep the names that they had (by MAC address).\n";

bool has_udev(const inspect::InitrdFacts& initrd) {
  return initrd.generator == "initramfs-tools" || initrd.generator == "dracut" ||
         initrd.generator == "mkinitcpio" || initrd.generator == "mkinitrd-suse";
}

class NamePins {
 public:
  explicit NamePins(PlanDraft& draft) : draft_(draft), by_place_(names_by_place(draft)) {}

  void write(const std::vector<Card>& cards) {
    std::string rules, image_rules, why;
    for (const Card& card : cards) {
      if (card.name.empty() || comes_by_itself(card)) continue;
      if (card.mac.empty()) {
        say_without_mac(card);
        continue;
      }
      if (!card.bound || is_bound_late(card)) image_rules += rule_for(card);
      if (card.bound) continue;
      if (card.assumed) assume(card);
      rules += rule_for(card);
      why += (why.empty() ? "" : "; ") + clean_text(card.name) + ": " + card.why;
    }
    if (!rules.empty()) pin(rules, why);
    if (image_rules.empty() || is_the_users()) return;
    for (const inspect::KernelFacts* const kernel : bootable_kernels(draft_.guest())) {
      pin_in_image(*kernel, kHead + image_rules);
    }
  }

 private:
  /// The kernel's own name comes by itself where udev leaves it and the order is the same.
  bool comes_by_itself(const Card& card) const {
    return !by_place_ && kernel_card_number(card.name) == card.number;
  }

  /// What somebody wrote in its place says how the cards are called, and no initrd says otherwise.
  bool is_the_users() const { return draft_.options().edited_paths.count(kRules) > 0; }

  /// Rules that udev wrote itself look for the kernel's own name (KERNEL=="eth*"), which is gone
  /// once the initrd has named the card by its place.
  bool is_bound_late(const Card& card) const { return by_place_ && card.why.ends_with(".rules"); }

  static std::string rule_for(const Card& card) {
    return fmt::format(
        "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{{address}}==\"{}\", "
        "ATTR{{type}}==\"1\", NAME=\"{}\"\n",
        card.mac, card.name);
  }

  void say_without_mac(const Card& card) {
    draft_.say("nic-name", Severity::warning,
               fmt::format("network card {} was called {} in the guest, and has no MAC address in "
                           "the source to tie that to",
                           card.number + 1, clean_text(card.name)),
               "give it that name in the guest");
  }

  void assume(const Card& card) {
    draft_.assume(fmt::format(
        "Network card {} was called {} in the guest: its files use that name, and the source does "
        "not say which card it is",
        card.number + 1, clean_text(card.name)));
  }

  void pin(const std::string& rules, const std::string& why) {
    if (!draft_.found("/etc/udev/rules.d")) {
      draft_.say("nic-name", Severity::warning,
                 "the guest has no udev, so its network cards get the kernel's names",
                 "look at its network configuration");
      return;
    }
    const std::string* const old = draft_.text(kRules);
    draft_.create(kRules, (old ? *old : kHead) + rules, "network cards keep their names: " + why);
  }

  /// An initrd that has the cards' driver names them first.
  void pin_in_image(const inspect::KernelFacts& kernel, const std::string& text) {
    const InitrdNeed* const need = draft_.known_need(kernel);
    const auto brings = [&](const InitrdNeed& each) {
      return std::find(each.drivers.begin(), each.drivers.end(), "virtio_net") !=
             each.drivers.end();
    };
    if (!kernel.initrd || !has_udev(*kernel.initrd)) return;
    if (!has_at_boot(kernel, "virtio_net") && !(need && brings(*need))) return;
    const std::string name = std::string(kRules).substr(1);
    const auto& files = kernel.initrd->files;
    const auto there = files.find(name);
    if (there != files.end() && there->second == text) return;
    InitrdNeed* const made = draft_.need_of(kernel);
    if (!made) return;
    const bool known = std::any_of(made->files.begin(), made->files.end(),
                                   [&](const ImageFile& each) { return each.name == name; });
    if (known) return;
    const std::string why = "the initrd's udev names network cards before the root's does";
    if (made->why.empty()) made->why = why;
    made->files.push_back(
        {name, there == files.end() ? std::nullopt : std::optional(there->second), text, why});
  }

  PlanDraft& draft_;
  const bool by_place_;
};

}  // namespace

void plan_network(PlanDraft& draft) { NamePins(draft).write(name_cards(draft)); }

}  // namespace v2vfs::convert
