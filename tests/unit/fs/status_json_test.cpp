// SPDX-License-Identifier: MIT
#include "fs/status_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace v2vfs::fs {
namespace {

using nlohmann::json;

// SEMANTICS: "Keys may be added, never renamed"
TEST(StatusJson, has_every_key_of_the_contract) {
  VmStatus status;
  status.disks.push_back({"disk.qcow2", 1 << 20, 65536, false, "", {{42, true}}});
  const json object = json::parse(to_json(status));
  for (const char* key : {"vm", "state", "stage", "bytes_done", "bytes_total", "error",
                          "assumptions", "disks", "edits", "waiting_for", "integrity"}) {
    EXPECT_TRUE(object.contains(key)) << key;
  }
  EXPECT_TRUE(object["error"].is_null());
  EXPECT_EQ(object["disks"][0]["holders"][0]["kind"], "writer");
  EXPECT_EQ(object["disks"][0]["holders"][0]["pid"], 42);
}

// SEMANTICS: "`bytes_done` of `bytes_total` counts while the source is compared"
TEST(StatusJson, counts_the_bytes_of_a_check_while_there_is_one) {
  VmStatus status;
  status.integrity.state = "checking";
  status.integrity.checked_bytes = 3;
  status.integrity.total_bytes = 4;
  EXPECT_EQ(json::parse(to_json(status))["bytes_done"], 3);
  EXPECT_EQ(json::parse(to_json(status))["bytes_total"], 4);
  status.integrity.state = "good";
  EXPECT_EQ(json::parse(to_json(status))["bytes_done"], 0);
  EXPECT_EQ(json::parse(to_json(status))["bytes_total"], 0);
}

TEST(StatusJson, is_valid_whatever_a_source_says) {
  VmStatus status;
  status.vm = "a\xff\x1b[31m\n";
  status.failure = {"x", "bad \"quote\" \xc3\x28 \xe2\x80\xae", ""};
  const std::string text = to_json(status);
  EXPECT_TRUE(json::accept(text));
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  EXPECT_EQ(text.find("\xe2\x80\xae"), std::string::npos);
}

}  // namespace
}  // namespace v2vfs::fs
