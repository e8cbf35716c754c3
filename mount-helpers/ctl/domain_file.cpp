// SPDX-License-Identifier: MIT
#include "mount-helpers/ctl/domain_file.h"

#include <cerrno>
#include <pugixml.hpp>
#include <sstream>

#include "inspect/base/error.h"

namespace v2vfs::ctl {
namespace {

pugi::xml_document parse(const std::string& xml) {
  pugi::xml_document document;
  const auto result = document.load_buffer(xml.data(), xml.size(), pugi::parse_full);
  if (!result || std::string(document.document_element().name()) != "domain") {
    throw Error(EINVAL, "this is no domain of libvirt: {}",
                result ? "its root is not <domain>" : result.description());
  }
  return document;
}

}  // namespace

DomainFile parse_domain(const std::string& xml) {
  const pugi::xml_document document = parse(xml);
  const pugi::xml_node domain = document.document_element();
  DomainFile file{domain.child_value("name"), domain.child_value("uuid"), {}};
  for (const pugi::xml_node disk : domain.child("devices").children("disk")) {
    const std::string path = disk.child("source").attribute("file").value();
    if (path.empty()) continue;
    file.disks.push_back({disk.child("target").attribute("dev").value(), path});
  }
  return file;
}

std::string with_disk_files(const std::string& xml, const FileFor& file_for) {
  const pugi::xml_document document = parse(xml);
  for (const pugi::xml_node disk : document.document_element().child("devices").children("disk")) {
    pugi::xml_attribute file = disk.child("source").attribute("file");
    if (const auto other = file_for(file.value()); file && other) file.set_value(other->c_str());
  }
  std::ostringstream text;
  document.save(text, "  ", pugi::format_default | pugi::format_no_declaration);
  return text.str();
}

FileFor moved_to(const std::string& folder, const std::string& vm,
                 const std::vector<std::string>& disk_files) {
  return [=](const std::string& file) -> std::optional<std::string> {
    for (const std::string& name : disk_files) {
      if (file.ends_with("/" + vm + "/" + name)) return folder + "/" + name;
    }
    return std::nullopt;
  };
}

}  // namespace v2vfs::ctl
