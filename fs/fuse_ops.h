// SPDX-License-Identifier: MIT
#pragma once

// The one place that names the version of libfuse's interface; included by fs/fuse_*.cpp only.
#define FUSE_USE_VERSION 312
#include <fuse3/fuse_lowlevel.h>

#include <future>
#include <string>
#include <vector>

#include "fs/lent.h"
#include "fs/node_space.h"
#include "fs/parking_lot.h"

namespace v2vfs::fs {

/// What a folder held when it was opened.
using Listing = std::vector<DirEntry>;

/// What the callbacks get as user data.
struct FuseTarget {
  NodeSpace* nodes = nullptr;
  std::string state_root;       // statfs answers for the file system that holds the state
  std::promise<void> answered;  // set when the kernel has said INIT
  Lent<Handle> handles;
  Lent<Listing> listings;
  ParkingLot waiting;  // last: nobody opens anything after it was closed
};

/// The table of callbacks: each decodes, makes one call under the guard and replies once.
const fuse_lowlevel_ops& fuse_operations();

}  // namespace v2vfs::fs
