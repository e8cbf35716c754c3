// SPDX-License-Identifier: MIT
#include "tests/unit/initrd/made_up_initrd.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "convert/guest/sandboxed_command.h"
#include "inspect/guest/initrd_facts.h"
#include "tests/support/compressors.h"

namespace v2vfs::test {
namespace {

namespace stdfs = std::filesystem;

void write_to(const std::string& path, const std::string& content) {
  stdfs::create_directories(stdfs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

std::string read_from(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

std::string packed(const std::string& suffix, const std::string& content) {
  if (suffix == ".xz") return xz(content);
  if (suffix == ".zst") return zstd(content);
  if (suffix == ".gz") return gzip(content);
  return content;
}

ModuleSpec driver(std::vector<std::string> exports, std::vector<std::string> imports,
                  std::vector<std::string> info = {}) {
  return {std::move(exports), std::move(imports), std::move(info), 500};
}

}  // namespace

const std::map<std::string, ModuleSpec>& guest_modules() {
  static const std::map<std::string, ModuleSpec> modules = {
      {"kernel/drivers/virtio/virtio.ko", driver({"register_virtio_driver"}, {})},
      {"kernel/drivers/virtio/virtio_ring.ko",
       driver({"vring_interrupt"}, {"register_virtio_driver"})},
      {"kernel/drivers/virtio/virtio_pci_modern_dev.ko", driver({"vp_modern_probe"}, {})},
      {"kernel/drivers/virtio/virtio_pci.ko",
       driver({}, {"register_virtio_driver", "vring_interrupt", "vp_modern_probe"},
              {"alias=pci:v00001AF4d*sv*sd*bc*sc*i*"})},
      {"kernel/drivers/block/virtio_blk.ko",
       driver({}, {"register_virtio_driver", "vring_interrupt"}, {"alias=virtio:d00000002v*"})},
      {"kernel/net/core/failover.ko", driver({"failover_register"}, {})},
      {"kernel/drivers/net/net_failover.ko",
       driver({"net_failover_create"}, {"failover_register"})},
      {"kernel/drivers/net/virtio_net.ko",
       driver({}, {"net_failover_create", "register_virtio_driver", "vring_interrupt"},
              {"alias=virtio:d00000001v*"})},
      {"kernel/drivers/scsi/scsi_mod.ko", driver({"scsi_add_host"}, {})},
      {"kernel/drivers/scsi/sd_mod.ko",
       driver({}, {"scsi_add_host"}, {"softdep=pre: crct10dif", "alias=scsi:t-0x00*"})},
      {"kernel/drivers/scsi/virtio_scsi.ko",
       driver({}, {"scsi_add_host", "register_virtio_driver", "vring_interrupt"},
              {"alias=virtio:d00000008v*"})},
      {"kernel/crypto/crct10dif_generic.ko", driver({}, {}, {"alias=crct10dif"})},
      {"kernel/drivers/message/fusion/mptspi.ko", driver({}, {"scsi_add_host"})},
      {"kernel/fs/jbd2/jbd2.ko", driver({"jbd2_start"}, {})},
      {"kernel/fs/ext4/ext4.ko", driver({}, {"jbd2_start"}, {"alias=fs-ext4"})}};
  return modules;
}

std::string guest_module(const std::string& path) { return make_module(guest_modules().at(path)); }

std::map<std::string, std::string> depmod_index(const std::map<std::string, std::string>& modules) {
  const Scratch scratch;
  const std::string folder = scratch.file("lib/modules/") + kRelease;
  stdfs::create_directories(folder);
  for (const auto& [path, content] : modules) write_to(folder + "/" + path, content);
  const auto result =
      convert::run_sandboxed("depmod", {"-b", scratch.path(), kRelease}, scratch.path());
  if (result.status != 0) throw std::runtime_error("depmod: " + result.errors);
  std::map<std::string, std::string> index;
  for (const auto& entry : stdfs::directory_iterator(folder)) {
    if (entry.is_regular_file()) index[entry.path().filename()] = read_from(entry.path());
  }
  return index;
}

std::string padded(std::string text, std::size_t unit) {
  text.resize((text.size() + unit - 1) / unit * unit);
  return text;
}

InitrdMaker& InitrdMaker::folder(const std::string& name) {
  const bool there = std::any_of(entries_.begin(), entries_.end(),
                                 [&](const auto& entry) { return entry.name == name; });
  if (there) return *this;
  const std::size_t slash = name.rfind('/');
  if (slash != std::string::npos) folder(name.substr(0, slash));
  entries_.push_back({name, 0040755, ""});
  return *this;
}

InitrdMaker& InitrdMaker::file(const std::string& name, const std::string& text,
                               std::uint32_t mode) {
  const std::size_t slash = name.rfind('/');
  if (slash != std::string::npos) folder(name.substr(0, slash));
  entries_.push_back({name, mode, text});
  return *this;
}

InitrdMaker& InitrdMaker::link(const std::string& name, const std::string& target) {
  return file(name, target, 0120777);
}

InitrdMaker& InitrdMaker::merged_usr() {
  for (const char* const name : {"bin", "lib", "sbin"}) link(name, std::string("usr/") + name);
  return folder("usr/bin").folder("usr/lib").folder("usr/sbin");
}

InitrdMaker& InitrdMaker::modules(const std::string& folder,
                                  const std::vector<std::string>& paths) {
  std::map<std::string, std::string> contents;
  for (const std::string& path : paths) contents[path] = guest_module(path);
  for (const auto& [path, content] : contents) file(folder + "/" + path, content);
  for (const auto& [name, text] : depmod_index(contents)) file(folder + "/" + name, text);
  return *this;
}

InitrdMaker& InitrdMaker::without(const std::string& start) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.name.starts_with(start); });
  return *this;
}

MadeUpGuest::MadeUpGuest(const std::string& suffix) {
  const std::string folder = std::string("/lib/modules/") + kRelease;
  std::map<std::string, std::string> plain;
  for (const auto& [path, spec] : guest_modules()) {
    plain[path] = make_module(spec);
    write(folder + "/" + path + suffix, packed(suffix, plain[path]));
  }
  for (const auto& [name, text] : depmod_index(plain)) {
    std::string changed = text;
    for (std::size_t at = 0;
         name == "modules.dep" && (at = changed.find(".ko", at)) != std::string::npos;
         at += 3 + suffix.size()) {
      changed.insert(at + 3, suffix);
    }
    write(folder + "/" + name, changed);
  }
  guest.mount({"/dev/sda1", "/", "", true});
  request.kernel = kRelease;
  request.modules_dir = folder;
  request.image = std::string("/boot/initrd.img-") + kRelease;
  request.codecs = {"gzip", "lz4", "zstd"};
  request.drivers = {"virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_net"};
}

void MadeUpGuest::write(const std::string& path, const std::string& content) {
  write_to(scratch.path() + path, content);
}

std::string MadeUpGuest::read(const std::string& path) { return read_from(scratch.path() + path); }

convert::Supplement MadeUpGuest::make(const std::string& image) {
  write(request.image, image);
  return convert::make_supplement(guest, request, work.path());
}

convert::Supplement MadeUpGuest::apply(const std::string& image) {
  convert::Supplement made = make(image);
  convert::write_supplement(guest, made);
  convert::verify_supplement(guest, made);
  return made;
}

inspect::InitrdArchive MadeUpGuest::image() {
  const std::string bytes = read(request.image);
  const auto read_at = [&](std::uint64_t offset, std::size_t length) {
    return offset >= bytes.size() ? "" : bytes.substr(offset, length);
  };
  return inspect::read_initrd(bytes.size(), read_at, [](std::string_view) { return true; });
}

}  // namespace v2vfs::test
