// SPDX-License-Identifier: MIT
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/show_diff.h"
#include "mount-helpers/ctl/show_inspection.h"

// Every made-up guest of the golden files is shown: what was written by the daemon's own code is
// read.

namespace v2vfs::ctl {
namespace {

using testing::HasSubstr;
using testing::Not;
using Json = nlohmann::ordered_json;

const Terminal kPipe(false, false, 80), kColours(true, true, 80);
const std::string kGolden = V2VFS_TEST_DATA "/../../golden/";

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Golden files write drivers in short: "module, in initrd".
void spell_out_drivers(Json& guest) {
  for (Json& kernel : guest.at("kernels")) {
    Json drivers = Json::array();
    for (const auto& [name, words] : kernel.at("drivers").items()) {
      const std::string text = words;
      drivers.push_back({{"name", name},
                         {"state", text.substr(0, text.find(','))},
                         {"in_initrd", text.ends_with("in initrd")}});
    }
    kernel["drivers"] = drivers;
  }
}

/// The golden files leave out what is of the machine.
InspectionSummary summary_of(const std::string& path) {
  Json json = Json::parse(text_of(path));
  for (Json& guest : json.at("guests")) spell_out_drivers(guest);
  json["as_of"] = "2026-01-01T00:00:00Z";
  json["source"] = {
      {"source_kind", "ovf"},
      {"firmware", "bios"},
      {"memory_bytes", 1 << 30},
      {"vcpus", 2},
      {"disks", {{{"file", "web.vmdk"}, {"capacity_bytes", 1 << 30}}}},
      {"nics", {{{"model", "vmxnet3"}, {"mac", "00:50:56:8a:22:01"}, {"network", "lan"}}}}};
  return parse_inspection(json.dump(), path);
}

template <typename Body>
int for_each_golden(const std::string& folder, Body body) {
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden + folder)) {
    if (entry.path().extension() != ".json") continue;
    SCOPED_TRACE(entry.path().string());
    body(entry.path().string());
    ++count;
  }
  return count;
}

TEST(ShowInspection, of_each_made_up_guest) {
  const int count = for_each_golden("guests", [](const std::string& path) {
    const InspectionSummary summary = summary_of(path);
    const std::string text = inspection_text("vm", summary, kPipe);
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    EXPECT_THAT(text, HasSubstr("2 CPUs, 1.0 GiB of memory, firmware bios, from ovf"));
    for (const auto& each : summary.readiness) EXPECT_THAT(text, HasSubstr(each.code));
    EXPECT_THAT(inspections_table({{"vm", summary}}, kPipe), HasSubstr("VIRTIO"));
  });
  EXPECT_GT(count, 20);
}

TEST(ShowInspection, what_a_person_looks_for) {
  const std::string text =
      inspection_text("web", summary_of(kGolden + "guests/debian12.json"), kPipe);
  EXPECT_THAT(text, HasSubstr("web  Debian GNU/Linux 12 (bookworm), x86_64\n"));
  EXPECT_THAT(text, HasSubstr("kernels"));
  EXPECT_THAT(text, HasSubstr("disk.qcow2  1.0 GiB  web.vmdk"));
  EXPECT_THAT(text, HasSubstr("00:50:56:8a:22:01  vmxnet3  lan"));
}

TEST(ShowInspection, a_machine_without_a_system) {
  InspectionSummary summary;
  summary.readiness = {{"no-root", "error", "no system was found", "look at the disks"}};
  EXPECT_THAT(inspection_text("vm", summary, kPipe), HasSubstr("vm  no system found\n"));
  EXPECT_THAT(inspection_text("vm", summary, kPipe),
              HasSubstr("  error no-root: no system was found\n    -> look at the disks\n"));
  EXPECT_THAT(inspections_table({{"vm", summary}}, kPipe), HasSubstr("1 error"));
}

TEST(ShowDiff, of_each_made_up_plan) {
  const int count = for_each_golden("plans", [](const std::string& path) {
    const ConversionPlan plan = parse_conversion(text_of(path), path);
    const std::string text = diff_text("vm", plan, kPipe);
    EXPECT_THAT(text, Not(HasSubstr("\x1b")));
    for (const auto& step : plan.steps) {
      EXPECT_THAT(text, HasSubstr(step.path));
      EXPECT_THAT(text, HasSubstr(step.diff));
    }
  });
  EXPECT_GT(count, 20);
}

TEST(ShowDiff, all_but_diffs_are_remarks) {
  const std::string path = kGolden + "plans/debian12.json";
  ConversionPlan plan = parse_conversion(text_of(path), path);
  for (auto& step : plan.steps) step.diff.clear();
  std::istringstream lines(diff_text("vm", plan, kPipe));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_TRUE(line.empty() || line.starts_with("# ")) << line;
  }
}

TEST(ShowDiff, colours_and_lines_that_fit_a_terminal) {
  const std::string path = kGolden + "plans/debian12.json";
  const std::string text = diff_text("vm", parse_conversion(text_of(path), path), kColours);
  EXPECT_THAT(text, HasSubstr("\x1b[31m-/dev/sda5 none swap sw 0 0\x1b[0m"));
  EXPECT_THAT(text, HasSubstr("\x1b[32m+virtio_pci\x1b[0m"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("# ") < 6) {
      EXPECT_LE(text_columns(line), 80u) << line;
    }
  }
}

TEST(ShowDiff, a_plan_that_cannot_be) {
  const std::string path = kGolden + "plans/win10.json";
  EXPECT_THAT(diff_text("w", parse_conversion(text_of(path), path), kPipe),
              HasSubstr("# w: unsupported\n# "));
  EXPECT_THROW(parse_conversion("{}", "conversion.json"), Error);
  EXPECT_THROW(parse_inspection("{}", "inspection.json"), Error);
}

}  // namespace
}  // namespace v2vfs::ctl
