# SPDX-License-Identifier: MIT
# The Debian packages that building and testing need, and their installation. Sourced by tests/run and
# examples/quickstart, so it uses nothing that a bare Debian 12 lacks.

build_packages=(build-essential cmake ninja-build pkg-config libfuse3-dev fuse3 libguestfs-dev libvirt-dev
  libpugixml-dev libdtl-dev libspdlog-dev nlohmann-json3-dev libnbd-dev libdeflate-dev libssl-dev libcli11-dev libfmt-dev
  libgtest-dev libgmock-dev libbenchmark-dev zlib1g-dev scdoc
  libbz2-dev liblzma-dev liblz4-dev libre2-dev libzstd-dev zstd lz4 kmod db5.3-util python3-jsonschema)
# What showing a mount needs: qemu-img, a vApp to mount, a look at JSON and XML; for guests an appliance, which
# is made of this host's kernel and programs.
show_packages=(qemu-utils python3 e2fsprogs jq libxml2-utils linux-image-cloud-amd64 libguestfs-xfs)
test_packages=(qemu-system-x86 swtpm swtpm-tools libvirt-daemon-system libvirt-clients dnsmasq-base ovmf debootstrap fio strace attr
  clang-14 libclang-rt-14-dev libguestfs-tools dosfstools mtools cpio xz-utils vim-tiny nano patch git
  rsync man-db bsdextrautils systemd)

# install_missing PACKAGE...: installs those that are not there; asks apt nothing when all are.
install_missing() {
  local missing=() package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "missing packages; as root: apt-get install ${missing[*]}" >&2
    return 1
  fi
  echo "installing: ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q </dev/null &&
    apt-get install -q -y --no-install-recommends "${missing[@]}" </dev/null
}
