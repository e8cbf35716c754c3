// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

#include "convert/guest/cpio_writer.h"
#include "convert/guest/driver_lists.h"
#include "convert/guest/initrd_image.h"
#include "convert/guest/supplement_check.h"
#include "convert/guest/supplement_place.h"
#include "inspect/guest/initrd_facts.h"

using namespace v2vfs;

namespace {

inspect::ReadAt reader_of(const std::string& image) {
  return [&image](std::uint64_t offset, std::size_t length) {
    return offset >= image.size() ? std::string()
                                  : image.substr(static_cast<std::size_t>(offset), length);
  };
}

/// What is appended where the plan says so is unpacked, and last.
void check_place(const std::string& image, const inspect::InitrdFacts& facts) {
  const convert::SupplementPlace place =
      convert::place_supplement(facts, {image.size() % 2 == 0 ? "gzip" : "zstd"});
  if (!place.refusal.empty()) return;
  if (place.kept_bytes > image.size() || place.padding > 3) std::abort();
  if (place.tail_bytes > 0 && place.tail_offset + place.tail_bytes != image.size()) std::abort();
  const std::vector<convert::CpioFile> files = {{"lib/x.ko", 0100644, "content"}};
  const std::string tail = place.tail_bytes > 0 ? image.substr(place.tail_offset) : "";
  const std::string changed = image.substr(0, place.kept_bytes) +
                              convert::stored_supplement(place, convert::write_cpio(files), tail);
  convert::Supplement supplement;
  supplement.entries = {"lib/x.ko"};
  supplement.archive_digest = convert::archive_digest(files);
  supplement.tail = facts.tail;
  if (!convert::check_supplemented(changed.size(), reader_of(changed), supplement).empty()) {
    std::abort();
  }
}

/// Links of an image end, and lead nowhere but into it.
void check_tree(const inspect::InitrdArchive& archive) {
  std::map<std::string, std::string> targets;
  for (const auto& [name, text] : archive.files) targets[name] = text.substr(0, 100);
  const convert::InitrdTree tree(archive.entries, targets);
  for (const inspect::InitrdEntry& entry : archive.entries) {
    const auto real = tree.resolve(entry.name);
    if (real && ("/" + *real + "/").find("/../") != std::string::npos) std::abort();
    tree.mode(entry.name);
    tree.is_folder(entry.name);
  }
}

void check_lists(const inspect::InitrdFacts& facts, const inspect::InitrdArchive& archive) {
  for (const std::string& generator : {facts.generator, std::string("mkinitrd"),
                                       std::string("mkinitrd-suse"), std::string("mkinitcpio")}) {
    convert::ListedImage image{generator, archive.files, true};
    const std::vector<convert::ListedDriver> drivers = {{"virtio_blk", "lib/virtio_blk.ko", {"x"}}};
    for (const auto& [name, text] : convert::driver_lists(image, drivers).files) {
      image.files[name] = text;
    }
    if (!convert::driver_lists(image, drivers).files.empty()) std::abort();
  }
}

}  // namespace

/// Any bytes as an image.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string image(reinterpret_cast<const char*>(data), size);
  const inspect::InitrdArchive archive =
      inspect::read_initrd(size, reader_of(image), [](std::string_view) { return true; });
  inspect::InitrdFacts facts = inspect::initrd_facts(archive);
  facts.bytes = size;
  check_place(image, facts);
  check_tree(archive);
  check_lists(facts, archive);
  return 0;
}
