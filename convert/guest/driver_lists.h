// SPDX-License-Identifier: MIT
#pragma once

#include <map>
#include <string>
#include <vector>

namespace v2vfs::convert {

/// What an image loads its drivers by, as its texts say it.
struct ListedImage {
  std::string generator;                     // InitrdFacts::generator
  std::map<std::string, std::string> files;  // small files of the image, by name
  bool loads_by_alias = false;               // udev, or what stands in for it, is in it
};

/// A driver to be loaded.
struct ListedDriver {
  std::string name;                // "virtio_blk"
  std::string file;                // in the image: "lib/virtio_blk.ko"
  std::vector<std::string> needs;  // names of modules
  bool asked = true;               // false: only something that an asked one needs
};

struct DriverLists {
  std::string refusal;                       // one sentence; empty: none
  std::map<std::string, std::string> files;  // texts that change
};

/// The texts of an image that has to load `drivers` too (in their order, each after what it
/// needs). udev loads by modalias from the index alone: dracut, ALT's make-initrd, Alpine's
/// nlplug-findfs and mkinitcpio's udev need no list. initramfs-tools (conf/modules) and mkinitcpio
/// (MODULES in config) get one as well, for images without udev. Red Hat's nash runs a script that
/// loads file by file, SUSE's mkinitrd loads RESOLVED_INITRD_MODULES: without a change there nobody
/// loads anything. Lists that have them already are left alone. Only nash has to be told of drivers
/// that were not asked for. Pure.
DriverLists driver_lists(const ListedImage& image, const std::vector<ListedDriver>& drivers);

}  // namespace v2vfs::convert
