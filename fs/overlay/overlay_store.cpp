// SPDX-License-Identifier: MIT
#include "fs/overlay/overlay_store.h"

#include "fs/overlay/journaled_store.h"

namespace v2vfs::fs {

std::unique_ptr<OverlayStore> OverlayStore::open(Io& io, const std::string& folder,
                                                 std::shared_ptr<BaseImage> base) {
  return JournaledStore::open(io, folder, std::move(base), StoreRules{});
}

std::unique_ptr<OverlayStore> OverlayStore::create(Io& io, const std::string& folder,
                                                   std::shared_ptr<BaseImage> base,
                                                   const OverlayIdentity& identity) {
  return JournaledStore::create(io, folder, std::move(base), identity, StoreGeometry{},
                                StoreRules{});
}

std::optional<OverlayIdentity> OverlayStore::identity(Io& io, const std::string& folder) {
  const std::optional<Head> head = JournaledStore::read_head(io, folder, StoreRules{});
  if (!head) return std::nullopt;
  return head->identity;
}

}  // namespace v2vfs::fs
