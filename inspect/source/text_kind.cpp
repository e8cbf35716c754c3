// SPDX-License-Identifier: MIT
#include "inspect/source/text_kind.h"

#include <algorithm>
#include <set>
#include <string>

#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kMostLines = 2'000;
constexpr std::size_t kLongestKey = 64;

/// Without a byte order mark, the XML declaration, comments and blanks.
std::string_view without_prolog(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  for (text = trim(text);; text = trim(text)) {
    std::string_view end;
    if (text.starts_with("<?")) end = "?>";
    if (text.starts_with("<!--")) end = "-->";
    const std::size_t at = end.empty() ? std::string_view::npos : text.find(end);
    if (at == std::string_view::npos) return text;
    text.remove_prefix(at + end.size());
  }
}

bool is_domain(std::string_view text) {
  text = without_prolog(text);
  constexpr std::string_view kRoot = "<domain";
  if (!text.starts_with(kRoot)) return false;
  const char next = text.size() > kRoot.size() ? text[kRoot.size()] : '\0';
  return next == '>' || next == ' ' || next == '\t' || next == '\n' || next == '\r';
}

/// The keys of lines that are `key = value`, lower case.
std::set<std::string> keys_of(std::string_view text) {
  std::set<std::string> keys;
  std::size_t lines = 0;
  for (std::size_t at = 0; at < text.size() && ++lines < kMostLines;) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = trim(line.substr(0, equals));
    if (!key.empty() && key.size() <= kLongestKey && key.front() != '#') keys.insert(to_lower(key));
  }
  return keys;
}

bool has_any(const std::set<std::string>& keys, std::initializer_list<const char*> wanted) {
  return std::any_of(wanted.begin(), wanted.end(),
                     [&](const char* key) { return keys.contains(key); });
}

/// "name", "memory" and "type" stand in many a file: what only Xen has is asked for too.
bool is_xen(const std::set<std::string>& keys) {
  if (!keys.contains("memory") || !keys.contains("name")) return false;
  if (has_any(keys, {"disk", "vif", "bootloader", "builder", "ramdisk"})) return true;
  return has_any(keys, {"type", "kernel", "firmware"}) &&
         has_any(keys, {"vcpus", "maxmem", "on_crash", "on_reboot", "extra"});
}

}  // namespace

ContentKind text_kind(std::string_view head) {
  if (is_domain(head)) return ContentKind::domain;
  if (head.find('\0') != std::string_view::npos) return ContentKind::other;
  const std::set<std::string> keys = keys_of(head);
  if (has_any(keys, {"config.version", "virtualhw.version", "encryption.keysafe"})) {
    return ContentKind::vmx;
  }
  return is_xen(keys) ? ContentKind::xen : ContentKind::other;
}

}  // namespace v2vfs::inspect
