// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "inspect/guest/guest.h"

/// What a Guest in a child process and its client say to each other, over a stream socket.
///
///     frame    = length u32 (of the payload), kind u8, payload
///     client:    request = call u8, arguments
///     server:    progress*  part*  (result | error)    for each request, in its order
///
/// A result too large for one frame goes in front of it as parts. Numbers are in the host's byte
/// order: both ends are the same program. Strings and lists are a u32 count and their elements,
/// structs their fields in order, an optional a u8 and the value.
///
/// The server sits beside a qemu that a hostile guest may own, so nothing that it says is trusted:
/// a frame, a list and a whole result have limits, a count never allocates more than the bytes that
/// are there bear out, and whatever does not decode to the last byte is Error(EIO).
namespace v2vfs::inspect {

constexpr std::size_t kMostFrameBytes = 8 << 20;
constexpr std::size_t kMostReplyBytes = 64 << 20;  // all parts of one
constexpr std::uint32_t kMostElements = 200'000;   // of one list
constexpr std::size_t kMostSentenceBytes = 4096;

/// Every call of Guest, once: its number on the wire, and the server's table.
#define V2VFS_GUEST_CALLS(X)                                                                     \
  X(storage)                                                                                     \
  X(unlock)                                                                                      \
  X(btrfs_subvolumes)                                                                            \
  X(read_device)                                                                                 \
  X(mount)                                                                                       \
  X(unmount_all)                                                                                 \
  X(space)                                                                                       \
  X(stat)                                                                                        \
  X(list) X(readlink) X(read) X(xattrs) X(resolve) X(resolve_case) X(rpm_packages)               \
      X(registry_value) X(registry_keys) X(write_file) X(append) X(truncate) X(rename) X(remove) \
          X(make_directory) X(make_symlink) X(set_permissions) X(set_owner) X(set_xattr)         \
              X(remove_xattr) X(run_program) X(sync) X(start_anew) X(finish)

enum class GuestCall : std::uint8_t {
  start,  // not Guest's: the settings, always first
#define V2VFS_CALL(name) name,
  V2VFS_GUEST_CALLS(V2VFS_CALL)
#undef V2VFS_CALL
};

enum class FrameKind : std::uint8_t { request, progress, part, result, error };
constexpr unsigned kFrameKinds = 5;

enum class GuestProgress : std::uint8_t { launching, alive };

/// One disk that the worker opens: always as qcow2, never guessed.
struct GuestDisk {
  std::string path;  // absolute
  bool writable = false;
};

/// What a worker is started with.
struct GuestSettings {
  std::vector<GuestDisk> disks;  // in the order in which the VM counts them
  std::uint32_t memory_mib = 1280;
  bool force_tcg = false;
  std::string cache_folder;      // the appliance that supermin builds; shared, ours alone
  std::string temporary_folder;  // of this worker; somebody else removes it
};

/// An error reply.
struct GuestFailure {
  std::int32_t error_number = 0;
  bool fatal = false;  // the reader is gone: no later call can work
  std::string sentence;
};

// The fields of each struct, for both directions.
inline auto fields(BlockDevice& v) {
  return std::tie(v.name, v.kind, v.below, v.bytes, v.type, v.uuid, v.label);
}
inline auto fields(PartitionTable& v) { return std::tie(v.disk, v.index, v.kind, v.disk_id); }
inline auto fields(PartitionEntry& v) {
  return std::tie(v.device, v.disk, v.number, v.start_bytes, v.bytes, v.bootable, v.mbr_id,
                  v.gpt_type, v.partuuid, v.partlabel);
}
inline auto fields(LogicalVolume& v) { return std::tie(v.device, v.group, v.name, v.uuid); }
inline auto fields(Storage& v) { return std::tie(v.devices, v.tables, v.partitions, v.volumes); }
inline auto fields(BtrfsSubvolume& v) {
  return std::tie(v.id, v.parent_id, v.path, v.is_default, v.is_snapshot);
}
inline auto fields(FileStat& v) {
  return std::tie(v.kind, v.permissions, v.uid, v.gid, v.links, v.inode, v.device, v.rdev, v.bytes,
                  v.allocated_bytes, v.modified_ns);
}
inline auto fields(FileEntry& v) { return std::tie(v.name, v.stat, v.target); }
inline auto fields(Xattr& v) { return std::tie(v.name, v.value); }
inline auto fields(FilesystemSpace& v) {
  return std::tie(v.bytes, v.free_bytes, v.files, v.free_files);
}
inline auto fields(PackageEntry& v) {
  return std::tie(v.name, v.version, v.release, v.epoch, v.arch, v.url, v.summary, v.description);
}
inline auto fields(RegistryValue& v) { return std::tie(v.type, v.bytes); }
inline auto fields(GuestMount& v) {
  return std::tie(v.device, v.mountpoint, v.subvolume, v.writable);
}
inline auto fields(GuestDisk& v) { return std::tie(v.path, v.writable); }
inline auto fields(GuestSettings& v) {
  return std::tie(v.disks, v.memory_mib, v.force_tcg, v.cache_folder, v.temporary_folder);
}
inline auto fields(GuestFailure& v) { return std::tie(v.error_number, v.fatal, v.sentence); }

// How many values an enumeration has.
constexpr unsigned count_of(BlockKind) { return 5; }
constexpr unsigned count_of(FileKind) { return 7; }
constexpr unsigned count_of(GuestProgress) { return 2; }
#define V2VFS_CALL(name) +1
constexpr unsigned count_of(GuestCall) { return 1 V2VFS_GUEST_CALLS(V2VFS_CALL); }
#undef V2VFS_CALL

template <typename T>
concept WireStruct = requires(T& value) {
  fields(value);
};

/// Encodes one payload. Throws Error(EOVERFLOW) for a list that no reader would take.
class WireWriter {
 public:
  template <typename T>
  requires std::integral<T> || std::is_enum_v<T>
  void put(T value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void put(std::string_view text);
  void put(const std::string& text) { put(std::string_view(text)); }
  template <WireStruct T>
  void put(const T& value) {
    std::apply([this](const auto&... field) { (put(field), ...); }, fields(const_cast<T&>(value)));
  }
  template <typename T>
  void put(const std::vector<T>& list) {
    put_count(list.size());
    for (const T& element : list) put(element);
  }
  template <typename T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }

  std::string take() { return std::move(bytes_); }

 private:
  void put_count(std::size_t count);

  std::string bytes_;
};

/// Decodes one payload, which has to outlive it. Every method throws Error(EIO) for bytes that are
/// no value of the type.
class WireReader {
 public:
  explicit WireReader(std::string_view payload) : payload_(payload) {}

  template <typename T>
  T get() {
    T value{};
    get(value);
    return value;
  }
  /// To be called when all is decoded.
  void expect_end() const;

 private:
  template <std::integral T>
  void get(T& value) {
    const std::string_view bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
  }
  void get(bool& value);
  void get(std::string& text);
  template <typename T>
  requires std::is_enum_v<T>
  void get(T& value) {
    const auto number = get<std::underlying_type_t<T>>();
    if (number < 0 || static_cast<unsigned>(number) >= count_of(T{})) fail("an unknown word");
    value = static_cast<T>(number);
  }
  template <WireStruct T>
  void get(T& value) {
    std::apply([this](auto&... field) { (get(field), ...); }, fields(value));
  }
  template <typename T>
  void get(std::vector<T>& list) {
    // Grows with what was decoded, not with what the count claims.
    for (std::uint32_t left = get_count(); left > 0; --left) list.push_back(get<T>());
  }
  template <typename T>
  void get(std::optional<T>& value) {
    if (get<bool>()) value = get<T>();
  }
  std::uint32_t get_count();
  std::string_view take(std::size_t bytes);
  [[noreturn]] void fail(const char* what) const;

  std::string_view payload_;
  std::size_t at_ = 0;
};

/// What a worker says of itself is shown to people: cleaned, with an errno that is one.
void clean(GuestFailure& failure);

}  // namespace v2vfs::inspect
