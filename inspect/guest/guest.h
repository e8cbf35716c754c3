// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The inside of a machine's disks, as somebody reads it for us: first the block layers, then the
/// files of what was mounted. libguestfs in a child process is the first implementation
/// (guestfs_guest behind guest_client); a folder in tests is another; a reader of ext4 without an
/// appliance may follow. Everything that v2vfs knows about a guest comes through here.
///
/// Every byte and every name is the guest's: hostile until checked. Paths are absolute in the
/// guest's own tree ("/etc/fstab"), bytes without NUL, not necessarily UTF-8. No call but
/// run_program() executes anything of the guest.
///
/// Errors: Error(ENOENT) and the like as the guest's kernel says them; Error(ETIMEDOUT) when the
/// reader was ended because it did not move (a program may be silent for an hour); Error(EIO) when
/// it died. After those two every later call throws the same. Not thread safe: one VM has one
/// worker.
namespace v2vfs::inspect {

/// How far a block device is the disk itself.
enum class BlockKind { disk, partition, logical_volume, md_array, luks_mapping };

/// One thing that can hold a filesystem, or another layer. Names are the reader's own
/// ("/dev/sda1", "/dev/vg0/root", "/dev/md127", "/dev/mapper/luks-<uuid>"), good for the calls
/// below until it ends. Guests may call the same thing otherwise.
struct BlockDevice {
  std::string name;
  BlockKind kind = BlockKind::disk;
  std::vector<std::string> below;  // what it lies on: a partition's disk, a volume's PVs, ...
  std::uint64_t bytes = 0;
  /// What blkid sees in it: "ext4", "swap", "crypto_LUKS", "LVM2_member", "linux_raid_member",
  /// "btrfs", "ntfs", ...; empty: nothing known.
  std::string type;
  std::string uuid;  // as blkid spells it; of the filesystem or the layer
  std::string label;
};

/// Of a disk: its partition table.
struct PartitionTable {
  std::string disk;                  // BlockDevice::name
  std::optional<std::size_t> index;  // which of the VM's disks, counted from 0, if known
  std::string kind;                  // "msdos", "gpt", ...; empty: none
  std::string disk_id;               // GPT disk GUID or "xxxxxxxx" of an MBR, lower case
};

/// Of a partition.
struct PartitionEntry {
  std::string device;  // BlockDevice::name
  std::string disk;
  unsigned number = 0;
  std::uint64_t start_bytes = 0;
  std::uint64_t bytes = 0;
  bool bootable = false;           // MBR: the active flag; GPT: legacy_boot
  std::optional<unsigned> mbr_id;  // 0x83, 0xef, ...
  std::string gpt_type;            // GUID, lower case
  std::string partuuid;            // as Linux spells it: GPT GUID, or "xxxxxxxx-NN"
  std::string partlabel;
};

struct LogicalVolume {
  std::string device;
  std::string group;  // "vg0"
  std::string name;   // "root"
  std::string uuid;
};

struct Storage {
  std::vector<BlockDevice> devices;
  std::vector<PartitionTable> tables;
  std::vector<PartitionEntry> partitions;
  std::vector<LogicalVolume> volumes;
};

struct BtrfsSubvolume {
  std::uint64_t id = 0;
  std::uint64_t parent_id = 0;
  std::string path;  // below the top of the filesystem, without a leading slash
  bool is_default = false;
  bool is_snapshot = false;  // it has a parent uuid
};

enum class FileKind { file, directory, symlink, block_device, character_device, fifo, socket };

struct FileStat {
  FileKind kind = FileKind::file;
  std::uint32_t permissions = 0;  // 07777
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t links = 1;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;  // st_dev: where it changes, a mountpoint is crossed
  std::uint64_t rdev = 0;    // of device nodes
  std::uint64_t bytes = 0;
  std::uint64_t allocated_bytes = 0;
  std::int64_t modified_ns = 0;  // since 1970
};

struct FileEntry {
  std::string name;
  FileStat stat;       // of the entry itself, as lstat(2)
  std::string target;  // of a symlink
};

struct Xattr {
  std::string name;
  std::string value;
};

struct FilesystemSpace {
  std::uint64_t bytes = 0;
  std::uint64_t free_bytes = 0;
  std::uint64_t files = 0;  // 0: the filesystem does not count them
  std::uint64_t free_files = 0;
};

struct PackageEntry {
  std::string name;
  std::string version;
  std::string release;
  std::string epoch;
  std::string arch;
  std::string url;
  std::string summary;
  std::string description;
};

/// Of a Windows registry: one value, as hivex has it (type as REG_*).
struct RegistryValue {
  std::uint32_t type = 0;
  std::string bytes;
};

/// What a mount of one device needs to be told.
struct GuestMount {
  std::string device;      // BlockDevice::name
  std::string mountpoint;  // "/", "/boot", ...
  std::string subvolume;   // btrfs: "@"; empty: the default one
  /// Else read-only. A log that was left is then replayed beside the disks if these are read-only
  /// themselves (so the files are as the guest would find them), and not at all if they are not.
  bool writable = false;
};

class Guest {
 public:
  virtual ~Guest() = default;

  // Block layers. Arrays and volume groups are assembled read-only when the reader starts.
  virtual Storage storage() = 0;
  /// Opens a LUKS container under /dev/mapper/`mapping` and looks for volume groups in it;
  /// storage() shows them afterwards. Throws EACCES for a wrong key, ENOMEM when key derivation
  /// does not fit.
  virtual void unlock(const std::string& device, std::string_view key,
                      const std::string& mapping) = 0;
  virtual std::vector<BtrfsSubvolume> btrfs_subvolumes(const std::string& device) = 0;
  /// Bytes of a block device itself: boot sectors, superblocks, signatures. At most 4 MiB a call.
  virtual std::string read_device(const std::string& device, std::uint64_t offset,
                                  std::size_t length) = 0;

  // Mounts. Several at a time make the guest's tree; shortest mountpoint first.
  virtual void mount(const GuestMount& mount) = 0;
  virtual void unmount_all() = 0;
  /// Of the file system that a folder of the mounted tree lies in.
  virtual FilesystemSpace space(const std::string& folder) = 0;

  // Files of the mounted tree. No call but those that say so follows a symlink in the last part of
  // the path; those before it resolve inside the guest, never on the host.
  virtual FileStat stat(const std::string& path) = 0;  // lstat(2)
  virtual std::vector<FileEntry> list(const std::string& path) = 0;
  virtual std::string readlink(const std::string& path) = 0;
  /// Up to `length` bytes of a regular file (at most 4 MiB a call); fewer only at its end. Refuses
  /// what is no regular file (EINVAL): a fifo never hangs the reader.
  virtual std::string read(const std::string& path, std::uint64_t offset, std::size_t length) = 0;
  virtual std::vector<Xattr> xattrs(const std::string& path) = 0;
  /// The path with every symlink in it resolved inside the guest; nullopt: it leads nowhere.
  virtual std::optional<std::string> resolve(const std::string& path) = 0;
  /// The same file with the case that it really has (Windows); nullopt: there is none.
  virtual std::optional<std::string> resolve_case(const std::string& path) = 0;

  // What only the reader's own libraries can tell.
  /// The installed packages of an RPM database of the mounted root at `root_device`.
  virtual std::vector<PackageEntry> rpm_packages(const std::string& root_device) = 0;
  /// Values of one key of a hive file ("Microsoft\\Windows NT\\CurrentVersion" in
  /// "/Windows/System32/config/SOFTWARE"); nullopt: no such key or value. Names ignore case.
  virtual std::optional<RegistryValue> registry_value(const std::string& hive,
                                                      const std::string& key,
                                                      const std::string& value) = 0;
  virtual std::vector<std::string> registry_keys(const std::string& hive,
                                                 const std::string& key) = 0;

  // Changes: only of what was mounted writable (EROFS else). One call is one step; the whole is
  // made durable by sync().
  /// Creates or replaces the content of a regular file; an existing one keeps its inode, mode,
  /// owner and xattrs.
  virtual void write_file(const std::string& path, std::string_view content) = 0;
  virtual void append(const std::string& path, std::string_view content) = 0;
  /// Cuts a regular file to its first `bytes`. EINVAL if it has fewer: a file never grows so.
  virtual void truncate(const std::string& path, std::uint64_t bytes) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual void remove(const std::string& path) = 0;  // a file, a symlink, or an empty folder
  virtual void make_directory(const std::string& path, std::uint32_t permissions) = 0;
  virtual void make_symlink(const std::string& target, const std::string& path) = 0;
  virtual void set_permissions(const std::string& path, std::uint32_t permissions) = 0;
  virtual void set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) = 0;
  virtual void set_xattr(const std::string& path, const Xattr& xattr) = 0;
  virtual void remove_xattr(const std::string& path, const std::string& name) = 0;
  /// Runs a program of the guest's, with its tree for a root, in the reader's appliance: the one
  /// call that executes what the guest brought, for who asked for it. Gives what it printed; throws
  /// what it said last if it did not end well.
  virtual std::string run_program(const std::vector<std::string>& words) = 0;
  /// Everything written is on the disks that the reader was given.
  virtual void sync() = 0;
  /// The same, then the reader is another one that knows nothing: as at its start, nothing is
  /// mounted or unlocked, and nothing runs or lies about that a program of the guest's left. Throws
  /// if anything that was written may be missing; no call is good then.
  virtual void start_anew() = 0;
  /// The same, then unmounts and closes the disks: nobody has them open when it returns. No call is
  /// good afterwards. Throws if anything that was written may be missing.
  virtual void finish() = 0;
};

/// The whole of a regular file, symlinks followed inside the guest. nullopt: it is not there, or is
/// no regular file. Throws Error(EFBIG) above `most_bytes`.
std::optional<std::string> read_whole(Guest& guest, const std::string& path,
                                      std::size_t most_bytes);

}  // namespace v2vfs::inspect
