// SPDX-License-Identifier: MIT
//
// Each key of a VMX that is read, each key and disk spelling of xl, and each part of a libvirt
// domain occurs in at least one description of tests/golden. Prints the table: what, and how many
// descriptions have it; a row with none fails. `V2VFS_MATRIX=1` prints the names too.
#include <gtest/gtest.h>

#include <map>

#include "tests/unit/source/source_fixture.h"
#include "tests/unit/texts/coverage_table.h"
#include "tests/unit/texts/text_fixtures.h"

namespace v2vfs::inspect {
namespace {

using testing::Row;

constexpr Row kVmxRows[] = {
    {".encoding UTF-8", R"re(\.encoding = "UTF-8")re"},
    {".encoding windows-1252", R"re(\.encoding = "windows-1252")re"},
    {".encoding GBK", R"re(\.encoding = "GBK")re"},
    {"CRLF", "\r\n"},
    {"comment", R"((^|\n)#)"},
    {"|XX escape", R"(\|22)"},
    {"continued line", R"(\\\n)"},
    {"value without quotes", R"(\n[a-z.]+ *= *[0-9]+\n)"},
    {"key twice", "displayName[^]*\ndisplayName"},
    {"upper-case keys", "CONFIG.VERSION"},
    {"displayName", "displayName"},
    {"annotation", "annotation"},
    {"guestOS", "guestOS"},
    {"memSize", "memSize"},
    {"numvcpus", "numvcpus"},
    {"cpuid.coresPerSocket", "cpuid.coresPerSocket"},
    {"firmware efi", R"(firmware = "efi")"},
    {"firmware other", R"(firmware = "coreboot")"},
    {"uefi.secureBoot.enabled", "uefi.secureBoot.enabled"},
    {"nvram", "\nnvram"},
    {"vm.genid and vm.genidX", "vm.genid =[^]*vm.genidX ="},
    {"uuid.bios", "uuid.bios"},
    {"vtpm.present", "vtpm.present"},
    {"managedvm.autoAddVTPM", "managedvm.autoAddVTPM"},
    {"vvtd.enable", "vvtd.enable"},
    {"rtc.diffFromUTC", "rtc.diffFromUTC"},
    {"bios.bootOrder", "bios.bootOrder"},
    {"bios.hddOrder", "bios.hddOrder"},
    {"extendedConfigFile", "extendedConfigFile"},
    {"scsiN:M disk", "scsi0:0.fileName"},
    {"nvmeN:M disk", "nvme0:0.fileName"},
    {"sataN:M disk", "sata0:0.fileName"},
    {"ideN:M disk", "ide0:0.fileName"},
    {"ideN:M cdrom-image", R"(ide1:0.deviceType = "cdrom-image")"},
    {"ideN:M atapi-cdrom", R"(deviceType = "atapi-cdrom")"},
    {"sataN:M cdrom-raw", R"(sata0:1.deviceType = "cdrom-raw")"},
    {"scsiN:M cdrom-raw", R"(scsi0:5.deviceType = "cdrom-raw")"},
    {"deviceType scsi-hardDisk", "scsi-hardDisk"},
    {"deviceType ata-hardDisk", "ata-hardDisk"},
    {"deviceType plainDisk", "plainDisk"},
    {"deviceType rawDisk", "rawDisk"},
    {"deviceType scsi-passthru", "scsi-passthru"},
    {"drive without present", "not-present.vmdk"},
    {"drive without controller", R"(scsi1.present = "FALSE")"},
    {"clientDevice", "clientDevice"},
    {"mode independent-*", "independent-nonpersistent"},
    {"redo", "REDO_"},
    {"absolute ESX path", "/vmfs/volumes/[^]*\\.vmdk"},
    {"[datastore] path", R"(\[datastore1\])"},
    {"path of Windows", R"(D:\\)"},
    {"path with ..", R"("\.\./)"},
    {"device of the host", R"(fileName = "/dev/)"},
    {"scsiN.virtualDev lsilogic", R"(virtualDev = "lsilogic")"},
    {"scsiN.virtualDev lsisas1068", "lsisas1068"},
    {"scsiN.virtualDev pvscsi", "pvscsi"},
    {"scsiN.virtualDev buslogic", "buslogic"},
    {"scsiN.sharedBus", "sharedBus"},
    {"several controllers", "scsi3.present"},
    {"controller pciSlotNumber", "scsi0.pciSlotNumber"},
    {"ethernetN.pciSlotNumber", "ethernet0.pciSlotNumber"},
    {"pciBridgeN", "pciBridge4"},
    {"addressType static", R"(addressType = "static")"},
    {"addressType generated", R"(addressType = "generated")"},
    {"addressType vpx", R"(addressType = "vpx")"},
    {"ethernetN.address", "ethernet0.address ="},
    {"ethernetN.generatedAddress", "generatedAddress ="},
    {"ethernetN without present", "ethernet1.virtualDev = \"e1000\"\nethernet1.generatedAddress"},
    {"virtualDev vmxnet3", R"(virtualDev = "vmxnet3")"},
    {"virtualDev vmxnet2", R"(virtualDev = "vmxnet2")"},
    {"virtualDev vmxnet", R"(virtualDev = "vmxnet")"},
    {"virtualDev e1000", R"(virtualDev = "e1000")"},
    {"virtualDev e1000e", R"(virtualDev = "e1000e")"},
    {"virtualDev vlance", R"(virtualDev = "vlance")"},
    {"networkName", "networkName"},
    {"connectionType bridged", R"(connectionType = "bridged")"},
    {"connectionType nat", R"(connectionType = "nat")"},
    {"connectionType hostonly", R"(connectionType = "hostonly")"},
    {"connectionType custom, vnet", R"(connectionType = "custom"\nethernet1.vnet)"},
    {"dvs.portgroupId", "dvs.portgroupId"},
    {"opaqueNetwork.id", "opaqueNetwork.id"},
    {"startConnected FALSE", R"(startConnected = "FALSE")"},
    {"floppy0 absent", R"(floppy0.present = "FALSE")"},
    {"floppy file", R"(floppy0.fileType = "file")"},
    {"floppy device", R"(floppy0.fileType = "device")"},
    {"floppy1", "floppy1.present"},
    {"serial file", R"(serial0.fileType = "file")"},
    {"serial device", R"(serial0.fileType = "device")"},
    {"serial pipe", "pipe.endPoint"},
    {"serial network", "network.endPoint"},
    {"serial thinprint", "thinprint"},
    {"parallelN", "parallel0"},
    {"sound", "sound.virtualDev"},
    {"usb, ehci, xhci", "usb_xhci.present"},
    {"svga.vramSize", "svga.vramSize"},
    {"hpet0", "hpet0"},
    {"RemoteDisplay.vnc", "RemoteDisplay.vnc.enabled"},
    {"sharedFolderN", "sharedFolder0"},
    {"pciPassthruN", "pciPassthru0"},
    {"encryption", "encryption.keySafe"},
    {"checkpoint.vmState", "checkpoint.vmState"},
    {"snapshot in the .vmsd", "snapshot0.displayName"},
};

constexpr Row kXenRows[] = {
    {"type pv", R"(type = "pv")"},
    {"type pvh", R"(type = "pvh")"},
    {"type hvm", R"(type = "hvm")"},
    {"builder hvm", R"(builder *= *['"]hvm)"},
    {"bootloader", "bootloader"},
    {"kernel, ramdisk", "kernel[^]*ramdisk"},
    {"cmdline", "cmdline"},
    {"root and extra", "(root[^]*extra)|(extra[^]*root)"},
    {"memory and maxmem", "maxmem"},
    {"vcpus and maxvcpus", "maxvcpus"},
    {"uuid", "uuid"},
    {"bios ovmf", R"(bios = "ovmf")"},
    {"bios_path_override", "bios_path_override"},
    {"firmware", "firmware = "},
    {"boot", "boot *= *"},
    {"localtime", "localtime"},
    {"serial list", R"(serial = \[)"},
    {"vif empty", R"(vif = \[ '' \])"},
    {"vif mac, bridge", "mac=00[^]*bridge="},
    {"vif model", "model=e1000"},
    {"vif type=ioemu", "type=ioemu"},
    {"vif type=vif", "type=vif"},
    {"pci", "\npci ="},
    {"+=", R"(\+=)"},
    {"list of lists", R"(\[ \[)"},
    {"semicolon", "; memory"},
    {"triple quotes", R"(""")"},
    {"hexadecimal number", "0x200"},
    {"disk: target,format,vdev,access", "/srv/a,raw,xvda,rw"},
    {"disk: empty format", "/srv/c,,xvdc"},
    {"disk: only three", "/srv/d,,xvdd\""},
    {"disk: format qcow2", ",qcow2,"},
    {"disk: format vhd", ",vhd,"},
    {"disk: format qed", ",qed,"},
    {"disk: key=value", "format=raw, vdev=xvda, access=rw, target="},
    {"disk: target with commas", "target=/srv/data,with,commas"},
    {"disk: mixed", "xvde,format=qcow2,vdev=xvde"},
    {"disk: backendtype", "backendtype=phy"},
    {"disk: script", "script=block-drbd"},
    {"disk: discard, no-discard", "no-discard"},
    {"disk: direct-io-safe", "direct-io-safe"},
    {"disk: devtype=cdrom", "devtype=cdrom"},
    {"disk: flag cdrom", ",ro,cdrom"},
    {"disk: :cdrom", "hdc:cdrom"},
    {"disk: empty cdrom", "',hdc:cdrom,r'"},
    {"disk: phy:", "phy:/dev"},
    {"disk: phy: without /dev", "phy:vg/"},
    {"disk: file:", "file:/"},
    {"disk: tap:aio:", "tap:aio:"},
    {"disk: tap2:", "tap2:"},
    {"disk: tap:qcow2:", "tap:qcow2:"},
    {"disk: tapdisk:", "tapdisk:"},
    {"disk: raw:", "raw:/"},
    {"disk: qcow2:", "qcow2:/"},
    {"disk: qcow:", "'qcow:/"},
    {"disk: vhd:", "vhd:/"},
    {"disk: vmdk:", "vmdk:/"},
    {"disk: ioemu:", "ioemu:hda"},
    {"disk: nbd:", "nbd:10"},
    {"disk: drbd:", "drbd:"},
    {"disk: iscsi:", "iscsi:"},
    {"disk: rbd:", "rbd:"},
    {"disk: w!", "w!'"},
    {"disk: a partition", "xvda2"},
    {"disk: hd, sd, xvd", "xvda'[^]*sda'"},
    {"cdrom, fda of xm", "fda = "},
};

constexpr Row kDomainRows[] = {
    {"memory unit", "<memory unit='GiB'>"},
    {"memory without unit", "<memory>"},
    {"maxMemory", "maxMemory"},
    {"vcpu current", "current='2'"},
    {"topology", "<topology"},
    {"threads", "threads='2'"},
    {"uuid, genid", "<uuid>[^]*<genid>"},
    {"title, description", "<title>[^]*<description>"},
    {"libosinfo", "libosinfo:os"},
    {"sysinfo", "<sysinfo"},
    {"os firmware efi", "<os firmware='efi'>"},
    {"secure boot", "secure-boot"},
    {"loader pflash", "type='pflash'"},
    {"loader by name", "edk2"},
    {"nvram", "<nvram"},
    {"kernel, initrd, cmdline", "<kernel>[^]*<initrd>[^]*<cmdline>"},
    {"bootloader", "<bootloader>"},
    {"type linux", "<type>linux"},
    {"type xenpvh", "xenpvh"},
    {"clock localtime", "localtime"},
    {"disk file", "<disk type='file' device='disk'>"},
    {"disk block", "<disk type='block'"},
    {"disk network", "<disk type='network'"},
    {"disk volume", "<disk type='volume'"},
    {"disk dir", "<disk type='dir'"},
    {"disk nvme", "<disk type='nvme'"},
    {"disk vhostuser", "<disk type='vhostuser'"},
    {"disk lun", "device='lun'"},
    {"disk cdrom", "device='cdrom'"},
    {"disk floppy", "device='floppy'"},
    {"disk without type", "<disk><source"},
    {"backingStore", "<backingStore type"},
    {"encryption", "<encryption"},
    {"transient", "<transient/>"},
    {"slices", "<slices>"},
    {"serial of a disk", "<serial>WEB"},
    {"boot order", "<boot order"},
    {"readonly", "<readonly/>"},
    {"driver tap", "name='tap'"},
    {"bus ide", "bus='ide'"},
    {"bus sata", "bus='sata'"},
    {"bus scsi", "bus='scsi'"},
    {"bus virtio", "bus='virtio'"},
    {"bus xen", "bus='xen'"},
    {"bus nvme", "bus='nvme'"},
    {"bus usb", "bus='usb'"},
    {"model virtio-scsi", "virtio-scsi"},
    {"model lsisas1068", "lsisas1068"},
    {"model vmpvscsi", "vmpvscsi"},
    {"model buslogic", "buslogic"},
    {"address drive", "<address type='drive'"},
    {"interface network", "<interface type='network'>"},
    {"interface bridge", "<interface type='bridge'>"},
    {"interface user", "<interface type='user'>"},
    {"interface direct", "<interface type='direct'>"},
    {"interface hostdev", "<interface type='hostdev'>"},
    {"interface without model", "<source bridge='br0'/></interface>"},
    {"link down", "<link state='down'/>"},
    {"serial pty", "<serial type='pty'>"},
    {"serial file", "<serial type='file'>"},
    {"serial tcp", "<serial type='tcp'>"},
    {"tpm", "<tpm"},
    {"hostdev", "<hostdev"},
};

struct Table {
  const char* kind;
  std::vector<Row> rows;
};

void PrintTo(const Table& table, std::ostream* out) { *out << table.kind; }

/// With the .vmsd behind it.
std::string text_of(const testing::TextFixture& fixture) {
  std::string text = testing::read_whole(fixture.file);
  std::filesystem::path vmsd = fixture.file;
  vmsd.replace_extension(".vmsd");
  if (fixture.kind == "vmx" && std::filesystem::exists(vmsd)) text += testing::read_whole(vmsd);
  return text;
}

class TextMatrix : public ::testing::TestWithParam<Table> {};

TEST_P(TextMatrix, has_no_empty_row) {
  const Table& table = GetParam();
  std::map<std::string, std::string> texts;
  for (const testing::TextFixture& fixture : testing::text_fixtures(table.kind)) {
    texts[fixture.file.stem().string()] = text_of(fixture);
  }
  testing::expect_no_empty_row(table.kind, table.rows, texts);
}

INSTANTIATE_TEST_SUITE_P(Kinds, TextMatrix,
                         ::testing::Values(Table{"vmx", {std::begin(kVmxRows), std::end(kVmxRows)}},
                                           Table{"xen", {std::begin(kXenRows), std::end(kXenRows)}},
                                           Table{"libvirt",
                                                 {std::begin(kDomainRows), std::end(kDomainRows)}}),
                         [](const auto& param_info) { return std::string(param_info.param.kind); });

}  // namespace
}  // namespace v2vfs::inspect
