// SPDX-License-Identifier: MIT
#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/guest/guestfs_guest.h"
#include "inspect/guest/guestfs_handle.h"

/// Windows registry hives, parsed by hivex in the appliance. libguestfs has one open at a time.
namespace v2vfs::inspect {
namespace {

constexpr std::uint64_t kMostHiveBytes = 256 << 20;  // hivex keeps a hive in memory
constexpr std::uint32_t kMostKeys = 20'000;

}  // namespace

void GuestfsGuest::close_hive() {
  if (open_hive_.empty()) return;
  open_hive_.clear();
  if (::guestfs_hivex_close(handle_->get()) == -1) handle_->forgive();
}

bool GuestfsGuest::open_hive(const std::string& hive) {
  if (open_hive_ == hive) return true;
  close_hive();
  const std::optional<std::string> real = resolve(hive);
  if (!real) return false;
  const FileStat stat = this->stat(*real);
  if (stat.kind != FileKind::file) return false;
  if (stat.bytes > kMostHiveBytes) {
    throw Error(EFBIG, "{} is larger than a registry hive is read", clean_text(hive));
  }
  handle_->check(::guestfs_hivex_open(handle_->get(), real->c_str(), -1), hive);
  open_hive_ = hive;
  return true;
}

std::int64_t GuestfsGuest::registry_node(const std::string& hive, const std::string& key) {
  if (!open_hive(hive)) return 0;
  std::int64_t node = handle_->check64(::guestfs_hivex_root(handle_->get()), hive);
  for (std::size_t from = 0; node != 0 && from < key.size();) {
    const std::size_t to = std::min(key.find('\\', from), key.size());
    const std::string name = key.substr(from, to - from);
    if (!name.empty()) {
      node = handle_->check64(::guestfs_hivex_node_get_child(handle_->get(), node, name.c_str()),
                              hive);
    }
    from = to + 1;
  }
  return node;
}

std::optional<RegistryValue> GuestfsGuest::registry_value(const std::string& hive,
                                                          const std::string& key,
                                                          const std::string& value) {
  const std::int64_t node = registry_node(hive, key);
  if (node == 0) return std::nullopt;
  const std::int64_t found =
      handle_->check64(::guestfs_hivex_node_get_value(handle_->get(), node, value.c_str()), hive);
  if (found == 0) return std::nullopt;
  RegistryValue result;
  result.type = static_cast<std::uint32_t>(
      handle_->check64(::guestfs_hivex_value_type(handle_->get(), found), hive));
  std::size_t size = 0;
  const GuestfsText bytes(
      handle_->check_pointer(::guestfs_hivex_value_value(handle_->get(), found, &size), hive));
  result.bytes.assign(bytes.get(), size);
  return result;
}

std::vector<std::string> GuestfsGuest::registry_keys(const std::string& hive,
                                                     const std::string& key) {
  const std::int64_t node = registry_node(hive, key);
  if (node == 0) return {};
  const std::unique_ptr<guestfs_hivex_node_list, decltype(&::guestfs_free_hivex_node_list)>
      children(handle_->check_pointer(::guestfs_hivex_node_children(handle_->get(), node), hive),
               ::guestfs_free_hivex_node_list);
  if (children->len > kMostKeys) throw Error(EOVERFLOW, "{}: too many keys", clean_text(hive));
  std::vector<std::string> names;
  for (std::uint32_t i = 0; i < children->len; ++i) {
    const GuestfsText name(handle_->check_pointer(
        ::guestfs_hivex_node_name(handle_->get(), children->val[i].hivex_node_h), hive));
    names.emplace_back(name.get());
  }
  return names;
}

}  // namespace v2vfs::inspect
