// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include "inspect/guest/os_release.h"
#include "inspect/guest/osinfo.h"
#include "inspect/guest/windows_facts.h"

namespace v2vfs::inspect {
namespace {

struct Release {
  const char* path;
  const char* text;
  const char* distro;
  unsigned major;
  int minor;  // -1: not said
  const char* osinfo;
};

/// Systems before os-release, by the files they had.
TEST(Identity, knows_releases_without_os_release) {
  const Release releases[] = {
      {"/etc/redhat-release", "CentOS release 5.11 (Final)\n", "centos", 5, 11, "centos5.11"},
      {"/etc/redhat-release", "Scientific Linux release 6.10 (Carbon)", "scientificlinux", 6, 10,
       "scientificlinux6.10"},
      {"/etc/redhat-release", "Fedora release 12 (Constantine)\n", "fedora", 12, -1, "fedora12"},
      {"/etc/oracle-release", "Oracle Linux Server release 6.9\n", "oraclelinux", 6, 9, "ol6.9"},
      {"/etc/enterprise-release", "Enterprise Linux Enterprise Linux Server release 5.2 (Carthage)",
       "oraclelinux", 5, 2, "oel5.2"},
      {"/etc/SuSE-release", "openSUSE 13.2 (x86_64)\nVERSION = 13.2\nCODENAME = Harlequin\n",
       "opensuse", 13, 2, "opensuse13.2"},
      {"/etc/SuSE-release",
       "SUSE Linux Enterprise Server 10 (i586)\nVERSION = 10\nPATCHLEVEL = 4\n", "sles", 10, 4,
       "sles10sp4"},
      {"/etc/debian_version", "5.0.10\n", "debian", 5, 0, "debian5"},
      {"/etc/lsb-release",
       "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=10.04\nDISTRIB_DESCRIPTION=\"Ubuntu 10.04.4 LTS\"\n",
       "ubuntu", 10, 4, "ubuntu10.04"},
      {"/etc/alpine-release", "3.2.0\n", "alpinelinux", 3, 2, "alpinelinux3.2"},
      {"/etc/system-release", "Amazon Linux AMI release 2018.03\n", "amazonlinux", 2018, 3,
       "amazonlinux2018"},
  };
  for (const Release& release : releases) {
    const OsFacts os = identify_linux({{release.path, release.text}});
    EXPECT_EQ(os.distro, release.distro) << release.text;
    EXPECT_EQ(os.major, release.major) << release.text;
    EXPECT_EQ(os.minor ? static_cast<int>(*os.minor) : -1, release.minor) << release.text;
    EXPECT_EQ(osinfo_id(os, nullptr), release.osinfo) << release.text;
  }
}

TEST(Identity, takes_a_minor_version_only_of_the_same_major) {
  ReleaseFiles files = {{"/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"},
                        {"/etc/debian_version", "trixie/sid\n"}};
  EXPECT_FALSE(identify_linux(files).minor);
  files["/etc/debian_version"] = "11.4\n";
  EXPECT_FALSE(identify_linux(files).minor);
  files["/etc/debian_version"] = "12.4\n";
  EXPECT_EQ(identify_linux(files).minor, 4u);
}

TEST(Identity, survives_release_files_of_rubbish) {
  for (const std::string& text :
       {std::string(), std::string("\0\0\0", 3), std::string("ID="), std::string(60'000, '='),
        std::string("ID=\"\nVERSION_ID='99999999999999'"), std::string("\xff\xfe release 7")}) {
    for (const std::string& path : release_file_paths()) {
      EXPECT_EQ(identify_linux({{path, text}}).type, "linux");
    }
  }
}

TEST(Osinfo, reads_short_ids_from_the_names_of_files) {
  EXPECT_EQ(short_id_of_file("debian.org", "debian-11"), "debian11");
  EXPECT_EQ(short_id_of_file("suse.com", "sle-15.4"), "sle15sp4");
  EXPECT_EQ(short_id_of_file("suse.com", "sles-12"), "sles12");
  EXPECT_EQ(short_id_of_file("archlinux.org", "archlinux-rolling"), "archlinux");
  EXPECT_EQ(short_id_of_file("centos.org", "centos-stream-9"), "centos-stream9");
  EXPECT_EQ(short_id_of_file("microsoft.com", "win-2k12r2"), "win2k12r2");
  EXPECT_EQ(short_id_of_file("microsoft.com", "win-xp"), "winxp");
  EXPECT_EQ(short_id_of_file("opensuse.org", "opensuse-tumbleweed"), "opensusetumbleweed");
}

// SEMANTICS: "`osinfo_known` the nearest that this host's osinfo-db has"
TEST(Osinfo, chooses_the_nearest_that_is_known) {
  const std::vector<std::string> known = {"debian10",  "debian11",      "linux2022", "rhel8.7",
                                          "rhel8.9",   "rhel9-unknown", "rhel9.1",   "win10",
                                          "win2k12r2", "win2k19",       "win2k22",   "win7"};
  OsFacts linux_os;
  linux_os.type = "linux";
  EXPECT_EQ(nearest_osinfo("debian11", linux_os, known), "debian11");
  EXPECT_EQ(nearest_osinfo("debian12", linux_os, known), "debian11");
  EXPECT_EQ(nearest_osinfo("debian5", linux_os, known), "debian10");
  EXPECT_EQ(nearest_osinfo("rhel8.8", linux_os, known), "rhel8.7");
  EXPECT_EQ(nearest_osinfo("rhel9.4", linux_os, known), "rhel9.1");
  EXPECT_EQ(nearest_osinfo("photon4", linux_os, known), "linux2022");
  OsFacts windows_os;
  windows_os.type = "windows";
  EXPECT_EQ(nearest_osinfo("win11", windows_os, known), "win10");
  EXPECT_EQ(nearest_osinfo("win2k25", windows_os, known), "win2k22");
  EXPECT_EQ(nearest_osinfo("win2k16", windows_os, known), "win2k12r2");
  EXPECT_EQ(nearest_osinfo("", windows_os, known), "");
}

// SEMANTICS: "the nearest that this host's osinfo-db has (empty without one)"
TEST(Osinfo, is_empty_without_a_database) { EXPECT_TRUE(osinfo_names("/nonexistent").empty()); }

std::string windows_osinfo(const WindowsVersion& version) {
  WindowsFacts facts;
  facts.build = version.build;
  return osinfo_id(identify_windows(version), &facts);
}

TEST(WindowsIdentity, tells_the_systems_of_version_ten_apart) {
  EXPECT_EQ(windows_osinfo({"Windows 10 Pro", "6.3", 10, 0, "19045", "Client"}), "win10");
  EXPECT_EQ(windows_osinfo({"Windows 10 Pro", "6.3", 10, 0, "22000", "Client"}), "win11");
  EXPECT_EQ(windows_osinfo({"Windows Server 2016", "6.3", 10, 0, "14393", "Server"}), "win2k16");
  EXPECT_EQ(windows_osinfo({"Windows Server 2019", "6.3", 10, 0, "17763", "Server"}), "win2k19");
  EXPECT_EQ(windows_osinfo({"x", "6.3", 10, 0, "20348", "Server Core"}), "win2k22");
  EXPECT_EQ(windows_osinfo({"x", "6.3", 10, 0, "26100", "Server"}), "win2k25");
  EXPECT_EQ(windows_osinfo({"Windows 8.1", "6.3", {}, {}, "9600", "Client"}), "win8.1");
  EXPECT_EQ(windows_osinfo({"Windows Server 2012 R2", "6.3", {}, {}, "9600", "Server"}),
            "win2k12r2");
  EXPECT_EQ(windows_osinfo({"Microsoft Windows XP", "5.1", {}, {}, "2600", ""}), "winxp");
  EXPECT_EQ(windows_osinfo({"", "", {}, {}, "", ""}), "");
}

TEST(Registry, decodes_texts) {
  const auto value = [](std::uint32_t type, std::string bytes) {
    return registry_strings({type, std::move(bytes)});
  };
  using namespace std::string_literals;
  EXPECT_EQ(value(1, "A\0\xe9\0\0\0junk"s), std::vector<std::string>{"A\xc3\xa9"});
  EXPECT_EQ(value(1, "\x3d\xd8\x00\xde"s), std::vector<std::string>{"\xf0\x9f\x98\x80"});
  EXPECT_EQ(value(1, "\x00\xdc\x41\x00"s), std::vector<std::string>{"\xef\xbf\xbd"
                                                                    "A"});
  EXPECT_EQ(value(7, "a\0\0\0b\0\0\0\0\0"s), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(value(1, "x").empty());  // half a character
  EXPECT_TRUE(value(3, "a\0"s).empty());
  EXPECT_EQ(registry_number({4, "\x01\0\0\0"s}), 1u);
  EXPECT_FALSE(registry_number({4, "\x01\0\0"s}));
}

}  // namespace
}  // namespace v2vfs::inspect
