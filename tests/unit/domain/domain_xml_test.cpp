// SPDX-License-Identifier: MIT
#include "convert/domain/domain_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <pugixml.hpp>
#include <sstream>

#include "inspect/base/error.h"
#include "tests/unit/domain/domain_specs.h"

namespace v2vfs::convert {
namespace {

using inspect::ControllerKind;
using inspect::MachineSpec;
using inspect::NicModel;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string golden_path(const std::string& name) {
  return std::string(V2VFS_GOLDEN) + "/" + name + ".xml";
}

std::string text_of(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

/// The value at an XPath expression ("string(...)") of the domain.
std::string value_at(const DomainText& domain, const char* xpath) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_string(domain.xml.c_str()));
  return pugi::xpath_query(xpath).evaluate_string(document);
}

class Golden : public testing::TestWithParam<DomainCase> {};

/// V2VFS_WRITE_GOLDEN=1 writes the files anew; what changed is then seen in the diff.
// SEMANTICS: "Hardware: VirtualSCSI is vmpvscsi, lsilogicsas is lsisas1068, SATA and IDE stay"
TEST_P(Golden, domain_is_what_it_was) {
  const DomainCase& made = GetParam();
  const std::string xml = domain_of(made.spec, made.options).xml;
  if (std::getenv("V2VFS_WRITE_GOLDEN") != nullptr) std::ofstream(golden_path(made.name)) << xml;
  EXPECT_EQ(xml, text_of(golden_path(made.name)));
  EXPECT_TRUE(is_domain_document(xml));
}

std::string name_of(const testing::TestParamInfo<DomainCase>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (c == '-') c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(DomainXml, Golden, testing::ValuesIn(domain_cases()), name_of);

TEST(DomainXml, same_machine_gives_same_text) {
  const MachineSpec spec = domain_cases().front().spec;
  EXPECT_EQ(domain_of(spec).xml, domain_of(spec).xml);
}

TEST(DomainXml, a_machine_as_qemu_has_it_needs_no_assumption) {
  EXPECT_THAT(domain_of(domain_cases().front().spec).assumptions, IsEmpty());
}

// SEMANTICS: "what differs is listed in its `metadata`"
TEST(DomainXml, every_replaced_controller_is_said) {
  MachineSpec spec = bare_machine();
  add_disk(spec, add_controller(spec, ControllerKind::scsi_lsilogic), 0);
  const DomainText domain = domain_of(spec);
  EXPECT_THAT(domain.assumptions, Contains(HasSubstr("53C1030")));
  EXPECT_EQ(value_at(domain, "string(//disk/target/@bus)"), "sata");
  EXPECT_THAT(value_at(domain, "string(//*[local-name()='changed'])"), HasSubstr("53C1030"));
}

// SEMANTICS: "MACs and uuid are kept"
TEST(DomainXml, uuid_of_the_source_is_kept_and_a_missing_one_is_the_given) {
  MachineSpec spec = bare_machine();
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/uuid)"), *spec.uuid);
  spec.uuid.reset();
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/uuid)"), kTestUuid);
  spec.uuid = "not-a-uuid";
  const DomainText domain = domain_of(spec);
  EXPECT_EQ(value_at(domain, "string(/domain/uuid)"), kTestUuid);
  EXPECT_THAT(domain.assumptions, Contains(HasSubstr("UUID")));
}

TEST(DomainXml, memory_is_rounded_up_to_a_kib_and_kept_in_bounds) {
  MachineSpec spec = bare_machine();
  spec.memory_bytes = (1ull << 30) + 1;
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/memory)"), "1048577");
  spec.memory_bytes = ~0ull;
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/memory)"), "17179869184");
  EXPECT_THAT(domain_of(spec).assumptions, Contains(HasSubstr("memory")));
  spec.memory_bytes = 1;
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/memory)"), "32768");
}

TEST(DomainXml, cpus_are_kept_in_bounds_and_split_into_sockets_where_they_divide) {
  MachineSpec spec = bare_machine();
  spec.vcpus = 0;
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/vcpu)"), "1");
  spec.vcpus = 100000;
  EXPECT_EQ(value_at(domain_of(spec), "string(/domain/vcpu)"), "255");
  spec.vcpus = 8;
  spec.cores_per_socket = 4;
  EXPECT_EQ(value_at(domain_of(spec), "string(//topology/@sockets)"), "2");
  spec.cores_per_socket = 3;
  EXPECT_EQ(value_at(domain_of(spec), "count(//topology)"), "0");
  EXPECT_THAT(domain_of(spec).assumptions, Contains(HasSubstr("sockets of 3 cores")));
}

// SEMANTICS: "but for a MAC that libvirt refuses"
TEST(DomainXml, a_mac_that_libvirt_refuses_is_replaced_and_said) {
  for (const char* mac : {"01:00:5e:00:00:01", "00:00:00:00:00:00", "fe:50:56:00:00:01", "junk"}) {
    MachineSpec spec = bare_machine();
    add_nic(spec, NicModel::vmxnet3, "VmxNet3", mac);
    EXPECT_THAT(value_at(domain_of(spec), "string(//mac/@address)"), StartsWith("52:54:00:"));
    EXPECT_THAT(domain_of(spec).assumptions, Contains(HasSubstr(mac)));
  }
}

// SEMANTICS: "or that is there twice: another one stands for it"
TEST(DomainXml, the_second_card_with_the_same_mac_gets_another) {
  MachineSpec spec = bare_machine();
  for (int i = 0; i < 2; ++i) add_nic(spec, NicModel::vmxnet3, "VmxNet3", "00:50:56:00:00:01");
  EXPECT_EQ(value_at(domain_of(spec), "string(//interface[1]/mac/@address)"), "00:50:56:00:00:01");
  EXPECT_THAT(value_at(domain_of(spec), "string(//interface[2]/mac/@address)"),
              StartsWith("52:54:00:"));
  EXPECT_THAT(domain_of(spec).assumptions, Contains(HasSubstr("twice")));
}

TEST(DomainXml, cards_without_a_mac_get_one_each_that_stays) {
  MachineSpec spec = bare_machine();
  for (int i = 0; i < 2; ++i) add_nic(spec, NicModel::vmxnet3, "VmxNet3");
  const std::string first = value_at(domain_of(spec), "string(//interface[1]/mac/@address)");
  EXPECT_EQ(first, value_at(domain_of(spec), "string(//interface[1]/mac/@address)"));
  EXPECT_NE(first, value_at(domain_of(spec), "string(//interface[2]/mac/@address)"));
}

TEST(DomainXml, name_is_one_that_libvirt_keeps) {
  const auto named = [](const std::string& name) {
    const DomainText domain =
        compatible_domain(bare_machine(), name, kTestUuid, {}, DomainOptions{});
    return value_at(domain, "string(/domain/name)");
  };
  EXPECT_EQ(named("a/b"), "a_b");
  EXPECT_EQ(named(".hidden"), "_hidden");
  EXPECT_EQ(named("-x"), "_x");
  EXPECT_EQ(named(" \n"), "vm");
  EXPECT_EQ(named("two\nlines"), "two\\x0alines");
  EXPECT_LE(named(std::string(5000, 'x')).size(), 203u);
}

TEST(DomainXml, what_is_not_the_sources_fault_throws) {
  MachineSpec spec = bare_machine();
  add_disk(spec, std::nullopt, 0);
  const DomainOptions options;
  EXPECT_THROW(compatible_domain(spec, "x", kTestUuid, {}, options), Error);
  EXPECT_THROW(compatible_domain(spec, "x", kTestUuid, {{"relative"}}, options), Error);
  EXPECT_THROW(compatible_domain(spec, "x", kTestUuid, {{"/bad\xff"}}, options), Error);
  spec.uuid.reset();
  EXPECT_THROW(compatible_domain(spec, "x", "junk", {{"/disk"}}, options), Error);
}

TEST(DomainXml, path_comes_back_as_it_went_in) {
  MachineSpec spec = bare_machine();
  add_disk(spec, std::nullopt, 0);
  const std::string path = "/mnt/a \"b\" <c> & 'd' é/disk.qcow2";
  const DomainText domain = compatible_domain(spec, "x", kTestUuid, {{path}}, DomainOptions{});
  EXPECT_EQ(value_at(domain, "string(//source/@file)"), path);
}

}  // namespace
}  // namespace v2vfs::convert
