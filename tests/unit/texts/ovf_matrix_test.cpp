// SPDX-License-Identifier: MIT
//
// Each dialect of OVF, each key and each spelling that is read occurs in at least one description
// of tests/golden/ovf. Prints the table: what, and how many descriptions have it; a row with none
// fails. `V2VFS_MATRIX=1` prints the names too.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/unit/source/source_fixture.h"
#include "tests/unit/texts/coverage_table.h"

namespace v2vfs::inspect {
namespace {

namespace fs = std::filesystem;

using testing::Row;

constexpr Row kRows[] = {
    {"OVF 0.9", R"re(schema/ovf/1/envelope[^]*ovf:version="0\.9")re"},
    {"OVF 1.x", R"re(ovf/envelope/1")re"},
    {"OVF 2.x", R"re(ovf/envelope/2")re"},
    {"vSphere", "vmw:buildId"},
    {"vCloud Director", "vcloud"},
    {"Workstation", "VMware Workstation"},
    {"Fusion", "VMware Fusion"},
    {"VirtualBox, controllers in Items", "virtualbox-2.2[^]*sataController0"},
    {"VirtualBox, its own StorageControllers", "<StorageController name"},
    {"VirtualBox, OVF 2", R"re(ovf/envelope/2"[^]*vbox:Machine)re"},
    {"Citrix", "xenovf"},
    {"XCP-ng", "xcp-ng.org"},
    {"oVirt", "ovf:disk-interface"},
    {"AWS", "AWS VM Export"},
    {"default namespace", R"re(<Envelope[^>]*xmlns=")re"},
    {"prefix ovf", "<ovf:Envelope"},
    {"another prefix", "<e:Envelope"},
    {"attributes without prefix", "<Disk capacity"},
    {"UTF-16 LE", "UTF-16 LE"},
    {"UTF-16 BE", "UTF-16 BE"},
    {"BOM", "byte order mark"},
    {"CDATA", "CDATA"},
    {"character reference", "&#252;"},
    {"Section by xsi:type", "<(ovf:)?Section xsi:type|<Section [^>]*xsi:type"},
    {"Content by xsi:type", "<(ovf:)?Content"},
    {"localized messages", "<Msg"},
    {"language", R"re(xml:lang="de-DE")re"},
    {"localized names of items", "Festplatte"},
    {"VirtualSystemCollection", "<VirtualSystemCollection"},
    {"collection in a collection", "<VirtualSystemCollection[^]*<VirtualSystemCollection"},
    {"VirtualSystem without Name",
     R"re(<VirtualSystem [^>]*>\s*(<Info>[^<]*</Info>)?\s*<(OperatingSystemSection|VirtualHardwareSection))re"},
    {"several VirtualHardwareSections",
     R"re(</VirtualHardwareSection>\s*<VirtualHardwareSection>)re"},
    {"VirtualSystemType vmx-NN", ">vmx-1"},
    {"VirtualSystemType virtualbox", ">virtualbox-2.2"},
    {"VirtualSystemType xen", ">xen-3"},
    {"VirtualSystemType hvm", ">hvm-3"},
    {"StartupSection", "<StartupSection"},
    {"ProductSection", "<ProductSection"},
    {"property with a class", "ProductSection ovf:class"},
    {"property with an instance", "ovf:instance="},
    {"property's value by configuration", "<Value [^>]*ovf:configuration"},
    {"password property", "ovf:password"},
    {"DeploymentOptionSection", "<DeploymentOptionSection"},
    {"default configuration", R"re(ovf:default="true")re"},
    {"Item of a configuration", "<Item ovf:configuration"},
    {"Item of several configurations", R"re(ovf:configuration="medium large")re"},
    {"bound min", R"re(ovf:bound="min")re"},
    {"bound max", R"re(ovf:bound="max")re"},
    {"bound normal", R"re(ovf:bound="normal")re"},
    {"required false", R"re(ovf:required="false")re"},
    {"InstanceID twice", "InstanceID>3<[^]*InstanceID>3<"},
    {"InstanceId of old", "rasd:InstanceId"},
    {"StorageItem", "<StorageItem"},
    {"EthernetPortItem", "<EthernetPortItem"},
    {"EulaSection", "<EulaSection"},
    {"AnnotationSection", "AnnotationSection"},
    {"OperatingSystemSection, CIM id", R"re(OperatingSystemSection ovf:id="101")re"},
    {"vmw:osType", "vmw:osType"},
    {"vmw:BootOrderSection", "BootOrderSection"},
    {"boot order of oVirt", "BootOrder>"},
    {"type 1 other", "ResourceType>1<"},
    {"type 3 CPU", "ResourceType>3<"},
    {"type 4 memory", "ResourceType>4<"},
    {"type 5 IDE", "ResourceType>5<"},
    {"type 6 SCSI", "ResourceType>6<"},
    {"type 10 network", "ResourceType>10<"},
    {"type 14 floppy", "ResourceType>14<"},
    {"type 15 CD", "ResourceType>15<"},
    {"type 16 DVD", "ResourceType>16<"},
    {"type 17 disk", "ResourceType>17<"},
    {"type 19 storage extent", "ResourceType>19<"},
    {"type 20 SATA and others", "ResourceType>20<"},
    {"type 21 serial", "ResourceType>21<"},
    {"type 22 parallel", "ResourceType>22<"},
    {"type 23 USB", "ResourceType>23<"},
    {"type 24 graphics", "ResourceType>24<"},
    {"type 31 logical disk", "ResourceType>31<"},
    {"type 35 sound", "ResourceType>35<"},
    {"type 32768 NVRAM", "ResourceType>32768<"},
    {"SCSI lsilogic", "ResourceSubType>lsilogic<"},
    {"SCSI lsilogicsas", "ResourceSubType>lsilogicsas<"},
    {"SCSI buslogic", "ResourceSubType>buslogic<"},
    {"SCSI VirtualSCSI", "ResourceSubType>VirtualSCSI<"},
    {"SCSI list, blanks", "VirtualSCSI lsilogic"},
    {"SCSI list, commas", "buslogic, lsilogic"},
    {"AHCI", "ResourceSubType>AHCI<"},
    {"vmware.sata.ahci", "vmware.sata.ahci"},
    {"vmware.nvme.controller", "vmware.nvme.controller"},
    {"NVMe of VirtualBox", "ResourceSubType>NVMe<"},
    {"VirtioSCSI", "ResourceSubType>VirtioSCSI<"},
    {"LsiLogicSas as 20", "LsiLogicSas<[^]*ResourceType>20<"},
    {"PIIX4", "PIIX4"},
    {"vmware.usb.ehci", "vmware.usb.ehci"},
    {"vmware.usb.xhci", "vmware.usb.xhci"},
    {"vmware.cdrom.iso", "vmware.cdrom.iso"},
    {"vmware.cdrom.atapi", "vmware.cdrom.atapi"},
    {"vmware.cdrom.remoteatapi", "vmware.cdrom.remoteatapi"},
    {"vmware.cdrom.passthrough", "vmware.cdrom.passthrough"},
    {"vmware.cdrom.remotepassthrough", "vmware.cdrom.remotepassthrough"},
    {"vmware.floppy.image", "vmware.floppy.image"},
    {"vmware.floppy.device", "vmware.floppy.device"},
    {"vmware.floppy.remotedevice", "vmware.floppy.remotedevice"},
    {"vmware.serialport.device", "vmware.serialport.device"},
    {"vmware.serialport.file", "vmware.serialport.file"},
    {"vmware.serialport.pipe", "vmware.serialport.pipe"},
    {"vmware.serialport.uri", "vmware.serialport.uri"},
    {"vmware.serialport.thinprint", "vmware.serialport.thinprint"},
    {"vmware.vmci", "vmware.vmci"},
    {"vmware.vtpm", "vmware.vtpm"},
    {"vmware.soundcard", "vmware.soundcard"},
    {"vmware.pci.passthrough", "vmware.pci.passthrough"},
    {"NIC E1000", "ResourceSubType>E1000<"},
    {"NIC E1000e", "ResourceSubType>E1000e<"},
    {"NIC VmxNet3", "ResourceSubType>VmxNet3<"},
    {"NIC VmxNet2", "VmxNet2"},
    {"NIC PCNet32", "ResourceSubType>PCNet32<"},
    {"NIC unknown", "ResourceSubType>Foo<"},
    {"MAC with colons", "rasd:Address>..:..:..:..:..:..<"},
    {"MAC with dots", "Address>0050.56aa.bbcc"},
    {"MAC without colons", R"re(MACAddress="080027)re"},
    {"NIC without a MAC", R"re(<rasd:Connection>bridged</rasd:Connection>\s*<rasd:ElementName)re"},
    {"NIC not connected",
     R"re(AutomaticAllocation>false</rasd:AutomaticAllocation>\s*<rasd:Connection)re"},
    {"Connection twice", R"re(</rasd:Connection>\s*<rasd:Connection>)re"},
    {"slotInfo.pciSlotNumber", "slotInfo.pciSlotNumber"},
    {"HostResource ovf:/disk/", ">ovf:/disk/"},
    {"HostResource /disk/", ">/disk/"},
    {"HostResource ovf://disk/", ">ovf://disk/"},
    {"HostResource disk/", ">disk/"},
    {"HostResource ovf:/file/", ">ovf:/file/"},
    {"HostResource with a slash in the id", "/disk//vol"},
    {"Disk without fileRef",
     R"re(<Disk ovf:capacity="[^"]*" ovf:capacityAllocationUnits="[^"]*" ovf:diskId="[^"]*" ovf:format)re"},
    {"Disk with parentRef", R"re(parentRef="[a-z0-9])re"},
    {"capacity in bytes", R"re(ovf:capacity="10737418240")re"},
    {"capacity byte * 2^30", R"re(capacityAllocationUnits="byte \* 2\^30")re"},
    {"capacity byte * 2^40", R"re(byte \* 2\^40)re"},
    {"capacity 2^30*byte", R"re(2\^30\*byte)re"},
    {"capacity ${property}", R"re(ovf:capacity="\$\{)re"},
    {"capacity GB", R"re(capacityAllocationUnits="GB")re"},
    {"capacity gigabyte", R"re(capacityAllocationUnits="gigabyte")re"},
    {"size of oVirt", R"re(ovf:size="12" ovf:actual_size)re"},
    {"memory byte * 2^20", R"re(AllocationUnits>byte \* 2\^20<)re"},
    {"memory MegaBytes", "AllocationUnits>MegaBytes<"},
    {"memory GigaBytes", "AllocationUnits>GigaBytes<"},
    {"memory MB", "AllocationUnits>MB<"},
    {"memory MebiBytes", "AllocationUnits>MebiBytes<"},
    {"memory byte*1024", R"re(byte\s*\*\s*1024)re"},
    {"memory 10^9", R"re(10\^9)re"},
    {"memory kilobyte", "kilobyte"},
    {"memory mebibyte", "mebibyte"},
    {"memory without units", R"re(ResourceType>4</rasd:ResourceType>\s*<rasd:VirtualQuantity)re"},
    {"CPU hertz * 10^6", R"re(hertz \* 10\^6)re"},
    {"CPU MegaHertz", "MegaHertz"},
    {"CPU count", "AllocationUnits>count<"},
    {"CoresPerSocket", "CoresPerSocket"},
    {"File with chunkSize", "chunkSize"},
    {"File with gzip", R"re(compression="gzip")re"},
    {"File with identity", R"re(compression="identity")re"},
    {"File with another compression", R"re(compression="(xz|bzip2|lzma|zstd)")re"},
    {"href with ./", R"re(href="\./)re"},
    {"href with %20", R"re(href="[^"]*%20)re"},
    {"href with a blank", R"re(href="[^"]* [^"]*")re"},
    {"href in a folder", R"re(href="[^"./]+/[^"]+")re"},
    {"href is a URL", R"re(href="https?:)re"},
    {"format streamOptimized", "#streamOptimized"},
    {"format sparse", "#sparse"},
    {"format VHD", "vhdspec"},
    {"format raw", R"re(ovf:format="[^"]*raw)re"},
    {"volume-format of oVirt", R"re(volume-format="RAW"[^]*volume-format="COW")re"},
    {"firmware efi", R"re(vmw:key="firmware" vmw:value="efi")re"},
    {"firmware bios", R"re(vmw:key="firmware" vmw:value="bios")re"},
    {"firmware other", R"re(vmw:value="coreboot")re"},
    {"firmware of VirtualBox", R"re(<Firmware type="EFI")re"},
    {"firmware of oVirt", "<BiosType>"},
    {"firmware of Citrix", "HVM_boot_policy"},
    {"secure boot", "efiSecureBootEnabled"},
    {"secure boot of VirtualBox", "SecureBoot enabled"},
    {"TPM of VirtualBox", "TrustedPlatformModule"},
    {"uuid", R"re(vmw:key="uuid")re"},
    {"uuid.bios", "uuid.bios"},
    {"uuid of VirtualBox", "vbox:Machine[^>]*uuid="},
    {"clock of VirtualBox", "localOrUTC"},
    {"nestedHVEnabled", "nestedHVEnabled"},
    {"cpuHotAddEnabled", "cpuHotAddEnabled"},
    {"memoryHotAddEnabled", "memoryHotAddEnabled"},
    {"simultaneousThreads", "simultaneousThreads"},
    {"vbsEnabled", "flags.vbsEnabled"},
    {"vvtdEnabled", "flags.vvtdEnabled"},
    {"videoRamSizeInKB", "videoRamSizeInKB"},
    {"ExtraConfig nvram", R"re(key="nvram" vmw:value="ovf:/file)re"},
    {"ExtraConfig nvram, a name", R"re(key="nvram" vmw:value="[^o])re"},
    {"ExtraConfig cpuid.coresPerSocket", "cpuid.coresPerSocket"},
    {"ISO file", R"re(\.iso")re"},
};

/// As ASCII, with the encoding in front of it.
std::string text_of(const fs::path& file) {
  std::string text = testing::read_whole(file);
  if (text.starts_with("\xef\xbb\xbf")) return "byte order mark " + text;
  const bool is_little = text.starts_with("\xff\xfe");
  if (!is_little && !text.starts_with("\xfe\xff")) return text;
  std::erase(text, '\0');
  return (is_little ? "UTF-16 LE " : "UTF-16 BE ") + text;
}

std::map<std::string, std::string> texts() {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::directory_iterator(V2VFS_GOLDEN "/ovf")) {
    const fs::path& file = entry.path();
    if (file.extension() == ".ovf") all[file.stem().string()] = text_of(file);
  }
  return all;
}

TEST(OvfMatrix, has_no_empty_row) {
  testing::expect_no_empty_row("ovf", kRows, texts());
}

}  // namespace
}  // namespace v2vfs::inspect
