// SPDX-License-Identifier: MIT
#include "fs/overlay/staging.h"

#include <algorithm>
#include <cerrno>

#include "fs/overlay/journaled_store.h"
#include "inspect/base/error.h"

namespace v2vfs::fs {
namespace {

constexpr std::uint64_t kPieceBytes = 1 << 20;
constexpr std::uint64_t kLargestRecord = 16 << 20;

constexpr const char* kManifest = "/manifest";
constexpr const char* kPromoted = "/promoted";

/// The disk as it was when the run began: promotion may make it longer, and is done again.
class AsItWas : public BaseImage {
 public:
  AsItWas(std::shared_ptr<PromotableDisk> disk, std::uint64_t bytes)
      : disk_(std::move(disk)), bytes_(bytes) {}
  std::uint64_t bytes() const override { return bytes_; }
  void read(std::uint64_t offset, std::span<std::byte> out) override { disk_->read(offset, out); }
  Stretch stretch_at(std::uint64_t offset) override {
    const Stretch stretch = disk_->stretch_at(offset);
    return {std::min(stretch.end, bytes_), stretch.is_hole};
  }

 private:
  const std::shared_ptr<PromotableDisk> disk_;
  const std::uint64_t bytes_;
};

/// What was written, in pieces of at most 1 MiB that lie inside [begin, end).
template <typename Piece>
void each_written(OverlayStore& store, std::uint64_t begin, std::uint64_t end, Piece&& piece) {
  for (std::uint64_t at = begin; at < end;) {
    auto written = store.next_written(at);
    if (!written || written->offset >= end) return;
    written->length = std::min({written->length, kPieceBytes, end - written->offset});
    piece(*written);
    at = written->offset + written->length;
  }
}

std::vector<std::byte> read_piece(OverlayStore& store, const OverlayStore::Written& piece) {
  std::vector<std::byte> bytes(piece.length);
  store.read(piece.offset, bytes);
  return bytes;
}

/// Rewriting what is there is no change.
bool is_same(PromotableDisk& disk, OverlayStore& store, std::uint64_t begin, std::uint64_t end) {
  bool same = true;
  each_written(store, begin, end, [&](const OverlayStore::Written& piece) {
    std::vector<std::byte> old(piece.length);
    disk.read(piece.offset, old);
    same = same && old == read_piece(store, piece);
  });
  return same;
}

}  // namespace

Staging::Staging(Io& io, std::string state_folder, Disks disks, StoreGeometry geometry,
                 StagingRules rules)
    : io_(io),
      state_folder_(std::move(state_folder)),
      folder_(state_folder_ + "/staging"),
      disks_(std::move(disks)),
      geometry_(geometry),
      rules_(rules) {}

std::string Staging::disk_folder(std::size_t index) const {
  return folder_ + "/disk-" + std::to_string(index + 1);
}

std::optional<RunRecord> Staging::read(const std::string& file) const {
  const std::unique_ptr<IoFile> in = io_.open(file);
  if (!in) return std::nullopt;
  if (in->bytes() > kLargestRecord) throw Error(EIO, "{}: larger than 16 MiB", file);
  std::string text(in->bytes(), '\0');
  text.resize(in->pread(0, std::as_writable_bytes(std::span(text))));
  return run_record_from_text(text, file);
}

std::optional<RunRecord> Staging::promoted() const { return read(state_folder_ + kPromoted); }

/// One that `promoted` knows is in the disks, whatever is left of its folder.
std::optional<RunRecord> Staging::committed() const {
  auto manifest = read(folder_ + kManifest);
  if (!manifest) return std::nullopt;
  const std::optional<RunRecord> last = promoted();
  if (rules_.skip_promoted && last && last->run >= manifest->run) return std::nullopt;
  return manifest;
}

std::unique_ptr<OverlayStore> Staging::make_store(std::size_t index) const {
  io_.make_folder(disk_folder(index));
  auto base = std::make_shared<AsItWas>(disks_[index], disks_[index]->bytes());
  return JournaledStore::create(io_, disk_folder(index), std::move(base), {}, geometry_, {});
}

const std::vector<std::shared_ptr<StagedDisk>>& Staging::begin() {
  if (committed()) throw Error(EBUSY, "{}: the last run is not in the disks yet", folder_);
  drop();
  io_.make_folder(folder_);
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    staged_.push_back(std::make_shared<StagedDisk>(disks_[i], make_store(i)));
  }
  return staged_;
}

void Staging::check_promotable(std::size_t index) const {
  PromotableDisk& disk = *disks_[index];
  OverlayStore& store = staged_[index]->store();
  if (const auto failure = staged_[index]->failure()) {
    throw Error(EIO, "a write to disk {} failed: {}", index + 1, failure->sentence());
  }
  const std::uint64_t bytes = disk.bytes();
  if (store.bytes() != bytes && !disk.may_grow()) {
    throw Error(EIO, "the file of disk {} has {} bytes after the run, and had {}", index + 1,
                store.bytes(), bytes);
  }
  if (!rules_.check_cold) return;
  if (is_same(disk, store, 0, disk.cold_end()) && is_same(disk, store, disk.tail_begin(), bytes)) {
    return;
  }
  throw Error(EIO, "the run changed the beginning or the end of disk {}, which programs remember",
              index + 1);
}

void Staging::commit(RunRecord record) {
  record.disks.clear();
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    check_promotable(i);
    OverlayStore& store = staged_[i]->store();
    if (store.next_written(0)) disks_[i]->prepare();
    if (rules_.barrier_before_manifest) store.barrier();
    record.disks.push_back({disks_[i]->bytes(), store.bytes()});
  }
  staged_.clear();
  write_manifest(record);
}

void Staging::write(const std::string& folder, const char* name, const RunRecord& record) const {
  const std::string text = run_record_to_text(record);
  const std::string unfinished = folder + name + ".new";
  io_.remove(unfinished);
  {
    const std::unique_ptr<IoFile> file = io_.create(unfinished);
    file->pwrite(0, std::as_bytes(std::span(text)));
    if (rules_.sync_record) file->fdatasync();
  }
  io_.rename(unfinished, folder + name);
  if (rules_.sync_name) io_.sync_folder(folder);
}

/// Once it has its name it counts. Where that cannot be made durable it is taken away again; should
/// this fail too, committed() finds it, and nobody is admitted before it is in the disks.
void Staging::write_manifest(const RunRecord& record) {
  try {
    write(folder_, kManifest, record);
  } catch (const Error&) {
    io_.remove(folder_ + kManifest);
    io_.sync_folder(folder_);
    throw;
  }
}

void Staging::copy_into(PromotableDisk& disk, OverlayStore& store) const {
  const std::uint64_t end = std::min(store.bytes(), disk.tail_begin());
  bool written = false;
  each_written(store, disk.cold_end(), end, [&](const OverlayStore::Written& piece) {
    if (!written) disk.prepare();
    if (piece.is_hole) {
      disk.punch(piece.offset, piece.length);
    } else {
      disk.write(piece.offset, read_piece(store, piece));
    }
    written = true;
  });
  if (written && rules_.barrier_before_end) disk.barrier();
}

void Staging::roll_forward() {
  const std::optional<RunRecord> record = committed();
  if (!record) return;
  if (record->disks.size() != disks_.size()) {
    throw Error(EIO, "{}: of {} disks, but there are {}", folder_, record->disks.size(),
                disks_.size());
  }
  // Whoever committed it may have died before its name was durable.
  if (rules_.sync_name) io_.sync_folder(folder_);
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    auto base = std::make_shared<AsItWas>(disks_[i], record->disks[i].base_bytes);
    const auto store = JournaledStore::open(io_, disk_folder(i), std::move(base), {});
    if (!store || store->bytes() != record->disks[i].bytes) {
      throw Error(EIO, "{}: is not what was committed", disk_folder(i));
    }
    copy_into(*disks_[i], *store);
  }
}

void Staging::end(std::uint64_t changes) {
  if (std::optional<RunRecord> record = committed()) {
    record->changes = changes;
    write(state_folder_, kPromoted, *record);
  }
  drop();
}

void Staging::drop() {
  staged_.clear();
  io_.remove_folder(folder_);
  io_.sync_folder(state_folder_);
}

void Staging::forget() {
  drop();
  io_.remove(state_folder_ + kPromoted);
  io_.sync_folder(state_folder_);
}

}  // namespace v2vfs::fs
