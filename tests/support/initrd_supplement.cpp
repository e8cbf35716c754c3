// SPDX-License-Identifier: MIT
// initrd-supplement ROOT KERNEL IMAGE WORK-FOLDER [--codec=gzip]... [--driver=virtio_blk]...
// [--file=NAME=TEXT]... Supplements ROOT/IMAGE in place, as a conversion does, and checks it; the
// archive's names on stdout. Ends with 0, with 3 if nothing was needed, with 2 if it was refused.
#include <iostream>

#include "convert/guest/initrd_supplement.h"
#include "inspect/base/error.h"
#include "tests/support/folder_guest.h"

namespace {

using namespace v2vfs;

bool take(convert::SupplementRequest& request, const std::string& word) {
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) return false;
  const std::string option = word.substr(0, equals);
  const std::string value = word.substr(equals + 1);
  if (option == "--codec") request.codecs.push_back(value);
  if (option == "--driver") request.drivers.push_back(value);
  if (option == "--file") {
    const std::size_t end = value.find('=');
    if (end == std::string::npos) return false;
    request.files.push_back({value.substr(0, end), value.substr(end + 1)});
  }
  return option == "--codec" || option == "--driver" || option == "--file";
}

int supplement(const std::string& root, const convert::SupplementRequest& request,
               const std::string& work_folder) {
  test::FolderGuest guest(root);
  guest.mount({"/dev/sda1", "/", "", true});
  const convert::Supplement made = convert::make_supplement(guest, request, work_folder);
  for (const std::string& name : made.absent) std::cerr << "the kernel has no " << name << "\n";
  if (!made.refusal.empty()) {
    std::cerr << made.refusal << "\n";
    return 2;
  }
  if (!made.needed()) return 3;
  convert::write_supplement(guest, made);
  convert::verify_supplement(guest, made);
  for (const std::string& name : made.entries) std::cout << name << "\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  convert::SupplementRequest request;
  bool good = words.size() >= 4;
  for (std::size_t i = 4; good && i < words.size(); ++i) good = take(request, words[i]);
  if (!good) {
    std::cerr << "initrd-supplement ROOT KERNEL IMAGE WORK-FOLDER [--codec=C] [--driver=D] "
                 "[--file=NAME=TEXT]\n";
    return 1;
  }
  request.kernel = words[1];
  request.modules_dir = "/lib/modules/" + words[1];
  request.image = words[2];
  try {
    return supplement(words[0], request, words[3]);
  } catch (const Error& error) {
    std::cerr << error.sentence() << "\n";
    return 1;
  }
}
