# SPDX-License-Identifier: MIT
"""Linux guests with what makes a conversion hard: names of disks, network cards, tools of hypervisors."""

from linux_guests import CODECS, DRACUT, OTHERS, SCRIPTS, VIRTIO, VMWARE, deb_status, el, grub2, os_release, suffixed
from tree import Guest, elf, kernel_image

DEBIAN12 = {"/etc/os-release": os_release(PRETTY_NAME="Debian GNU/Linux 12 (bookworm)", NAME="Debian GNU/Linux",
                                          VERSION_ID="12", VERSION_CODENAME="bookworm", ID="debian"),
            "/etc/debian_version": "12.5\n"}
VERSION = "6.1.0-18-amd64"


def systemd(g, on=None):
    """What tells a system of today: its init, a folder for rules, one for units."""
    g.put("/usr/lib/systemd/systemd", "", on=on)
    for folder in ("/etc/udev/rules.d", "/etc/systemd/system/multi-user.target.wants"):
        g.make_folder(folder, on=on)


def open_vm_tools(g):
    """As Debian's package leaves it: an alias, a link that starts it, and a unit that it requires."""
    g.link("/etc/systemd/system/vmtoolsd.service", "/lib/systemd/system/open-vm-tools.service")
    g.link("/etc/systemd/system/multi-user.target.wants/open-vm-tools.service",
           "/lib/systemd/system/open-vm-tools.service")
    g.link("/etc/systemd/system/open-vm-tools.service.requires/vgauth.service", "/lib/systemd/system/vgauth.service")
    g.link("/etc/systemd/system/backup.service.requires/run-vmblock-fuse.mount", "/lib/systemd/system/run-vmblock-fuse.mount")


def debian(folder, fstab, root="/dev/sda1", files=None, modules=VMWARE + OTHERS, compression="zstd", options="ro quiet",
           filesystem="ext4", packages=()):
    """Debian 12 on one disk; `root` is what grub.cfg says."""
    g = Guest(folder, filesystem)
    g.base(DEBIAN12, "web", fstab=fstab)
    systemd(g)
    g.kernel(VERSION, modules=VIRTIO + VMWARE + OTHERS, config=CODECS)
    g.initrd(f"/boot/initrd.img-{VERSION}", {**SCRIPTS, **(files or {})}, compression, VERSION, modules)
    g.put("/boot/grub/grub.cfg", grub2([("Debian GNU/Linux", f"/boot/vmlinuz-{VERSION}", f"/boot/initrd.img-{VERSION}",
                                         f"root={root} {options}")]))
    g.put("/var/lib/dpkg/status", deb_status(("bash", "5.2.15-2+b2", "installed"), ("initramfs-tools", "0.142", "installed"), *packages))
    return g


def plan_debian12_vmware(folder):
    """What a template of a vSphere cluster looks like after years."""
    g = debian(folder, "# /etc/fstab: static file system information.\n#\n"
               "# <file system> <mount point>   <type>  <options>       <dump>  <pass>\n"
               "/dev/sda1\t/               ext4    errors=remount-ro 0       1\n"
               "/dev/sda5       none            swap    sw              0       0\n"
               "/dev/sr0        /media/cdrom0   udf,iso9660 user,noauto     0       0\n"
               ".host:/ /mnt/hgfs vmhgfs defaults,ttl=5 0 0",
               files={"conf/conf.d/resume": "RESUME=/dev/sda5\n"}, options="ro quiet resume=/dev/sda5",
               packages=(("open-vm-tools", "2:12.2.0-1+deb12u2", "installed"),))
    g.partition("/dev/sda5", "swap")
    open_vm_tools(g)
    g.put("/etc/default/grub", 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet resume=/dev/sda5"\n'
          'GRUB_CMDLINE_LINUX=""\n#GRUB_DISABLE_LINUX_UUID=true\n')
    g.put("/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda5\n")
    g.put("/boot/grub/device.map", "(hd0)\t/dev/disk/by-id/ata-VMware_Virtual_SATA_Hard_Drive_00\n(hd1) /dev/sdb\n")
    g.put("/etc/network/interfaces", "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\n"
          "allow-hotplug ens192\niface ens192 inet static\n\taddress 192.0.2.10/24\n\tgateway 192.0.2.1\n")
    g.put("/etc/X11/xorg.conf", 'Section "Device"\n\tIdentifier "Card0"\n\tDriver\t"vmware"\n\tBusID "PCI:0:15:0"\n'
          'EndSection\nSection "InputDevice"\n\tDriver "vmmouse"\nEndSection\n')
    g.put("/etc/apt/sources.list.d/vmware.list", "deb http://packages.vmware.com/tools/esx/6.5/ubuntu xenial main\n")
    g.put("/etc/modprobe.d/vmware.conf", "options vmw_pvscsi cmd_per_lun=254\n")
    g.put("/etc/blkid.tab", "<device DEVNO=\"0x0801\" TYPE=\"ext4\">/dev/sda1</device>\n")
    g.nic("00:50:56:aa:00:0a", 192)
    return g


def plan_debian12_ready(folder):
    """Names that last, and virtio in the initrd: next to nothing is left to do."""
    g = debian(folder, "LABEL=root / ext4 errors=remount-ro 0 1\nPARTUUID=deadbee0-05 none swap sw 0 0\n",
               root="LABEL=root", modules=VIRTIO + OTHERS,
               packages=(("qemu-guest-agent", "1:7.2+dfsg-7", "installed"),))
    g.partition("/dev/sda5", "swap")
    g.devices[1]["label"] = "root"
    g.put("/etc/systemd/network/10-lan.link", "[Match]\nMACAddress=00:50:56:aa:00:0b\n[Link]\nName=lan0\n")
    g.nic("00:50:56:aa:00:0b")
    return g


def plan_debian12_lvm(folder):
    g = debian(folder, "/dev/mapper/vg0-root / ext4 errors=remount-ro 0 1\n/dev/sda1 /boot ext2 defaults 0 2\n"
               "/dev/vg0/swap none swap sw 0 0\n", root="/dev/mapper/vg0-root")
    boot = g.root
    g.partition("/dev/sda2", "LVM2_member")
    g.root = g.volume("vg0", "root", "ext4")
    g.volume("vg0", "swap", "swap")
    g.folders[(boot, "")], g.folders[(g.root, "")] = g.folders[(g.root, "")], g.folders[(boot, "")]
    source, target = g.folders[(g.root, "")] / "boot", g.folders[(boot, "")]
    for name in ("grub", f"vmlinuz-{VERSION}", f"initrd.img-{VERSION}", f"config-{VERSION}"):
        (source / name).rename(target / name)
    g.put("/etc/lvm/lvm.conf", "# made up\ndevices {\n\tdir = \"/dev\"\n\t# filter = [ \"a|.*|\" ]\n"
          "\tfilter = [ \"a|^/dev/sda2$|\", \"a|^/dev/sd[bc]|\", \"r|.*|\" ]\n\tuse_devicesfile = 1\n}\n")
    g.put("/etc/lvm/devices/system.devices", "# LVM uses devices listed in this file.\nVERSION=1.1.2\n"
          "IDTYPE=sys_wwid IDNAME=naa.6000c29f DEVNAME=/dev/sda2 PVID=abc PART=2\n")
    g.put("/etc/lvm/cache/.cache", "persistent_filter_cache {\n}\n")
    g.nic("00:50:56:aa:00:0c", 160)
    return g


def plan_debian12_luks(folder):
    """Root in LUKS, opened by the initrd from a device by name; swap with a key of its own at each boot."""
    g = debian(folder, "/dev/mapper/sda5_crypt / ext4 errors=remount-ro 0 1\n/dev/mapper/cswap none swap sw 0 0\n"
               "/dev/sda1 /boot ext4 defaults 0 2\n",
               root="/dev/mapper/sda5_crypt",
               files={"cryptroot/crypttab": "sda5_crypt /dev/sda5 none luks,discard,initramfs\n"})
    boot = g.root
    container = g.partition("/dev/sda5", "crypto_LUKS")
    g.partition("/dev/sda6", "")
    g.root = g.device("/dev/mapper/luks-1", "ext4", "luks_mapping", [container])
    g.folders[(boot, "")], g.folders[(g.root, "")] = g.folders[(g.root, "")], g.folders[(boot, "")]
    source, target = g.folders[(g.root, "")] / "boot", g.folders[(boot, "")]
    for name in ("grub", f"vmlinuz-{VERSION}", f"initrd.img-{VERSION}", f"config-{VERSION}"):
        (source / name).rename(target / name)
    g.put("/etc/crypttab", "# <target> <source> <key file> <options>\nsda5_crypt\t/dev/sda5  none luks,discard\n"
          "cswap /dev/sda6 /dev/urandom swap,cipher=aes-xts-plain64\n")
    g.nic("00:50:56:aa:00:0d")
    return g


def plan_debian12_two_disks(folder):
    g = debian(folder, "/dev/sda1 / ext4 defaults 0 1\n/dev/sdb1 /data xfs defaults,logdev=/dev/sdb2 0 2\n"
               "/dev/sdc1 /gone ext4 defaults,nofail 0 2\n", root="UUID=00000001-0000-4000-8000-000000000001")
    g.disk("/dev/sdb")
    g.partition("/dev/sdb1", "xfs", partuuid="deadbee1-01")
    g.partition("/dev/sdb2", "", partuuid="deadbee1-02")
    g.make_folder("/data")
    g.put("/etc/network/interfaces", "auto lo\niface lo inet loopback\nauto ens192\niface ens192 inet static\n"
          "\taddress 192.0.2.20/24\nauto ens224\niface ens224 inet static\n\taddress 198.51.100.20/24\n")
    g.nic("00:50:56:aa:01:01")
    g.nic("00:50:56:aa:01:02")
    return g


def plan_debian12_links(folder):
    """by-path, by-id, by-uuid, and a multipath name on the only disk."""
    g = debian(folder, "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part1 / ext4 defaults 0 1\n"
               "/dev/disk/by-id/scsi-36000c29f0000-part2\t/home ext4 defaults 0 2\n"
               "/dev/disk/by-uuid/00000003-0000-4000-8000-000000000003 /srv ext4 defaults 0 2\n"
               "/dev/mapper/mpatha-part4 /var/cache ext4 defaults 0 2\n",
               root="/dev/disk/by-id/scsi-36000c29f0000-part1")
    for number in (2, 3, 4):
        g.partition(f"/dev/sda{number}", "ext4")
    for path in ("/home", "/srv", "/var/cache"):
        g.make_folder(path)
    g.nic("00:50:56:aa:00:0e")
    return g


def plan_debian12_copies(folder):
    """A second disk that is a copy of the first: UUIDs say nothing."""
    g = debian(folder, "/dev/sda1 / ext4 defaults 0 1\n/dev/sdb1 /copy ext4 ro,nofail 0 0\n", root="/dev/sda1")
    g.disk("/dev/sdb")
    g.partition("/dev/sdb1", "ext4", partuuid="deadbee0-01", uuid=g.uuid("/dev/sda1"))
    g.nic("00:50:56:aa:00:0f")
    return g


def plan_debian12_uefi(folder):
    """GPT and UEFI; Debian puts no loader where a firmware looks by itself."""
    g = Guest(folder, "vfat")
    g.tables[0]["kind"] = "gpt"
    g.partitions[0]["gpt_type"] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    g.devices[1]["uuid"] = "ABCD-1234"
    esp = g.root
    g.root = g.partition("/dev/sda2", "ext4")
    g.base(DEBIAN12, "uefi", fstab="/dev/sda2 / ext4 defaults 0 1\n/dev/sda1 /boot/efi vfat umask=0077 0 1\n")
    systemd(g)
    g.make_folder("/boot/efi")
    g.kernel(VERSION, modules=VIRTIO + VMWARE, config=CODECS)
    g.initrd(f"/boot/initrd.img-{VERSION}", SCRIPTS, "zstd", VERSION, VMWARE)
    g.put("/boot/grub/grub.cfg", grub2([("Debian", f"/boot/vmlinuz-{VERSION}", f"/boot/initrd.img-{VERSION}",
                                         "root=/dev/sda2 ro")]))
    for name in ("shimx64.efi", "grubx64.efi", "mmx64.efi", "fbx64.efi"):
        g.put(f"/EFI/debian/{name}", b"MZ" + name.encode(), on=esp)
    g.put("/EFI/debian/grub.cfg", "search.fs_uuid 00000002-0000-4000-8000-000000000002 root\n"
          "set prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n", on=esp)
    g.put("/var/lib/dpkg/status", deb_status(("grub-efi-amd64-signed", "1+2.06", "installed")))
    g.put("/etc/systemd/network/20-lan.network", "[Match]\nName=ens192\n\n[Network]\nAddress=192.0.2.30/24\n")
    g.firmware = "uefi"
    g.nic("00:50:56:aa:00:10", 192)
    return g


def plan_debian_menu_lst(folder):
    """A Debian of 2010: GRUB legacy, and a clock source that is kept."""
    g = Guest(folder, "ext3")
    g.base({"/etc/debian_version": "5.0.10\n"}, "lenny", fstab="proc /proc proc defaults 0 0\n"
           "/dev/sda1       /               ext3    errors=remount-ro 0       1\n/dev/sda5 none swap sw 0 0\n"
           "/dev/hdc        /media/cdrom0   udf,iso9660 user,noauto     0       0\n")
    g.partition("/dev/sda5", "swap")
    version = "2.6.26-2-amd64"
    g.kernel(version, modules=VIRTIO[:5] + VMWARE[2:], config="CONFIG_X86_64=y\nCONFIG_RD_GZIP=y\n")
    g.initrd(f"/boot/initrd.img-{version}", {**SCRIPTS, "conf/conf.d/resume": "RESUME=/dev/sda5\n"}, "gzip", version,
             VMWARE[2:], modules_root="lib/modules")
    g.put("/boot/grub/menu.lst", "default\t\t0\ntimeout\t\t5\ncolor cyan/blue white/blue\n\n"
          "### BEGIN AUTOMAGIC KERNELS LIST\n## default kernel options\n# kopt=root=/dev/sda1 ro clocksource=acpi_pm\n\n"
          "## default grub root device\n# groot=(hd0,0)\n\n# defoptions=quiet\n## ## End Default Options ##\n\n"
          f"title\t\tDebian GNU/Linux, kernel {version}\nroot\t\t(hd0,0)\nkernel\t\t/boot/vmlinuz-{version} "
          f"root=/dev/sda1 ro clocksource=acpi_pm quiet\ninitrd\t\t/boot/initrd.img-{version}\n\n"
          "### END DEBIAN AUTOMAGIC KERNELS LIST\n")
    g.put("/boot/grub/device.map", "(hd0)\t/dev/sda\n")
    g.put("/etc/initramfs-tools/conf.d/resume", "RESUME=/dev/sda5\n")
    g.put("/etc/inittab", "id:2:initdefault:\n1:2345:respawn:/sbin/getty 38400 tty1\n")
    g.put("/etc/network/interfaces", "auto lo eth0\niface lo inet loopback\niface eth0 inet static\n\taddress 192.0.2.40\n"
          "\tnetmask 255.255.255.0\n")
    g.put("/etc/udev/rules.d/70-persistent-net.rules", 'SUBSYSTEM=="net", ACTION=="add", DRIVERS=="?*", '
          'ATTR{address}=="00:50:56:aa:00:11", ATTR{type}=="1", KERNEL=="eth*", NAME="eth0"\n')
    g.put("/usr/bin/vmware-uninstall-tools.pl", "")
    g.put("/etc/init.d/vmware-tools", "#!/bin/sh\n")
    for level in "2345":
        g.link(f"/etc/rc{level}.d/S20vmware-tools", "../init.d/vmware-tools")
    g.link("/etc/rc0.d/K20vmware-tools", "../init.d/vmware-tools")
    g.put("/var/lib/dpkg/status", deb_status(("grub", "0.97-47lenny2", "installed")))
    g.nic("00:50:56:aa:00:11", 32)
    return g


def plan_debian_xen(folder):
    """A paravirtual guest of Xen: xvda, hvc0, Citrix's tools."""
    g = Guest(folder, "ext3")
    g.base({"/etc/debian_version": "7.11\n"}, "xen", fstab="/dev/xvda1 / ext3 errors=remount-ro 0 1\n"
           "/dev/xvda2 none swap sw 0 0\n")
    g.partition("/dev/sda2", "swap")
    version = "3.2.0-4-amd64"
    g.kernel(version, modules=VIRTIO, config="CONFIG_X86_64=y\nCONFIG_RD_GZIP=y\nCONFIG_XEN=y\n")
    g.initrd(f"/boot/initrd.img-{version}", SCRIPTS, "gzip", version, ("drivers/block/xen-blkfront.ko",),
             modules_root="lib/modules")
    g.put("/boot/grub/menu.lst", f"default 0\ntitle Debian\nroot (hd0,0)\nkernel /boot/vmlinuz-{version} "
          f"root=/dev/xvda1 ro console=hvc0 quiet\ninitrd /boot/initrd.img-{version}\n")
    g.put("/etc/inittab", "id:2:initdefault:\n#1:2345:respawn:/sbin/getty 38400 tty1\n#2:23:respawn:/sbin/getty 38400 tty2\n"
          "T0:23:respawn:/sbin/getty -L hvc0 9600 vt100\n")
    g.put("/etc/securetty", "console\nhvc0\ntty1\n")
    g.put("/etc/network/interfaces", "auto eth0\niface eth0 inet dhcp\n")
    g.put("/etc/init.d/xe-linux-distribution", "#!/bin/sh\n")
    g.link("/etc/rc2.d/S14xe-linux-distribution", "../init.d/xe-linux-distribution")
    g.make_folder("/etc/udev/rules.d")
    g.put("/var/lib/dpkg/status", deb_status(("xe-guest-utilities", "6.2.0-1137", "installed")))
    g.nic("00:16:3e:aa:00:12")
    return g


def plan_debian_no_initrd(folder):
    """A kernel of one's own, everything built in."""
    g = Guest(folder, "ext4")
    g.base(DEBIAN12, "own", fstab="/dev/sda1 / ext4 defaults 0 1\n")
    systemd(g)
    g.kernel("6.1.55", modules=(), builtin=VIRTIO + OTHERS, config="CONFIG_X86_64=y\n")
    g.put("/boot/extlinux/extlinux.conf", "default linux\nlabel linux\n  kernel /boot/vmlinuz-6.1.55\n"
          "  append root=/dev/sda1 rootfstype=ext4 net.ifnames=0\n")
    g.put("/etc/network/interfaces", "auto eth0\niface eth0 inet dhcp\n")
    g.nic("00:50:56:aa:00:13", 192)
    return g


def plan_debian_raid(folder):
    """Arrays whose configuration names their disks, and a mount unit."""
    g = debian(folder, "UUID=00000004-0000-4000-8000-000000000004 / ext4 defaults 0 1\n", root="/dev/md0",
               filesystem="linux_raid_member",
               files={"etc/mdadm/mdadm.conf": "DEVICE /dev/sd[ab]1\nARRAY /dev/md0 devices=/dev/sda1,/dev/sdb1\n"})
    first = g.root
    g.disk("/dev/sdb")
    g.partition("/dev/sdb1", "linux_raid_member")
    g.root = g.device("/dev/md0", "ext4", "md_array", [first, "/dev/sdb1"])
    g.folders[(g.root, "")] = g.folders.pop((first, ""))
    g.partition("/dev/sdb2", "ext4")
    g.put("/etc/mdadm/mdadm.conf", "# made up\nDEVICE /dev/sda1 /dev/sdb1\n"
          "ARRAY /dev/md0 level=raid1 devices=/dev/sda1,/dev/sdb1 UUID=00000001:00004000:80000000:00000001\n")
    g.put("/etc/systemd/system/srv.mount", "[Mount]\nWhat=/dev/sdb2\nWhere=/srv\n")
    g.put("/etc/multipath.conf", "blacklist {\n\tdevnode \"^sd[a-z]\"\n}\n")
    g.nic("00:50:56:aa:00:14")
    return g


def plan_debian_systemd_boot(folder):
    g = Guest(folder, "vfat")
    g.tables[0]["kind"] = "gpt"
    g.partitions[0]["gpt_type"] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    g.devices[1]["uuid"] = "AAAA-CCCC"
    esp = g.root
    g.root = g.partition("/dev/sda2", "ext4")
    g.base(DEBIAN12, "sdboot", fstab="/dev/nvme0n1p2 / ext4 defaults 0 1\n/dev/nvme0n1p1 /boot/efi vfat rw 0 2\n")
    systemd(g)
    g.make_folder("/boot/efi")
    g.kernel(VERSION, modules=VIRTIO + OTHERS, config=CODECS)
    g.initrd(f"/abc/{VERSION}/initrd.img", DRACUT, "zstd", VERSION, OTHERS, boot=esp)
    g.put(f"/abc/{VERSION}/linux", kernel_image(VERSION), on=esp)
    g.put("/loader/loader.conf", "timeout 3\n", on=esp)
    g.put(f"/loader/entries/abc-{VERSION}.conf", f"title Debian\nversion {VERSION}\noptions root=/dev/nvme0n1p2 ro\n"
          f"linux /abc/{VERSION}/linux\ninitrd /abc/{VERSION}/initrd.img\n", on=esp)
    g.put("/EFI/systemd/systemd-bootx64.efi", b"MZ", on=esp)
    g.put("/EFI/BOOT/BOOTX64.EFI", b"MZ", on=esp)
    g.put("/etc/kernel/cmdline", "root=/dev/nvme0n1p2 ro")
    g.put("/var/lib/dpkg/status", deb_status(("dracut", "059-4", "installed")))
    g.firmware = "uefi"
    g.nic("00:50:56:aa:00:15", 1184)
    return g


def plan_ubuntu_netplan(folder):
    """lz4, two cards of which the source gives no slots, VMware's tools from their archive."""
    g = Guest(folder)
    g.base({"/etc/os-release": os_release(PRETTY_NAME="Ubuntu 20.04.6 LTS", NAME="Ubuntu", VERSION_ID="20.04",
                                          VERSION_CODENAME="focal", ID="ubuntu", ID_LIKE="debian")}, "focal",
           fstab="/dev/disk/by-uuid/00000001-0000-4000-8000-000000000001 / ext4 defaults 0 0\n/swap.img none swap sw 0 0\n")
    systemd(g)
    version = "5.4.0-150-generic"
    g.kernel(version, modules=VIRTIO + VMWARE, config=CODECS)
    g.initrd(f"/boot/initrd.img-{version}", SCRIPTS, "lz4", version, VMWARE)
    g.put("/boot/grub/grub.cfg", grub2([("Ubuntu", f"/boot/vmlinuz-{version}", f"/boot/initrd.img-{version}",
                                         "root=UUID=00000001-0000-4000-8000-000000000001 ro")]))
    g.put("/var/lib/dpkg/status", deb_status(("open-vm-tools", "2:11.3.0", "installed"),
                                             ("ubuntu-server", "1.450", "installed")))
    open_vm_tools(g)
    g.put("/etc/netplan/00-installer-config.yaml", "network:\n  version: 2\n  ethernets:\n    ens224:\n      dhcp4: true\n"
          "    ens192:\n      addresses: [192.0.2.50/24]\n      gateway4: 192.0.2.1\n")
    g.nic("00:50:56:aa:02:01")
    g.nic("00:50:56:aa:02:02")
    return g


def plan_rhel5_sda(folder):
    """GRUB legacy, nash, modprobe.conf, VMware's packages, kudzu; the default entry is Xen's."""
    g = Guest(folder, "ext3")
    g.partition("/dev/sda2", "ext3", label="/")
    boot, g.root = g.root, "/dev/sda2"
    g.base({"/etc/redhat-release": "CentOS release 5.11 (Final)\n"}, "unused",
           fstab="LABEL=/ / ext3 defaults 1 1\n/dev/sda1 /boot ext3 defaults 1 2\n/dev/sda3 swap swap defaults 0 0\n"
                 "/dev/hdc /media/cdrom auto noauto,ro 0 0\n")
    g.partition("/dev/sda3", "swap")
    g.make_folder("/boot")
    version = "2.6.18-398.el5"
    g.kernel(version, boot, "", modules=VIRTIO[:5] + VMWARE[2:], config="CONFIG_X86_64=y\nCONFIG_BLK_DEV_INITRD=y\n")
    g.kernel("2.6.18-398.el5xen", boot, "", config="CONFIG_X86_64_XEN=y\n")
    init = ("#!/bin/nash\n\nmount -t proc /proc /proc\nmkblkdevs\necho \"Loading scsi_mod.ko module\"\n"
            "insmod /lib/scsi_mod.ko\necho \"Loading mptspi.ko module\"\ninsmod /lib/mptspi.ko\n"
            "echo Waiting for driver initialization.\nstabilized --hash --interval 250 /proc/scsi/scsi\nmkblkdevs\n"
            "resume /dev/sda3\nmkrootdev -t ext3 -o defaults,ro sda2\nmount /sysroot\nswitchroot\n")
    g.initrd(f"/initrd-{version}.img", {"bin/nash": b"", "init": init, "lib/mptspi.ko": elf(), "lib/sd_mod.ko": elf(),
                                       "lib/scsi_mod.ko": elf()}, "gzip", boot=boot)
    g.put("/grub/grub.conf", "# grub.conf generated by anaconda\n#boot=/dev/sda\ndefault=0\ntimeout=5\nhiddenmenu\n"
          "title CentOS (2.6.18-398.el5xen)\n\troot (hd0,0)\n\tkernel /xen.gz-2.6.18-398.el5\n"
          "\tmodule /vmlinuz-2.6.18-398.el5xen ro root=/dev/sda2\n\tmodule /initrd-2.6.18-398.el5xen.img\n"
          f"title CentOS ({version})\n\troot (hd0,0)\n\tkernel /vmlinuz-{version} ro root=/dev/sda2 rhgb quiet\n"
          f"\tinitrd /initrd-{version}.img\n", on=boot)
    g.put("/grub/device.map", "# this device map was generated by anaconda\n(hd0)     /dev/sda\n", on=boot)
    g.put("/etc/sysconfig/grub", "boot=/dev/sda\nforcelba=0\n")
    g.put("/etc/modprobe.conf", "alias eth0 vmxnet\nalias scsi_hostadapter mptbase\nalias scsi_hostadapter1 mptspi\n"
          "alias scsi_hostadapter2 ata_piix\n")
    g.put("/etc/sysconfig/network-scripts/ifcfg-eth0", "DEVICE=eth0\nBOOTPROTO=none\nHWADDR=00:50:56:AA:00:16\n"
          "IPADDR=192.0.2.5\nNETMASK=255.255.255.0\nONBOOT=yes\n")
    g.put("/etc/yum.repos.d/vmware-tools.repo", "[vmware-tools]\nname=VMware Tools\n"
          "baseurl=http://packages.vmware.com/tools/esx/5.5/rhel5/$basearch\nenabled=1\ngpgcheck=1\n\n[other]\n"
          "baseurl=http://example.org/\nenabled=1\n")
    g.put("/etc/inittab", "id:3:initdefault:\n")
    for script in ("kudzu", "vmware-tools-services"):
        g.put(f"/etc/rc.d/init.d/{script}", "#!/bin/sh\n")
        g.link(f"/etc/rc.d/rc3.d/S05{script}", f"../init.d/{script}")
    g.link("/etc/rc3.d", "rc.d/rc3.d")
    g.link("/etc/init.d", "rc.d/init.d")
    g.put("/var/lib/rpm/Packages", b"")
    g.put("/usr/bin/yum", "")
    g.packages(("kernel", "2.6.18", "398.el5"), ("vmware-tools-core", "9.4.6", "1"))
    g.nic("00:50:56:aa:00:16", 33)
    return g


EL8 = {"/etc/os-release": os_release(NAME="Red Hat Enterprise Linux", VERSION_ID="8.9", ID="rhel", ID_LIKE="fedora",
                                     PRETTY_NAME="Red Hat Enterprise Linux 8.9 (Ootpa)")}
EL9 = {"/etc/os-release": os_release(NAME="AlmaLinux", VERSION_ID="9.3", ID="almalinux", ID_LIKE="rhel centos fedora",
                                     PRETTY_NAME="AlmaLinux 9.3 (Shamrock Pampas Cat)")}


def plan_rhel8_kernelopts(folder):
    """Device names in GRUB's environment block, and dracut's own waits for them."""
    g = el(folder, EL8, "4.18.0-513.el8.x86_64", bls=True, suffix=".xz")
    systemd(g)
    g.partition("/dev/sda2", "swap")
    g.put("/etc/fstab", "/dev/sda1 / xfs defaults 0 0\n/dev/sda2 none swap defaults 0 0\n")
    options = "kernelopts=root=/dev/sda1 ro crashkernel=auto resume=/dev/sda2 console=tty0 console=ttyS0,115200\n"
    block = f"# GRUB Environment Block\nsaved_entry=0123456789abcdef0123456789abcdef-4.18.0-513.el8.x86_64\n{options}"
    g.put("/boot/grub2/grubenv", block + "#" * (1024 - len(block)))
    g.put("/etc/default/grub", 'GRUB_CMDLINE_LINUX="crashkernel=auto resume=/dev/sda2"\nGRUB_ENABLE_BLSCFG=true\n')
    g.link("/etc/sysconfig/grub", "/etc/default/grub")
    g.initrd("/boot/initramfs-4.18.0-513.el8.x86_64.img",
             {**DRACUT, "usr/lib/dracut/hooks/initqueue/finished/devexists-\\x2fdev\\x2fsda1.sh": '[ -e "/dev/sda1" ]\n',
              "etc/cmdline.d/95resume.conf": " resume=/dev/sda2 \n"}, "gzip", "4.18.0-513.el8.x86_64",
             suffixed(VMWARE, ".xz"))
    g.put("/etc/sysconfig/network-scripts/ifcfg-ens192", "TYPE=Ethernet\nNAME=ens192\nDEVICE=ens192\nONBOOT=yes\n"
          "BOOTPROTO=none\nIPADDR=192.0.2.8\nPREFIX=24\n")
    g.put("/etc/systemd/system/multi-user.target.wants/vmtoolsd.service", "")
    g.put("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
    g.put("/usr/sbin/load_policy", "")
    g.nic("00:50:56:aa:00:17", 192)
    return g


def plan_alma9_lvm(folder):
    """LVM's list of devices in the root and in the image; NetworkManager's keyfile."""
    g = el(folder, EL9, "5.14.0-362.el9.x86_64", bls=True, suffix=".xz", rpmdb="rpmdb.sqlite")
    systemd(g)
    g.initrd("/boot/initramfs-5.14.0-362.el9.x86_64.img",
             {**DRACUT, "etc/lvm/devices/system.devices": "IDTYPE=sys_wwid IDNAME=naa.6000c29 PVID=abc\n"}, "gzip",
             "5.14.0-362.el9.x86_64", suffixed(VMWARE, ".xz"))
    g.put("/etc/lvm/devices/system.devices", "VERSION=1.1.1\nIDTYPE=sys_wwid IDNAME=naa.6000c29 DEVNAME=/dev/sda2 PVID=abc\n")
    g.put("/etc/NetworkManager/system-connections/ens192.nmconnection", "[connection]\nid=ens192\ntype=ethernet\n"
          "interface-name=ens192\n\n[ipv4]\nmethod=manual\naddress1=192.0.2.9/24,192.0.2.1\n")
    g.make_folder("/etc/dracut.conf.d")
    g.nic("00:50:56:aa:00:18", 192)
    return g


def plan_sles11_sda(folder):
    """SUSE's own mkinitrd, and names by id in all its files."""
    g = Guest(folder, "ext3")
    disk = "/dev/disk/by-id/scsi-36000c29"
    g.base({"/etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"}, "eleven",
           fstab=f"{disk}-part1 / ext3 acl,user_xattr 1 1\n{disk}-part2 swap swap defaults 0 0\n")
    g.partition("/dev/sda2", "swap")
    version = "3.0.101-63-default"
    g.kernel(version, modules=VIRTIO, config="CONFIG_X86_64=y\nCONFIG_RD_GZIP=y\n")
    g.initrd(f"/boot/initrd-{version}", {"run_all.sh": "", "init": "#!/bin/bash\n",
                                         "mkinitrd.config": 'RESOLVED_INITRD_MODULES="mptspi ext3"\n'}, "gzip", version,
             VMWARE[2:], modules_root="lib/modules")
    g.put("/boot/grub/menu.lst", "default 0\ntimeout 8\n\ntitle SLES 11\n    root (hd0,0)\n"
          f"    kernel /boot/vmlinuz-{version} root={disk}-part1 resume={disk}-part2 splash=silent\n"
          f"    initrd /boot/initrd-{version}\n")
    g.put("/boot/grub/device.map", f"(hd0)    {disk}\n")
    g.put("/etc/sysconfig/kernel", '# made up\nINITRD_MODULES="mptspi ata_piix xenblk"\nDOMU_INITRD_MODULES="xennet xenblk"\n')
    g.put("/etc/inittab", "id:3:initdefault:\n")
    g.put("/etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='static'\nSTARTMODE='auto'\nIPADDR='192.0.2.11/24'\n")
    g.make_folder("/etc/udev/rules.d")
    g.put("/var/lib/rpm/Packages", b"")
    g.put("/usr/bin/zypper", "")
    g.nic("00:50:56:aa:00:19")
    return g


def plan_photon(folder):
    g = el(folder, {"/etc/os-release": os_release(NAME="VMware Photon OS", VERSION_ID="4.0", ID="photon",
                                                  PRETTY_NAME="VMware Photon OS/Linux")},
           "5.10.35-3.ph4", manager="tdnf")
    systemd(g)
    g.put("/etc/fstab", "PARTUUID=deadbee0-01 / xfs defaults 1 1\n/dev/cdrom /mnt/cdrom iso9660 ro,noauto 0 0\n")
    g.put("/boot/grub2/grub.cfg", grub2([("Photon", "/boot/vmlinuz-5.10.35-3.ph4", "/boot/initramfs-5.10.35-3.ph4.img",
                                         "root=/dev/sda1 net.ifnames=0")]))
    g.put("/etc/systemd/network/99-dhcp-en.network", "[Match]\nName=e*\n\n[Network]\nDHCP=yes\n")
    g.put("/etc/systemd/system/multi-user.target.wants/vmtoolsd.service", "")
    g.nic("00:50:56:aa:00:1a", 192)
    return g


def plan_mint_vbox(folder):
    g = debian(folder, "UUID=00000001-0000-4000-8000-000000000001 / ext4 defaults 0 1\nshare /mnt/share vboxsf rw,uid=1000 0 0\n",
               root="UUID=00000001-0000-4000-8000-000000000001", packages=(("virtualbox-guest-x11", "6.1", "installed"),))
    g.put("/etc/os-release", os_release(NAME="Linux Mint", VERSION_ID="21.1", ID="linuxmint", ID_LIKE="ubuntu debian"))
    g.link("/etc/systemd/system/multi-user.target.wants/virtualbox-guest-utils.service",
           "/lib/systemd/system/virtualbox-guest-utils.service")
    g.put("/etc/network/interfaces", "auto enp0s3\niface enp0s3 inet dhcp\n")
    g.put("/etc/X11/xorg.conf", 'Section "Device"\n    Driver "vboxvideo"\nEndSection\n')
    g.nic("08:00:27:aa:00:1b")
    return g


def plan_no_virtio(folder):
    """A kernel without virtio that has AHCI: SATA and e1000."""
    g = debian(folder, "/dev/hda1 / ext3 defaults 0 1\n", root="/dev/hda1", filesystem="ext3")
    old = "2.6.18-6-686"
    boot = g.folders[(g.root, "")] / "boot"
    for file in list(boot.glob(f"*{VERSION}*")):
        file.unlink()
    modules = ("drivers/ata/ahci.ko", "drivers/scsi/sd_mod.ko", "drivers/net/e1000/e1000.ko")
    g.kernel(old, modules=modules, config="CONFIG_X86_32=y\n")
    g.initrd(f"/boot/initrd.img-{old}", SCRIPTS, "gzip", old, modules, modules_root="lib/modules")
    g.put("/boot/grub/grub.cfg", "")
    g.put("/boot/grub/menu.lst", f"default 0\ntitle Old\nroot (hd0,0)\nkernel /boot/vmlinuz-{old} root=/dev/hda1 ro\n"
          f"initrd /boot/initrd.img-{old}\n")
    g.nic("00:50:56:aa:00:1c")
    return g


def plan_no_way(folder):
    """Neither virtio nor AHCI: nothing is changed."""
    g = plan_no_virtio(folder)
    old = "2.6.18-6-686"
    g.initrd(f"/boot/initrd.img-{old}", SCRIPTS, "gzip", old, VMWARE[2:], modules_root="lib/modules")
    return g


PLAN_GUESTS = {name[5:].replace("_", "-"): make for name, make in sorted(globals().items())
               if name.startswith("plan_")}
