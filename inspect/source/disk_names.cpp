// SPDX-License-Identifier: MIT
#include "inspect/source/disk_names.h"

#include <algorithm>

#include "inspect/source/source_name.h"

namespace v2vfs::inspect {
namespace {

/// `suffix` stands for its length.
std::string without_suffix(std::string_view name, std::string_view suffix) {
  return std::string(name.substr(0, name.size() - suffix.size()));
}

/// `name` as a file in `folder` ("/a/b/") says it, without "." and "..": a path to compare with.
std::string joined(const std::string& folder, std::string_view name) {
  const std::string whole = name.starts_with('/') ? std::string(name) : folder + std::string(name);
  std::vector<std::string_view> parts;
  const std::string_view text = whole;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, slash - at);
    at = slash + 1;
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
  }
  std::string out;
  for (const std::string_view part : parts) out += "/" + std::string(part);
  return out;
}

}  // namespace

std::string descriptor_of_part(std::string_view name) {
  for (const std::string_view suffix :
       {"-flat.vmdk", "-delta.vmdk", "-sesparse.vmdk", "-ctk.vmdk", "-rdm.vmdk", "-rdmp.vmdk"}) {
    if (has_suffix(name, suffix)) return without_suffix(name, suffix) + ".vmdk";
  }
  constexpr std::string_view kNumbered = "-s001.vmdk";
  if (!has_suffix(name, ".vmdk") || name.size() <= kNumbered.size()) return "";
  const std::string_view tail = name.substr(name.size() - kNumbered.size());
  const bool is_numbered =
      tail[0] == '-' && (tail[1] == 's' || tail[1] == 'f') &&
      tail.substr(2, 3).find_first_not_of("0123456789") == std::string_view::npos;
  return is_numbered ? without_suffix(name, tail) + ".vmdk" : "";
}

std::vector<std::string> places_of_link(const std::string& folder, std::string link) {
  std::replace(link.begin(), link.end(), '\\', '/');
  return {joined(folder, link), joined(folder, file_part(link))};
}

std::string base_of_delta(std::string_view name) {
  constexpr std::string_view kHex = "0123456789abcdefABCDEF-";
  constexpr std::size_t kGuid = 36;
  for (const std::string_view suffix : {".avhdx", ".avhd"}) {
    if (!has_suffix(name, suffix)) continue;
    const std::string stem = without_suffix(name, suffix);
    const bool has_guid = stem.size() > kGuid + 1 && stem[stem.size() - kGuid - 1] == '_' &&
                          stem.find_first_not_of(kHex, stem.size() - kGuid) == std::string::npos;
    return (has_guid ? stem.substr(0, stem.size() - kGuid - 1) : stem) +
           std::string(suffix == ".avhd" ? ".vhd" : ".vhdx");
  }
  const std::string descriptor = descriptor_of_part(name);
  if (descriptor.empty()) return "";
  const std::string stem = without_suffix(descriptor, ".vmdk");
  const std::size_t dash = stem.rfind('-');
  const bool is_numbered = dash != std::string::npos && dash + 7 == stem.size() &&
                           stem.find_first_not_of("0123456789", dash + 1) == std::string::npos;
  return is_numbered ? stem.substr(0, dash) + ".vmdk" : "";
}

}  // namespace v2vfs::inspect
