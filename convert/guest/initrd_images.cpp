// SPDX-License-Identifier: MIT
#include "convert/guest/initrd_images.h"

#include "convert/guest/boot_kernels.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

using inspect::Guest;
using inspect::GuestFacts;

SupplementRequest request_of(const InitrdNeed& need, const GuestFacts& facts) {
  SupplementRequest request;
  request.kernel = need.kernel;
  request.modules_dir = need.modules_dir;
  request.image = need.path;
  request.drivers = need.drivers;
  for (const inspect::KernelFacts& kernel : facts.kernels) {
    if (kernel.version == need.kernel) request.codecs = kernel.initrd_codecs;
  }
  for (const ImageFile& file : need.files) request.files.push_back({file.name, file.after});
  return request;
}

bool starts_by_default(const GuestFacts& facts, const InitrdNeed& need) {
  const inspect::KernelFacts* kernel = default_kernel(facts);
  return kernel && kernel->initrd && kernel->initrd->real_path == need.path;
}

}  // namespace

std::vector<Image> make_images(Guest& guest, const GuestFacts& facts, const ConversionPlan& plan,
                               const std::string& work_folder) {
  std::vector<Image> images;
  for (const InitrdNeed& need : plan.initrds) {
    images.push_back({&need, make_supplement(guest, request_of(need, facts), work_folder)});
  }
  return images;
}

std::string why_it_would_not_start(const GuestFacts& facts, const std::vector<Image>& images) {
  for (const Image& image : images) {
    const Supplement& supplement = image.supplement;
    if (!starts_by_default(facts, *image.need)) continue;
    if (!supplement.refusal.empty()) {
      return clean_text(image.need->path) + " cannot be added to: " + supplement.refusal;
    }
  }
  return "";
}

void write_images(Guest& guest, const std::vector<Image>& images,
                  std::map<std::string, std::string>& outcomes) {
  for (const Image& image : images) {
    std::string& outcome = outcomes[image.need->path];
    if (!image.supplement.refusal.empty()) {
      outcome = "left as it is: " + image.supplement.refusal;
      continue;
    }
    write_supplement(guest, image.supplement);
    verify_supplement(guest, image.supplement);
    outcome = "done";
  }
}

}  // namespace v2vfs::convert
