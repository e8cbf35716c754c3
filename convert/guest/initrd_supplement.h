// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "inspect/guest/guest.h"

/// The supplement of an initrd: an archive with the drivers that the image lacks, appended so that
/// the kernel unpacks it last. Nothing of the guest is executed. One kernel's image in four steps:
///
///     Supplement s = make_supplement(guest, request, work_folder);   reads, computes, tries
///     if (!s.refusal.empty()) ...                                    stays as it is: say why
///     write_supplement(guest, s); verify_supplement(guest, s);       in place, and read again
///
/// Not thread safe (as Guest). The guest is mounted; for write_supplement() writable.
namespace v2vfs::convert {

/// A small file of an image as it is to be: its own copy of what the plan changes.
struct InitrdFile {
  std::string name;  // as the image spells it: "conf/conf.d/resume", no leading '/'
  std::string text;
};

/// What one image is to get. Everything but `drivers` and `files` is as KernelFacts says it.
struct SupplementRequest {
  std::string kernel;                // KernelFacts::version
  std::string modules_dir;           // of the guest: "/lib/modules/6.1.0-18-amd64"; empty: none
  std::string image;                 // path in the guest; symlinks are followed
  std::vector<std::string> codecs;   // KernelFacts::initrd_codecs
  std::vector<std::string> drivers;  // by name with underscores, in the order to load them:
                                     // "virtio_pci", "virtio_blk", ...; what they need comes along
  std::vector<InitrdFile> files;     // made, or replaced in their place with the mode they have
};

/// A file beside the image that follows from it.
struct ChangedFile {
  std::string path;  // in the guest
  std::string text;
};

struct Supplement {
  std::string image;                    // real path in the guest
  std::uint64_t image_bytes = 0;        // as it was
  std::string refusal;                  // why the image stays as it is, one sentence; else empty
  std::vector<std::string> absent;      // drivers that this kernel does not have at all
  std::vector<std::string> modules;     // names of what is added
  std::vector<std::string> entries;     // the archive's names in order; empty: nothing is needed
  std::string archive_digest;           // SHA-256 of the names, modes and contents of `entries`
  std::uint64_t kept_bytes = 0;         // of the image; what is behind them is written anew
  std::string bytes;                    // what comes behind them
  std::string tail;                     // InitrdFacts::tail, before and after
  std::optional<ChangedFile> checksum;  // Debian's /var/lib/initramfs-tools/VERSION

  bool needed() const { return !entries.empty(); }
  /// How much more room the image's file system must have.
  std::uint64_t growth() const {
    const std::uint64_t after = kept_bytes + bytes.size();
    return needed() && after > image_bytes ? after - image_bytes : 0;
  }
};

/// Opens the image as the kernel would, finds what it lacks, and makes the archive: modules as the
/// guest's folder has them, decompressed and else byte for byte (signatures stay good); an index of
/// all modules that the image then has, made and checked by this host's kmod in a sandbox
/// (module_index.h); the lists of images that load by lists (driver_lists.h); `files`. Nothing
/// replaces a folder or a link of the image. Then the image with the archive is opened once more.
/// An image that has all of it gets nothing: doing it twice is doing it once, and the same image
/// gives the same bytes. `work_folder`: of this host, private, exists; up to 1 GiB for a moment.
/// What a damaged, hostile or strange image is in the way of is a refusal. Throws what the guest
/// throws, Error(ENOPKG) where this host has no kmod, and what writing to `work_folder` throws.
Supplement make_supplement(inspect::Guest& guest, const SupplementRequest& request,
                           const std::string& work_folder);

/// Writes it in place, so that links, owner, mode and labels stay, and the checksum beside it.
/// Throws Error(ENOSPC) before anything is changed if there is no room, Error(EIO) if the image is
/// another one by now. Half of it may be there after an error: the caller's staging is the undo.
void write_supplement(inspect::Guest& guest, const Supplement& supplement);

/// Reads the image from the guest again: it has the size that it should, opens to its end as the
/// kernel would open it, and its last entries are the archive's, byte for byte. Throws Error(EIO)
/// with a sentence if not.
void verify_supplement(inspect::Guest& guest, const Supplement& supplement);

}  // namespace v2vfs::convert
