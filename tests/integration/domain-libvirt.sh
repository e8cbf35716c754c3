#!/bin/bash
# SPDX-License-Identifier: MIT
# Every golden domain is defined in libvirt and started paused, so that QEMU itself has seen each
# controller, drive, network card and firmware. Needs root; starts virtlogd and libvirtd where they do
# not run. Names of golden files as arguments: those only.
set -euo pipefail

golden=$(cd "$(dirname "$0")/../golden/domain" && pwd)
connection=qemu:///system
work=$(mktemp -d /var/tmp/v2vfs-domain.XXXXXX)
name=v2vfs-test-$$
chmod 755 "$work"

virsh() { command virsh -q -c "$connection" "$@"; }

clean_up() {
  virsh destroy "$name" >/dev/null 2>&1 || true
  virsh undefine --nvram "$name" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT

start_daemons() {
  pgrep -x virtlogd >/dev/null || virtlogd -d
  pgrep -x libvirtd >/dev/null || libvirtd -d
  for _ in $(seq 50); do
    virsh version >/dev/null 2>&1 && return
    sleep 0.2
  done
  echo "libvirt does not answer at $connection" >&2
  exit 1
}

# An empty qcow2 for each disk the domain names.
make_disks() {
  grep -o '/disks/[^"]*' "$1" | while read -r path; do
    qemu-img create -q -f qcow2 "$work/${path#/disks/}" 64M
  done
}

# A name and a uuid of this run's own: nobody's machine is touched.
rename_domain() {
  sed -e "s|<name>.*</name>|<name>$name</name>|" \
      -e "s|<uuid>.*</uuid>|<uuid>$(cat /proc/sys/kernel/random/uuid)</uuid>|" \
      -e "s|/disks/|$work/|" "$1"
}

# What this host may not have for a start: KVM, a bridge, an active network. The rest stays.
make_startable() {
  sed -e 's|<domain type="kvm">|<domain type="qemu">|' \
      -e 's|<interface type="[a-z]*">|<interface type="user">|' \
      -e '/<source \(network\|bridge\)=/d' "$1"
}

no_foreign_path() {
  ! virsh dumpxml --inactive "$name" | grep -o "\(file\|path\|dev\|dir\)='/[^']*'" |
    grep -v -e "='$work/"
}

check() {
  rename_domain "$1" >"$work/asked.xml"
  make_disks "$1"
  if grep -q '<domain type="kvm">' "$work/asked.xml" && [ ! -c /dev/kvm ]; then
    # libvirt takes no KVM machine then; all else of it is tried below, as a machine of TCG.
    echo "not defined as it stands: this host has no /dev/kvm"
  else
    virsh define --validate "$work/asked.xml" || return 1
    no_foreign_path || return 1
    virsh undefine --nvram "$name"
  fi
  make_startable "$work/asked.xml" >"$work/startable.xml"
  virsh define --validate "$work/startable.xml" || return 1
  virsh start --paused "$name" || return 1
  virsh destroy "$name"
  virsh undefine --nvram "$name"
}

start_daemons
failed=0
names=()
for word in "$@"; do [[ $word == --* ]] || names+=("$word"); done  # --quick and --full: all take seconds
[ ${#names[@]} -gt 0 ] || names=($(cd "$golden" && ls -- *.xml))
for case in "${names[@]}"; do
  case=${case%.xml}
  start=$SECONDS
  if output=$(check "$golden/$case.xml" 2>&1); then
    echo "PASS domain-libvirt.$case $((SECONDS - start))"
  else
    echo "FAIL domain-libvirt.$case"$'\n'"$output"
    virsh destroy "$name" >/dev/null 2>&1 || true
    virsh undefine --nvram "$name" >/dev/null 2>&1 || true
    failed=1
  fi
done
exit $failed
