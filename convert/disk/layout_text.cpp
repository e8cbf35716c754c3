// SPDX-License-Identifier: MIT
#include <fmt/core.h>

#include <array>
#include <sstream>
#include <string_view>

#include "convert/disk/qcow2_layout.h"
#include "inspect/base/checked.h"

// A line a fact, a word and numbers:
//
//   v2vfs-layout 1
//   virtual 1048576
//   ...
//   run file 0 71958528 330240      kind, extent, offset, bytes

namespace v2vfs::convert {
namespace {

constexpr std::string_view kTitle = "v2vfs-layout";
constexpr unsigned kVersion = 1;
constexpr std::array<std::string_view, 3> kRunNames = {"guest", "file", "single"};

struct Field {
  std::string_view name;
  std::uint64_t Qcow2Layout::*value;
};
constexpr std::array<Field, 11> kFields = {{
    {"virtual", &Qcow2Layout::virtual_bytes},
    {"cluster", &Qcow2Layout::cluster_bytes},
    {"l1", &Qcow2Layout::l1_offset},
    {"refcount-table", &Qcow2Layout::refcount_table_offset},
    {"refcount-blocks", &Qcow2Layout::refcount_blocks_offset},
    {"refcount-block-count", &Qcow2Layout::refcount_blocks},
    {"l2", &Qcow2Layout::l2_offset},
    {"l2-count", &Qcow2Layout::l2_tables},
    {"reserve", &Qcow2Layout::reserve_offset},
    {"tail", &Qcow2Layout::tail_offset},
    {"file", &Qcow2Layout::file_bytes},
}};

bool parse_run(std::istream& in, Qcow2Layout& layout) {
  std::string kind;
  Run run;
  if (!(in >> kind >> run.shape.extent >> run.offset >> run.shape.bytes)) return false;
  for (std::size_t i = 0; i < kRunNames.size(); ++i) {
    if (kind != kRunNames[i]) continue;
    run.shape.kind = static_cast<RunKind>(i);
    layout.runs.push_back(run);
    return true;
  }
  return false;
}

/// True if a layout of version 1 with these parameters has these positions. A later version that
/// lays disks otherwise keeps this one beside it.
bool is_consistent(const Qcow2Layout& layout) {
  LayoutInput input{layout.virtual_bytes, layout.cluster_bytes, 0, {}};
  for (const Run& run : layout.runs) input.runs.push_back(run.shape);
  if (layout.runs_offset() < layout.reserve_offset) return false;
  input.reserve_bytes = layout.runs_offset() - layout.reserve_offset;
  return lay_out(input) == layout;
}

}  // namespace

std::string layout_text(const Qcow2Layout& layout) {
  std::string text = fmt::format("{} {}\n", kTitle, kVersion);
  for (const Field& field : kFields)
    text += fmt::format("{} {}\n", field.name, layout.*field.value);
  for (const Run& run : layout.runs) {
    text += fmt::format("run {} {} {} {}\n", kRunNames[static_cast<std::size_t>(run.shape.kind)],
                        run.shape.extent, run.offset, run.shape.bytes);
  }
  return text;
}

std::optional<Qcow2Layout> parse_layout_text(const std::string& text) {
  std::istringstream in(text);
  std::string word;
  unsigned version = 0;
  if (!(in >> word >> version) || word != kTitle || version != kVersion) return std::nullopt;
  Qcow2Layout layout;
  for (const Field& field : kFields) {
    if (!(in >> word >> layout.*field.value) || word != field.name) return std::nullopt;
  }
  while (in >> word) {
    if (word != "run" || !parse_run(in, layout)) return std::nullopt;
  }
  if (!is_consistent(layout)) return std::nullopt;
  return layout;
}

}  // namespace v2vfs::convert
