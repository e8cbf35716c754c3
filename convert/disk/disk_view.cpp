// SPDX-License-Identifier: MIT
#include "convert/disk/disk_view.h"

#include <cerrno>

#include "convert/disk/qcow2_view.h"
#include "inspect/base/error.h"
#include "inspect/base/log.h"

namespace v2vfs::convert {
namespace {

LayoutInput plain_input(std::uint64_t virtual_bytes, std::uint64_t cluster_bytes) {
  return {virtual_bytes, cluster_bytes, 0, {{RunKind::guest, 0, virtual_bytes}}};
}

std::optional<Qcow2Layout> with_reserve(LayoutInput input, const ViewOptions& options) {
  input.reserve_bytes = options.reserve_bytes.value_or(default_reserve(input.cluster_bytes));
  return lay_out(input);
}

/// One to one, with the smallest cluster from 64 KiB on that QEMU's limits allow.
Qcow2Layout plain_layout(const DiskSource& source, const ViewOptions& options) {
  for (std::uint64_t cluster = kUsualCluster; cluster <= kLargestCluster; cluster *= 2) {
    if (auto layout = with_reserve(plain_input(source.bytes(), cluster), options)) return *layout;
  }
  throw Error(EOPNOTSUPP, "{}: a disk of {} bytes with this reserve is larger than qcow2 can be",
              source.name(), source.bytes());
}

std::unique_ptr<DiskView> choose(std::unique_ptr<DiskSource> source, const ViewOptions& options) {
  if (options.layout == LayoutChoice::automatic) {
    std::string why_not;
    if (auto map = InPlaceMap::make(*source, why_not)) {
      if (auto layout =
              with_reserve({source->bytes(), map->cluster_bytes(), 0, map->shapes()}, options)) {
        return std::make_unique<Qcow2View>(std::move(source), std::move(map), *layout,
                                           options.verify_grains);
      }
      why_not = "it is too large for clusters of its grains' size";
    }
    log::info("{}: laid one to one: {}", source->name(), why_not);
  }
  const Qcow2Layout layout = plain_layout(*source, options);
  return std::make_unique<Qcow2View>(std::move(source), nullptr, layout, options.verify_grains);
}

[[noreturn]] void fail_record(const DiskSource& source) {
  throw Error(
      ESTALE,
      "{}: the layout that its state was made with does not fit it; reset the state, or put "
      "the source back",
      source.name());
}

bool is_plain(const Qcow2Layout& layout) {
  return layout.runs.size() == 1 && layout.runs[0].shape.kind == RunKind::guest;
}

/// The runs as recorded, if this source has such runs.
std::unique_ptr<DiskView> as_recorded(std::unique_ptr<DiskSource> source, const Qcow2Layout& layout,
                                      const ViewOptions& options) {
  std::unique_ptr<InPlaceMap> map;
  std::vector<RunShape> expected = plain_input(source->bytes(), layout.cluster_bytes).runs;
  if (!is_plain(layout)) {
    std::string why_not;
    map = InPlaceMap::make(*source, why_not);
    if (!map || map->cluster_bytes() != layout.cluster_bytes) fail_record(*source);
    expected = map->shapes();
  }
  std::vector<RunShape> recorded;
  for (const Run& run : layout.runs) recorded.push_back(run.shape);
  if (layout.virtual_bytes != source->bytes() || recorded != expected) fail_record(*source);
  return std::make_unique<Qcow2View>(std::move(source), std::move(map), layout,
                                     options.verify_grains);
}

}  // namespace

std::unique_ptr<DiskView> open_disk(const inspect::SourceFiles& files,
                                    const inspect::DiskSpec& spec, const ViewOptions& options,
                                    const std::optional<std::string>& layout_record) {
  const auto layout = layout_record ? parse_layout_text(*layout_record) : std::nullopt;
  const bool in_place = layout ? !is_plain(*layout) : options.layout == LayoutChoice::automatic;
  auto source = std::make_unique<DiskSource>(files, spec, in_place);
  if (!layout_record) return choose(std::move(source), options);
  if (!layout) fail_record(*source);
  return as_recorded(std::move(source), *layout, options);
}

}  // namespace v2vfs::convert
