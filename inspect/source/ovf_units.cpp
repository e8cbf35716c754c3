// SPDX-License-Identifier: MIT
#include "inspect/source/ovf_units.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "inspect/base/checked.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect::ovf {
namespace {

struct Word {
  std::string_view text;
  unsigned base;
  unsigned exponent;
  bool is_guess;
};

/// DSP0004 has the singular words, kilo being 1000. The plural ones and the abbreviations are what
/// VMware, VirtualBox and oVirt write, and they mean powers of two.
constexpr std::array kWords = {
    Word{"byte", 2, 0, false},       Word{"bytes", 2, 0, false},
    Word{"octet", 2, 0, false},      Word{"octets", 2, 0, false},
    Word{"kilobyte", 10, 3, false},  Word{"megabyte", 10, 6, false},
    Word{"gigabyte", 10, 9, false},  Word{"terabyte", 10, 12, false},
    Word{"kibibyte", 2, 10, false},  Word{"mebibyte", 2, 20, false},
    Word{"gibibyte", 2, 30, false},  Word{"tebibyte", 2, 40, false},
    Word{"kibibytes", 2, 10, false}, Word{"mebibytes", 2, 20, false},
    Word{"gibibytes", 2, 30, false}, Word{"tebibytes", 2, 40, false},
    Word{"kib", 2, 10, false},       Word{"mib", 2, 20, false},
    Word{"gib", 2, 30, false},       Word{"tib", 2, 40, false},
    Word{"kilobytes", 2, 10, true},  Word{"megabytes", 2, 20, true},
    Word{"gigabytes", 2, 30, true},  Word{"terabytes", 2, 40, true},
    Word{"b", 2, 0, true},           Word{"kb", 2, 10, true},
    Word{"mb", 2, 20, true},         Word{"gb", 2, 30, true},
    Word{"tb", 2, 40, true},         Word{"kilo", 10, 3, false},
    Word{"mega", 10, 6, false},      Word{"giga", 10, 9, false},
    Word{"kibi", 2, 10, false},      Word{"mebi", 2, 20, false},
    Word{"gibi", 2, 30, false},
};

Checked power(std::uint64_t base, std::uint64_t exponent) {
  Checked result = 1;
  if (base <= 1 || exponent > 63) return base == 1 ? result : std::nullopt;
  for (std::uint64_t i = 0; i < exponent && result; ++i) result = checked_mul(*result, base);
  return result;
}

std::optional<std::uint64_t> parse_whole(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// "2^20", "1024", or a word.
std::optional<Unit> parse_factor(std::string_view factor) {
  const std::size_t caret = factor.find('^');
  if (caret != std::string_view::npos) {
    const auto base = parse_whole(trim(factor.substr(0, caret)));
    const auto exponent = parse_whole(trim(factor.substr(caret + 1)));
    const Checked value = base && exponent ? power(*base, *exponent) : std::nullopt;
    if (!value) return std::nullopt;
    return Unit{*value, false};
  }
  if (const auto value = parse_whole(factor)) return Unit{*value, false};
  const std::string lower = to_lower(factor);
  for (const Word& word : kWords) {
    if (lower == word.text) return Unit{*power(word.base, word.exponent), word.is_guess};
  }
  return std::nullopt;
}

/// The hexadecimal digits of `text`, lower case; nullopt if it holds anything but them and `fill`.
std::optional<std::string> hex_digits(std::string_view text, std::string_view fill) {
  std::string digits;
  for (const char c : to_lower(text)) {
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      digits += c;
    } else if (fill.find(c) == std::string_view::npos) {
      return std::nullopt;
    }
  }
  return digits;
}

bool is_all_zero(const std::string& digits) {
  return digits.find_first_not_of('0') == std::string::npos;
}

}  // namespace

std::optional<Unit> parse_unit(std::string_view text) {
  Unit unit;
  std::string_view rest = trim(text);
  while (!rest.empty()) {
    const std::size_t star = std::min(rest.find('*'), rest.size());
    const std::optional<Unit> factor = parse_factor(trim(rest.substr(0, star)));
    const Checked product = factor ? checked_mul(unit.bytes, factor->bytes) : std::nullopt;
    if (!product || *product == 0) return std::nullopt;
    unit = {*product, unit.is_guess || factor->is_guess};
    if (star == rest.size()) break;
    rest = trim(rest.substr(star + 1));
    if (rest.empty()) return std::nullopt;
  }
  return unit;
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  const std::string_view all = trim(text);
  const std::size_t dot = std::min(all.find('.'), all.size());
  const std::string_view fraction = all.substr(dot);
  if (fraction.find_first_not_of(".0") != std::string_view::npos) return std::nullopt;
  if (std::count(fraction.begin(), fraction.end(), '.') > 1) return std::nullopt;
  return parse_whole(all.substr(0, dot));
}

std::optional<std::string> parse_mac(std::string_view text) {
  const std::optional<std::string> digits = hex_digits(trim(text), ":-.");
  if (!digits || digits->size() != 12 || is_all_zero(*digits)) return std::nullopt;
  const bool is_group = std::string_view("13579bdf").find((*digits)[1]) != std::string_view::npos;
  if (is_group) return std::nullopt;
  std::string mac;
  for (std::size_t i = 0; i < digits->size(); i += 2) {
    if (i > 0) mac += ':';
    mac += digits->substr(i, 2);
  }
  return mac;
}

std::optional<std::string> parse_uuid(std::string_view text) {
  const std::optional<std::string> digits = hex_digits(trim(text), "{}- ");
  if (!digits || digits->size() != 32 || is_all_zero(*digits)) return std::nullopt;
  std::string uuid = *digits;
  for (const std::size_t at : {8, 13, 18, 23}) uuid.insert(at, "-");
  return uuid;
}

bool parse_flag(std::string_view text) {
  const std::string lower = to_lower(trim(text));
  return lower == "true" || lower == "1" || lower == "yes" || lower == "on";
}

}  // namespace v2vfs::inspect::ovf
