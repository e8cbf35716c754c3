// SPDX-License-Identifier: MIT
#include "convert/guest/capabilities_json.h"

#include <cerrno>
#include <nlohmann/json.hpp>

#include "inspect/base/error.h"

namespace v2vfs::convert {
namespace {

using nlohmann::json;

}  // namespace

NLOHMANN_JSON_SERIALIZE_ENUM(BlockBus, {{BlockBus::source, "source"},
                                        {BlockBus::sata, "sata"},
                                        {BlockBus::virtio_blk, "virtio"},
                                        {BlockBus::virtio_scsi, "virtio-scsi"}})
NLOHMANN_JSON_SERIALIZE_ENUM(GuestNic, {{GuestNic::source, "source"},
                                        {GuestNic::virtio, "virtio"},
                                        {GuestNic::e1000e, "e1000e"},
                                        {GuestNic::e1000, "e1000"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Capabilities, block_bus, nic, q35, transitional, uefi, rng,
                                   balloon, virtio_serial, guest_agent, cpu, console)

std::string capabilities_to_json(const Capabilities& can) {
  return json(can).dump(-1, ' ', true, json::error_handler_t::replace);
}

Capabilities capabilities_from_json(const std::string& text) try {
  return json::parse(text).get<Capabilities>();
} catch (const json::exception& e) {
  throw Error(EIO, "what is kept of the converted guest's hardware cannot be read: {}", e.what());
}

}  // namespace v2vfs::convert
