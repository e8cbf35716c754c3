# SPDX-License-Identifier: MIT
"""Linux guests, each in the manner of its release."""

from tree import Guest, cpio

VIRTIO = ("drivers/virtio/virtio.ko", "drivers/virtio/virtio_ring.ko", "drivers/virtio/virtio_pci.ko",
          "drivers/block/virtio_blk.ko", "drivers/net/virtio_net.ko", "drivers/scsi/virtio_scsi.ko")
VMWARE = ("drivers/scsi/vmw_pvscsi.ko", "drivers/net/vmxnet3/vmxnet3.ko", "drivers/message/fusion/mptspi.ko")
OTHERS = ("drivers/ata/ahci.ko", "drivers/scsi/sd_mod.ko", "drivers/net/e1000.ko")
SCRIPTS = {"conf/initramfs.conf": "MODULES=most\n", "scripts/functions": "", "init": "#!/bin/sh\n"}
DRACUT = {"usr/lib/dracut": None, "usr/lib/dracut/hooks": None, "usr/lib/dracut-lib.sh": "",
          "etc/cmdline.d/90crypt.conf": "rd.luks=0\n"}
MICROCODE = {"kernel/x86/microcode/GenuineIntel.bin": b"microcode"}
CODECS = "CONFIG_RD_GZIP=y\nCONFIG_RD_XZ=y\nCONFIG_RD_ZSTD=y\nCONFIG_RD_LZ4=y\nCONFIG_X86_64=y\n"


def suffixed(modules, suffix):
    return tuple(each + suffix for each in modules)


def os_release(**values):
    return "".join(f'{key}="{value}"\n' for key, value in values.items())


def grub2(entries, default="0", uuid="11111111-2222-4333-8444-555555555555"):
    """As grub-mkconfig lays it out; entries are (title, kernel, initrd, options)."""
    text = ('set pager=1\nif [ -s $prefix/grubenv ]; then\n  load_env\nfi\n'
            'if [ "${next_entry}" ] ; then\n   set default="${next_entry}"\n'
            f'else\n   set default="{default}"\nfi\n'
            'function load_video {\n  insmod all_video\n}\n')
    for number, (title, kernel, initrd, options) in enumerate(entries):
        if number == 1:
            text += f"submenu 'Advanced options' $menuentry_id_option 'gnulinux-advanced-{uuid}' {{\n"
        text += (f"menuentry '{title}' --class gnu-linux --class os $menuentry_id_option "
                 f"'gnulinux-{number}-{uuid}' {{\n\tload_video\n\tif [ x$grub_platform = xxen ]; then "
                 "insmod xzio; fi\n"
                 f"\tlinux\t{kernel} {options}\n\tinitrd\t{initrd}\n}}\n")
    return text + ("}\n" if len(entries) > 1 else "")


def deb_status(*packages):
    """As dpkg writes it: an empty line ends the last one too."""
    return "".join(f"Package: {name}\nStatus: install ok {state}\nArchitecture: amd64\n"
                   f"Version: {version}\nDescription: made up\n lines that go on\n\n"
                   for name, version, state in packages)


def debian12(folder):
    g = Guest(folder)
    swap = g.partition("/dev/sda5", "swap")
    g.base({"/etc/os-release": os_release(PRETTY_NAME="Debian GNU/Linux 12 (bookworm)", NAME="Debian GNU/Linux",
                                          VERSION_ID="12", VERSION_CODENAME="bookworm", ID="debian"),
            "/etc/debian_version": "12.5\n"}, "web.example.org",
           fstab=f"# comment\nUUID={g.uuid(g.root)} / ext4 errors=remount-ro 0 1\n"
                 f"/dev/sda5 none swap sw 0 0\n/dev/sr0 /media/cdrom0 udf,iso9660 user,noauto 0 0\n"
                 "/dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:1:0-part2 /srv ext4 defaults 0 2\n"
                 "UUID=ffffffff-0000-4000-8000-000000000000 /data xfs defaults,nofail 0 2\n"
                 "tmpfs /tmp tmpfs nosuid 0 0\n")
    g.put("/usr/lib/systemd/systemd", "")
    g.make_folder("/srv")
    version = "6.1.0-18-amd64"
    g.kernel(version, modules=VIRTIO + VMWARE, config=CODECS)
    g.initrd(f"/boot/initrd.img-{version}", {**SCRIPTS, "conf/conf.d/resume": f"RESUME=UUID={g.uuid(swap)}\n"},
             "zstd", version, VMWARE + OTHERS, early=MICROCODE)
    g.put("/boot/grub/grub.cfg", grub2([
        ("Debian GNU/Linux", f"/boot/vmlinuz-{version}", f"/boot/initrd.img-{version}",
         f"root=UUID={g.uuid(g.root)} ro quiet"),
        ("Debian, with Linux (recovery)", f"/boot/vmlinuz-{version}", f"/boot/initrd.img-{version}", "single")]))
    g.put("/etc/default/grub", 'GRUB_DEFAULT=0\nGRUB_CMDLINE_LINUX_DEFAULT="quiet"\nGRUB_CMDLINE_LINUX=""\n')
    g.put("/etc/initramfs-tools/conf.d/resume", f"RESUME=UUID={g.uuid(swap)}\n")
    g.put("/var/lib/dpkg/status", deb_status(("bash", "5.2.15-2+b2", "installed"),
                                             ("open-vm-tools", "2:12.2.0-1+deb12u2", "installed"),
                                             ("gone", "1.0", "config-files")))
    g.put("/etc/network/interfaces",
          "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n\nallow-hotplug ens192\n"
          "iface ens192 inet static\n\taddress 192.0.2.10/24\n\tgateway 192.0.2.1\n\tdns-nameservers 192.0.2.53\n")
    g.put("/etc/network/interfaces.d/second", "auto ens224\niface ens224 inet dhcp\n")
    g.put("/etc/udev/rules.d/70-persistent-net.rules",
          'SUBSYSTEM=="net", ACTION=="add", ATTR{address}=="00:50:56:aa:bb:cc", NAME="eth0"\n')
    g.put("/etc/modprobe.d/vmware.conf", "# made up\nalias eth0 vmxnet3\noptions vmw_pvscsi cmd_per_lun=254\n")
    return g


def debian6(folder):
    g = Guest(folder)
    g.base({"/etc/debian_version": "6.0.10\n"}, "squeeze", fstab="/dev/sda1 / ext3 errors=remount-ro 0 1\n")
    version = "2.6.32-5-amd64"
    g.kernel(version, modules=VIRTIO, config="CONFIG_X86_64=y\nCONFIG_RD_GZIP=y\nCONFIG_BLK_DEV_SD=y\n")
    g.initrd(f"/boot/initrd.img-{version}", SCRIPTS, "gzip", version, VIRTIO, modules_root="lib/modules")
    g.put("/boot/grub/grub.cfg", grub2([("Debian", f"/boot/vmlinuz-{version}", f"/boot/initrd.img-{version}",
                                        "root=/dev/sda1 ro")]))
    g.put("/var/lib/dpkg/status", deb_status(("dpkg", "1.15.11", "installed")))
    return g


def ubuntu2204(folder):
    g = Guest(folder)
    boot = g.partition("/dev/sda2", "ext4")
    g.base({"/etc/os-release": os_release(PRETTY_NAME="Ubuntu 22.04.3 LTS", NAME="Ubuntu", VERSION_ID="22.04",
                                          VERSION_CODENAME="jammy", ID="ubuntu", ID_LIKE="debian"),
            "/etc/lsb-release": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\n",
            "/etc/debian_version": "bookworm/sid\n"}, "jammy",
           fstab=f"/dev/disk/by-uuid/{g.uuid(g.root)} / ext4 defaults 0 1\n"
                 f"/dev/disk/by-uuid/{g.uuid(boot)} /boot ext4 defaults 0 1\n/swap.img none swap sw 0 0\n")
    g.make_folder("/boot")
    version = "5.15.0-91-generic"
    g.kernel(version, boot, "", modules=VMWARE, builtin=("drivers/block/virtio_blk.ko", "drivers/virtio/virtio.ko", "drivers/virtio/virtio_pci.ko"),
             config=CODECS + "CONFIG_VIRTIO_BLK=y\nCONFIG_VIRTIO_NET=y\nCONFIG_VIRTIO_SCSI=m\n")
    g.initrd(f"/initrd.img-{version}", SCRIPTS, "lz4", version, VMWARE, boot=boot)
    g.put("/grub/grub.cfg", grub2([("Ubuntu", f"/vmlinuz-{version}", f"/initrd.img-{version}", "root=UUID=x ro"),
                                   ("Ubuntu old", "/vmlinuz-5.15.0-1-generic", "/initrd.img-5.15.0-1", "ro")],
                                  default="${saved_entry}"), on=boot)
    g.put("/grub/grubenv", "# GRUB Environment Block\nsaved_entry=Advanced options>Ubuntu old\n" + "#" * 100, on=boot)
    g.put("/var/lib/dpkg/status", deb_status(("qemu-guest-agent", "1:6.2+dfsg-2ubuntu6", "installed")))
    g.put("/etc/netplan/00-installer-config.yaml",
          "# made up\nnetwork:\n  version: 2\n  ethernets:\n    ens160:\n      dhcp4: true\n    ens192:\n"
          "      match: {macaddress: '00:50:56:01:02:03'}\n      addresses:\n      - 192.0.2.11/24\n"
          "      - \"2001:db8::11/64\"\n      routes:\n        - to: default\n          via: 192.0.2.1\n"
          "      nameservers:\n        addresses: [192.0.2.53, 192.0.2.54]\n")
    return g


def rhel5(folder):
    g = Guest(folder, "LVM2_member")
    g.partition("/dev/sda2", "LVM2_member")
    g.devices[1]["type"] = "ext3"
    boot = g.root
    g.root = g.volume("VolGroup00", "LogVol00", "ext3")
    g.volume("VolGroup00", "LogVol01", "swap")
    g.base({"/etc/redhat-release": "Red Hat Enterprise Linux Server release 5.11 (Tikanga)\n"}, "unused",
           fstab="/dev/VolGroup00/LogVol00 / ext3 defaults 1 1\nLABEL=/boot /boot ext3 defaults 1 2\n"
                 "/dev/VolGroup00/LogVol01 swap swap defaults 0 0\n/dev/hdc /media auto noauto 0 0\n")
    g.devices[1]["label"] = "/boot"
    (g.folders[(g.root, "")] / "etc/hostname").unlink()
    g.put("/etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=five.example.org\n")
    g.make_folder("/boot")
    version = "2.6.18-398.el5"
    g.kernel(version, boot, "", modules=VIRTIO[:5], config="CONFIG_X86_64=y\nCONFIG_BLK_DEV_INITRD=y\n")
    g.kernel("2.6.18-398.el5xen", boot, "", config="CONFIG_X86_64_XEN=y\n")
    g.initrd(f"/initrd-{version}.img", {"bin/nash": b"", "init": "#!/bin/nash\ninsmod /lib/mptspi.ko\n",
                                       "lib/mptspi.ko": b"", "lib/sd_mod.ko": b""}, "gzip", boot=boot)
    g.put("/grub/grub.conf",
          "default=1\ntimeout=5\nhiddenmenu\ntitle Red Hat (2.6.18-398.el5xen)\n\troot (hd0,0)\n"
          "\tkernel /xen.gz-2.6.18-398.el5\n\tmodule /vmlinuz-2.6.18-398.el5xen ro root=/dev/VolGroup00/LogVol00\n"
          "\tmodule /initrd-2.6.18-398.el5xen.img\n"
          f"title Red Hat ({version})\n\troot (hd0,0)\n\tkernel /vmlinuz-{version} ro "
          f"root=/dev/VolGroup00/LogVol00 rhgb quiet\n\tinitrd /initrd-{version}.img\n", on=boot)
    g.put("/var/lib/rpm/Packages", b"")
    g.put("/usr/bin/yum", "")
    g.packages(("kernel", "2.6.18", "398.el5"), ("vmware-tools-core", "9.4.6", "1"))
    g.put("/etc/sysconfig/network-scripts/ifcfg-eth0",
          "# made up\nDEVICE=eth0\nBOOTPROTO=none\nHWADDR=00:50:56:AA:00:05\nIPADDR=192.0.2.5\n"
          "NETMASK=255.255.255.0\nGATEWAY=192.0.2.1\nONBOOT=yes\n")
    g.put("/etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\nIPADDR=127.0.0.1\n")
    g.put("/etc/modprobe.conf", "alias eth0 vmxnet\nalias scsi_hostadapter mptbase\nalias scsi_hostadapter1 mptspi\n")
    g.put("/etc/X11/xorg.conf", 'Section "Device"\n\tDriver "vmware"\nEndSection\n')
    g.put("/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=targeted\n")
    g.put("/usr/sbin/load_policy", "")
    return g


def el(folder, release, version, hostname="el.example.org", bls=False, initrd_compression="gzip", rpmdb="Packages",
       suffix="", manager="dnf", bls_id="0123456789abcdef0123456789abcdef"):
    """RHEL 6 and later, and what is built from it."""
    g = Guest(folder, "xfs")
    g.base(release, hostname, fstab=f"UUID={g.uuid(g.root)} / xfs defaults 0 0\n")
    g.kernel(version, modules=suffixed(VIRTIO + VMWARE, suffix), config=CODECS)
    g.initrd(f"/boot/initramfs-{version}.img", DRACUT, initrd_compression, version, suffixed(VMWARE, suffix),
             early=MICROCODE)
    g.initrd(f"/boot/initramfs-{version}kdump.img", DRACUT, "gzip")
    entry = ("EL", f"/boot/vmlinuz-{version}", f"/boot/initramfs-{version}.img", f"root=UUID={g.uuid(g.root)} ro")
    if bls:
        g.put("/boot/grub2/grub.cfg", 'set default="${saved_entry}"\ninsmod blscfg\nblscfg\n'
              "menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {\n\tfwsetup\n}\n")
        g.put("/boot/grub2/grubenv", f"# GRUB Environment Block\nsaved_entry={bls_id}-{version}\n"
              f"kernelopts=root=UUID={g.uuid(g.root)} ro crashkernel=auto\n" + "#" * 50)
        for each in (version, "0-rescue"):
            g.put(f"/boot/loader/entries/{bls_id}-{each}.conf",
                  f"title EL ({each})\nversion {each}\nlinux /boot/vmlinuz-{each}\n"
                  f"initrd /boot/initramfs-{each}.img $tuned_initrd\noptions $kernelopts $tuned_params\nid {each}\n")
    else:
        g.put("/boot/grub2/grub.cfg", grub2([entry]))
    g.put(f"/var/lib/rpm/{rpmdb}", b"")
    g.put(f"/usr/bin/{manager}", "")
    g.packages(("kernel-core", version.split("-")[0], "1"), ("open-vm-tools", "11.3.5", "1.el8"))
    return g


def rhel6(folder):
    g = el(folder, {"/etc/redhat-release": "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n"},
           "2.6.32-754.el6.x86_64", manager="yum")
    (g.folders[(g.root, "")] / "boot/grub2/grub.cfg").unlink()
    g.put("/boot/grub/grub.conf", "default=0\ntitle Red Hat Enterprise Linux\n\troot (hd0,0)\n"
          "\tkernel /boot/vmlinuz-2.6.32-754.el6.x86_64 ro root=/dev/sda1 resume=/dev/sda9\n"
          "\tinitrd /boot/initramfs-2.6.32-754.el6.x86_64.img\n")
    return g


def rhel7(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="Red Hat Enterprise Linux Server", VERSION_ID="7.9",
                                                     ID="rhel", ID_LIKE="fedora", VARIANT="Server",
                                                     PRETTY_NAME="Red Hat Enterprise Linux Server 7.9 (Maipo)"),
                       "/etc/redhat-release": "Red Hat Enterprise Linux Server release 7.9 (Maipo)\n"},
              "3.10.0-1160.el7.x86_64", suffix=".xz", manager="yum")


def rhel8(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="Red Hat Enterprise Linux", VERSION_ID="8.9", ID="rhel",
                                                     ID_LIKE="fedora",
                                                     PRETTY_NAME="Red Hat Enterprise Linux 8.9 (Ootpa)")},
              "4.18.0-513.el8.x86_64", bls=True, suffix=".xz")


def rhel9(folder):
    g = el(folder, {"/etc/os-release": os_release(NAME="Red Hat Enterprise Linux", VERSION_ID="9.3", ID="rhel",
                                                  ID_LIKE="fedora",
                                                  PRETTY_NAME="Red Hat Enterprise Linux 9.3 (Plow)")},
           "5.14.0-362.el9.x86_64", bls=True, suffix=".xz", rpmdb="rpmdb.sqlite", initrd_compression="xz")
    g.put("/etc/NetworkManager/system-connections/ens192.nmconnection",
          "[connection]\nid=ens192\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\n"
          "mac-address=00:50:56:AA:00:09\n\n[ipv4]\nmethod=manual\naddress1=192.0.2.9/24,192.0.2.1\n"
          "dns=192.0.2.53;192.0.2.54;\n\n[ipv6]\nmethod=auto\n")
    g.put("/etc/selinux/config", "# made up\nSELINUX=permissive\nSELINUXTYPE=targeted\n")
    g.put("/usr/sbin/load_policy", "")
    g.put("/etc/selinux/targeted/contexts/files/file_contexts", "")
    g.put("/.autorelabel", "")
    return g


def centos7(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="CentOS Linux", VERSION_ID="7", ID="centos",
                                                     ID_LIKE="rhel fedora", PRETTY_NAME="CentOS Linux 7 (Core)"),
                       "/etc/centos-release": "CentOS Linux release 7.9.2009 (Core)\n",
                       "/etc/redhat-release": "CentOS Linux release 7.9.2009 (Core)\n"},
              "3.10.0-1160.el7.x86_64", suffix=".xz", manager="yum")


def centos_stream9(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="CentOS Stream", VERSION_ID="9", ID="centos",
                                                     ID_LIKE="rhel fedora", PRETTY_NAME="CentOS Stream 9")},
              "5.14.0-400.el9.x86_64", bls=True, rpmdb="rpmdb.sqlite")


def alma9(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="AlmaLinux", VERSION_ID="9.3", ID="almalinux",
                                                     ID_LIKE="rhel centos fedora",
                                                     PRETTY_NAME="AlmaLinux 9.3 (Shamrock Pampas Cat)"),
                       "/etc/redhat-release": "AlmaLinux release 9.3 (Shamrock Pampas Cat)\n"},
              "5.14.0-362.el9.x86_64", bls=True, rpmdb="rpmdb.sqlite")


def rocky8(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="Rocky Linux", VERSION_ID="8.9", ID="rocky",
                                                     ID_LIKE="rhel centos fedora",
                                                     PRETTY_NAME="Rocky Linux 8.9 (Green Obsidian)")},
              "4.18.0-513.el8.x86_64", bls=True)


def oracle8(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="Oracle Linux Server", VERSION_ID="8.5", ID="ol",
                                                     ID_LIKE="fedora", VARIANT="Server",
                                                     PRETTY_NAME="Oracle Linux Server 8.5"),
                       "/etc/oracle-release": "Oracle Linux Server release 8.5\n",
                       "/etc/redhat-release": "Red Hat Enterprise Linux release 8.5 (Ootpa)\n"},
              "5.4.17-2136.el8uek.x86_64", bls=True)


def amazon2023(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="Amazon Linux", VERSION_ID="2023", ID="amzn",
                                                     ID_LIKE="fedora", PRETTY_NAME="Amazon Linux 2023"),
                       "/etc/system-release": "Amazon Linux release 2023 (Amazon Linux)\n"},
              "6.1.61-85.amzn2023.x86_64", bls=True, rpmdb="rpmdb.sqlite")


def fedora37(folder):
    """btrfs with root and home as subvolumes, /boot and an ESP of their own."""
    g = Guest(folder, "vfat")
    g.tables[0]["kind"] = "gpt"
    g.partitions[0]["gpt_type"] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    g.devices[1]["uuid"] = "ABCD-1234"
    esp = g.root
    boot = g.partition("/dev/sda2", "ext4", partuuid="bbbbbbbb-0000-4000-8000-000000000002")
    top = g.partition("/dev/sda3", "btrfs", label="fedora")
    g.subvolume(top, 256, "root")
    g.subvolume(top, 257, "home")
    g.subvolume(top, 258, "var/lib/machines", parent=256)
    g.subvolume(top, 259, "root/.snapshots/1/snapshot", snapshot=True)
    g.root = top
    g.folders[(top, "")], plain = g.folders[(top, "root")], g.folders[(top, "")]
    g.base({"/etc/os-release": os_release(NAME="Fedora Linux", VERSION_ID="37", ID="fedora", VARIANT="Server Edition",
                                          PRETTY_NAME="Fedora Linux 37 (Server Edition)")}, "fedora",
           fstab=f"UUID={g.uuid(top)} / btrfs subvol=root,compress=zstd:1 0 0\n"
                 "PARTUUID=bbbbbbbb-0000-4000-8000-000000000002 /boot ext4 defaults 1 2\n"
                 "UUID=ABCD-1234 /boot/efi vfat umask=0077 0 2\n"
                 f"UUID={g.uuid(top)} /home btrfs subvolid=257 0 0\n")
    g.make_folder("/boot")
    g.make_folder("/home")
    version = "6.0.7-301.fc37.x86_64"
    g.kernel(version, boot, "", modules=suffixed(VMWARE, ".xz"), builtin=VIRTIO, config=CODECS)
    g.initrd(f"/initramfs-{version}.img", DRACUT, "zstd", version, suffixed(VMWARE, ".xz"), early=MICROCODE, boot=boot)
    g.put("/var/lib/rpm/.keep", "")
    g.put("/usr/lib/sysimage/rpm/rpmdb.sqlite", b"")
    g.put("/usr/bin/dnf", "")
    g.packages(("kernel-core", "6.0.7", "301.fc37"))
    g.folders[(top, "")] = plain
    g.make_folder("/efi", on=boot)
    g.put("/EFI/fedora/grub.cfg", f"search --no-floppy --fs-uuid --set=dev {g.uuid(boot)}\n"
          "set prefix=($dev)/grub2\nexport $prefix\nconfigfile $prefix/grub.cfg\n", on=esp)
    g.put("/grub2/grub.cfg", 'set default="${saved_entry}"\nblscfg\n', on=boot)
    g.put("/grub2/grubenv", "# GRUB Environment Block\n####", on=boot)
    g.put(f"/loader/entries/abc-{version}.conf", f"title Fedora\nversion {version}\nlinux /vmlinuz-{version}\n"
          f"initrd /initramfs-{version}.img\noptions root=UUID={g.uuid(top)} ro rootflags=subvol=root\n", on=boot)
    return g


def sles(folder, release, version, name, sysimage):
    """btrfs whose default subvolume is a snapshot, and others of the same kind."""
    g = Guest(folder, "btrfs")
    top = g.root
    g.subvolume(top, 259, "@/.snapshots/7/snapshot", default=True, snapshot=True, parent=258)
    g.subvolume(top, 260, "@/.snapshots/6/snapshot", snapshot=True, parent=258)
    g.subvolume(top, 261, "@/home")
    swap = g.partition("/dev/sda2", "swap")
    g.base(release, name, fstab=f"UUID={g.uuid(top)} / btrfs defaults 0 0\n"
           f"UUID={g.uuid(top)} /home btrfs subvol=/@/home 0 0\n"
           "/dev/disk/by-id/scsi-36000c29f0000-part2 swap swap defaults 0 0\n")
    g.make_folder("/home")
    g.kernel(version, modules=suffixed(VIRTIO + VMWARE, ".zst"), config=CODECS + "CONFIG_ARCH=y\n")
    g.initrd(f"/boot/initrd-{version}", DRACUT, "xz", version, suffixed(VMWARE, ".zst"))
    g.put("/boot/grub2/grub.cfg", grub2([(name, f"/boot/vmlinuz-{version}", f"/boot/initrd-{version}",
                                         f"root=UUID={g.uuid(top)} resume=/dev/sda2 splash=silent")]))
    g.put(sysimage, b"")
    g.put("/usr/bin/zypper", "")
    g.packages(("kernel-default", version.replace("-default", ""), "1"), ("open-vm-tools", "12.1", "150300"))
    g.put("/etc/sysconfig/network/ifcfg-eth0", "BOOTPROTO='static'\nSTARTMODE='auto'\nIPADDR='192.0.2.15/24'\n"
          "LLADDR='00:50:56:aa:00:15'\n")
    assert swap
    return g


def sles12(folder):
    return sles(folder, {"/etc/os-release": os_release(NAME="SLES", VERSION_ID="12.5", ID="sles",
                                                       PRETTY_NAME="SUSE Linux Enterprise Server 12 SP5"),
                         "/etc/SuSE-release": "SUSE Linux Enterprise Server 12 (x86_64)\nVERSION = 12\nPATCHLEVEL = 5\n"},
                "4.12.14-120-default", "sles12", "/var/lib/rpm/Packages")


def sles15(folder):
    return sles(folder, {"/etc/os-release": os_release(NAME="SLES", VERSION_ID="15.5", ID="sles", ID_LIKE="suse",
                                                       PRETTY_NAME="SUSE Linux Enterprise Server 15 SP5")},
                "5.14.21-150500-default", "sles15", "/usr/lib/sysimage/rpm/Packages.db")


def sles11(folder):
    g = Guest(folder, "ext3")
    g.base({"/etc/SuSE-release": "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n"}, "unused",
           fstab="/dev/disk/by-id/scsi-36000c29-part1 / ext3 acl,user_xattr 1 1\n")
    (g.folders[(g.root, "")] / "etc/hostname").unlink()
    g.put("/etc/HOSTNAME", "eleven.example.org\n")
    version = "3.0.101-63-default"
    g.kernel(version, modules=VIRTIO, config="CONFIG_X86_64=y\nCONFIG_RD_GZIP=y\n")
    g.initrd(f"/boot/initrd-{version}", {"run_all.sh": "", "init": "#!/bin/bash\n"}, "gzip", version, VMWARE[2:],
             modules_root="lib/modules")
    g.put("/boot/grub/menu.lst", "default 0\ntimeout 8\n\ntitle SLES 11\n    root (hd0,0)\n"
          f"    kernel /boot/vmlinuz-{version} root=/dev/disk/by-id/scsi-36000c29-part1 splash=silent\n"
          f"    initrd /boot/initrd-{version}\n")
    g.put("/var/lib/rpm/Packages", b"")
    g.put("/usr/bin/zypper", "")
    return g


def opensuse154(folder):
    return sles(folder, {"/etc/os-release": os_release(NAME="openSUSE Leap", VERSION_ID="15.4", ID="opensuse-leap",
                                                       ID_LIKE="suse opensuse", PRETTY_NAME="openSUSE Leap 15.4")},
                "5.14.21-150400-default", "leap", "/usr/lib/sysimage/rpm/Packages.db")


def tumbleweed(folder):
    return sles(folder, {"/etc/os-release": os_release(NAME="openSUSE Tumbleweed", VERSION_ID="20240101",
                                                       ID="opensuse-tumbleweed", ID_LIKE="opensuse suse",
                                                       PRETTY_NAME="openSUSE Tumbleweed")},
                "6.6.7-1-default", "tumble", "/usr/lib/sysimage/rpm/Packages.db")


def alpine317(folder):
    g = Guest(folder)
    g.base({"/etc/os-release": os_release(NAME="Alpine Linux", ID="alpine", VERSION_ID="3.17.1",
                                          PRETTY_NAME="Alpine Linux v3.17"),
            "/etc/alpine-release": "3.17.1\n"}, "alpine", fstab=f"UUID={g.uuid(g.root)} / ext4 rw,relatime 0 1\n")
    version = "5.15.87-0-lts"
    g.kernel(version, image="vmlinuz-lts", modules=suffixed(VIRTIO + VMWARE, ".gz"))
    g.initrd("/boot/initramfs-lts", {"sbin/nlplug-findfs": b"", "init": "#!/bin/sh\n"}, "gzip", version,
             suffixed(VIRTIO, ".gz"), modules_root="lib/modules")
    g.put("/boot/extlinux.conf", "# made up\nDEFAULT menu.c32\nPROMPT 0\nMENU TITLE Alpine\nLABEL lts\n  MENU DEFAULT\n"
          "  MENU LABEL Linux lts\n  LINUX vmlinuz-lts\n  INITRD initramfs-lts\n"
          f"  APPEND root=UUID={g.uuid(g.root)} modules=sd-mod,usb-storage,ext4 quiet\n")
    g.put("/lib/apk/db/installed", "C:Q1abc=\nP:musl\nV:1.2.3-r4\nA:x86_64\nS:1\nT:a made-up libc\n"
          "U:https://example.org/musl\n\nP:open-vm-tools\nV:12.1.5-r0\nA:x86_64\n\n")
    g.put("/sbin/openrc", b"")
    g.put("/etc/network/interfaces", "auto lo\niface lo inet loopback\n\nauto eth0\niface eth0 inet dhcp\n\thostname x\n")
    return g


def arch(folder):
    """systemd-boot on an ESP that is /boot."""
    g = Guest(folder, "vfat")
    g.tables[0]["kind"] = "gpt"
    g.partitions[0]["gpt_type"] = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
    g.devices[1]["uuid"] = "AAAA-BBBB"
    esp = g.root
    g.root = g.partition("/dev/sda2", "ext4", label="arch root", partlabel="arch root")
    g.base({"/etc/os-release": os_release(NAME="Arch Linux", PRETTY_NAME="Arch Linux", ID="arch",
                                          BUILD_ID="rolling")}, "arch",
           fstab="LABEL=arch\\040root / ext4 rw 0 1\n/dev/sda1 /boot vfat rw 0 2\n")
    g.make_folder("/boot")
    version = "6.1.8-arch1-1"
    g.kernel(version, esp, "", image="vmlinuz-linux", modules=suffixed(VIRTIO, ".zst"), modules_root="/usr/lib/modules")
    g.link("/lib", "usr/lib")
    g.put(f"/usr/lib/modules/{version}/pkgbase", "linux\n")
    g.put("/intel-ucode.img", cpio(MICROCODE), on=esp)
    g.initrd("/initramfs-linux.img", {"init_functions": "", "config": "", "init": "#!/usr/bin/ash\n"}, "zstd", version,
             suffixed(VIRTIO, ".zst"), boot=esp)
    g.put("/loader/loader.conf", "timeout 3\ndefault arch*\n", on=esp)
    g.put("/loader/entries/arch.conf", "title Arch Linux\nlinux /vmlinuz-linux\ninitrd /intel-ucode.img\n"
          "initrd /initramfs-linux.img\noptions root=LABEL=x rw\n", on=esp)
    g.put("/loader/entries/windows.conf", "title Windows\nefi /EFI/Microsoft/Boot/bootmgfw.efi\n", on=esp)
    g.put("/var/lib/pacman/local/bash-5.1.016-1/desc", "%NAME%\nbash\n\n%VERSION%\n5.1.016-1\n\n%DESC%\na made-up shell\n\n"
          "%URL%\nhttps://example.org/bash\n\n%ARCH%\nx86_64\n\n")
    g.put("/var/lib/pacman/local/ALPM_DB_VERSION", "9\n")
    g.put("/etc/systemd/network/20-wired.network", "[Match]\nName=en*\n\n[Network]\nDHCP=yes\n")
    g.put("/etc/systemd/network/10-lan.link", "[Match]\nMACAddress=00:50:56:aa:00:77\n[Link]\nName=lan0\n")
    return g


def alt10(folder):
    return el(folder, {"/etc/os-release": os_release(NAME="ALT Server", VERSION_ID="10.1", ID="altlinux",
                                                     PRETTY_NAME="ALT Server 10.1 (Mendelevium)")},
              "5.10.156-std-def-alt1", manager="apt-get")


def mint21(folder):
    g = ubuntu2204(folder)
    g.put("/etc/os-release", os_release(NAME="Linux Mint", VERSION_ID="21.1", ID="linuxmint", ID_LIKE="ubuntu debian",
                                        PRETTY_NAME="Linux Mint 21.1"))
    return g


def kali(folder):
    g = debian6(folder)
    g.put("/etc/os-release", os_release(PRETTY_NAME="Kali GNU/Linux Rolling", NAME="Kali GNU/Linux",
                                        VERSION_ID="2023.1", ID="kali", ID_LIKE="debian"))
    return g


def uki(folder):
    g = Guest(folder, "vfat")
    g.tables[0]["kind"] = "gpt"
    g.partitions[0]["gpt_type"] = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    esp = g.root
    g.root = g.partition("/dev/sda2", "ext4")
    g.base({"/usr/lib/os-release": os_release(NAME="Some Linux", ID="somelinux", VERSION_ID="1.2")}, "uki",
           fstab="/dev/sda1 /efi vfat rw 0 2\n")
    g.make_folder("/efi")
    g.put("/EFI/Linux/some-1.2.efi", b"MZ", on=esp)
    return g


GUESTS = {"debian12": debian12, "debian6": debian6, "ubuntu2204": ubuntu2204, "rhel5": rhel5, "rhel6": rhel6,
          "rhel7": rhel7, "rhel8": rhel8, "rhel9": rhel9, "centos7": centos7, "centos-stream9": centos_stream9,
          "alma9": alma9, "rocky8": rocky8, "oracle8": oracle8, "amazon2023": amazon2023, "fedora37": fedora37,
          "sles11": sles11, "sles12": sles12, "sles15": sles15, "opensuse154": opensuse154, "tumbleweed": tumbleweed,
          "alpine317": alpine317, "arch": arch, "alt10": alt10, "mint21": mint21, "kali": kali, "uki": uki}
