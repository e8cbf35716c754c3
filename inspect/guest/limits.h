// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

/// How much of a guest is looked at. What lies beyond a bound is left out, and a note says so. All
/// in bytes or counts.
namespace v2vfs::inspect {

constexpr std::size_t kSmallFileBytes = 64 << 10;    // release files, hostname, selinux, ...
constexpr std::size_t kConfigFileBytes = 1 << 20;    // fstab, grub.cfg, interfaces, ...
constexpr std::size_t kModuleIndexBytes = 8 << 20;   // modules.dep, modules.builtin, config
constexpr std::size_t kPackageFileBytes = 64 << 20;  // dpkg's status, apk's installed
constexpr std::size_t kKeptConfigBytes = 32 << 20;   // GuestFacts::config altogether
constexpr std::size_t kLinesOfAFile = 100'000;       // of configuration
constexpr std::size_t kPathsRemembered = 20'000;
constexpr std::size_t kEntriesOfAFolder = 20'000;
constexpr std::size_t kMountpoints = 200;
constexpr std::size_t kFilesystems = 200;  // tried for roots
constexpr std::size_t kSubvolumesTried = 64;
constexpr std::size_t kRoots = 16;
constexpr std::size_t kPackages = 50'000;
constexpr std::size_t kDescriptionBytes = 8 << 10;  // of a package
constexpr std::size_t kKernels = 32;
constexpr std::size_t kBootEntries = 200;
constexpr std::size_t kNics = 256;
constexpr std::size_t kInitrdsOpened = 8;
constexpr std::size_t kPathsFound = 4000;  // GuestFacts::found
constexpr unsigned kIncludeDepth = 4;      // include, source, configfile
constexpr std::size_t kFilesIncluded = 64;
constexpr unsigned kUnlockRounds = 4;  // LUKS in LVM in LUKS ...
constexpr std::size_t kNotes = 200;

constexpr std::uint64_t kInitrdBytes = 512 << 20;           // stored
constexpr std::uint64_t kInitrdUnpackedBytes = 1ULL << 30;  // streamed, not kept
constexpr std::size_t kInitrdEntries = 200'000;
constexpr std::size_t kInitrdNameBytes = 4096;       // PATH_MAX
constexpr std::size_t kInitrdNamesBytes = 32 << 20;  // of all entries
constexpr std::size_t kInitrdFileBytes = 256 << 10;  // of a small file that is kept
constexpr std::size_t kInitrdKeptBytes = 8 << 20;    // of all of them

}  // namespace v2vfs::inspect
