// SPDX-License-Identifier: MIT
#include "fs/overlay/live_map.h"

#include <algorithm>
#include <cstring>

#include "fs/overlay/checkpoint_map.h"
#include "inspect/base/checked.h"

namespace v2vfs::fs {

struct LiveMap::Header {
  Magic magic;
  std::uint32_t version;
  std::uint32_t poisoned;
  std::array<char, 48> cache_life;
  Uuid uuid;
  std::uint64_t generation;
  std::uint64_t bytes;
  std::uint64_t low_water;
  std::array<char, 400> reason;
};

namespace {

constexpr std::uint64_t kBitsStart = 4096;
constexpr std::uint64_t kEvenBits = 0x5555555555555555;

std::string live_name(const std::string& folder) { return folder + "/live"; }
std::string unfinished_name(const std::string& folder) { return folder + "/live.tmp"; }

std::array<char, 48> cache_life_of(Io& io, const std::string& folder) {
  std::array<char, 48> life{};
  io.cache_life(folder).copy(life.data(), life.size() - 1);
  return life;
}

template <typename T>
std::atomic_ref<T> atomically(T& value) {
  return std::atomic_ref<T>(value);
}

// Blocks [first, last) of one word as a mask of their lower bits.
std::uint64_t mask_of(unsigned first, unsigned last) {
  const std::uint64_t below_last = last == kBlocksPerWord ? ~0ULL : (1ULL << (2 * last)) - 1;
  return below_last & ~((1ULL << (2 * first)) - 1) & kEvenBits;
}

// The file of an older boot is used again, under another name until it is complete: it has its room
// on the disk already, so a store opens even when the disk is full.
std::unique_ptr<IoFile> reuse_or_create(Io& io, const std::string& folder) {
  if (io.open(live_name(folder))) io.rename(live_name(folder), unfinished_name(folder));
  if (auto file = io.open(unfinished_name(folder))) return file;
  return io.create(unfinished_name(folder));
}

}  // namespace

LiveMap::LiveMap(std::unique_ptr<IoFile> file, const Head& head, bool preallocate)
    : file_(std::move(file)), max_blocks_(head.geometry.max_blocks()), preallocate_(preallocate) {
  mapping_ = file_->map_shared(kBitsStart + round_up(max_blocks_, kBlocksPerWord) / 4);
}

LiveMap::Header& LiveMap::header() const {
  static_assert(sizeof(Header) <= kBitsStart);
  return *reinterpret_cast<Header*>(mapping_->data());
}

std::atomic_ref<std::uint64_t> LiveMap::word_ref(std::uint64_t index) const {
  auto* words = reinterpret_cast<std::uint64_t*>(mapping_->data() + kBitsStart);
  return std::atomic_ref<std::uint64_t>(words[index]);
}

std::unique_ptr<LiveMap> LiveMap::attach(Io& io, const std::string& folder, const Head& head,
                                         const StoreRules& rules) {
  if (!rules.trust_live_of_this_boot) return nullptr;
  auto file = io.open(live_name(folder));
  if (!file || file->bytes() < kBitsStart) return nullptr;
  const std::uint64_t covered = (file->bytes() - kBitsStart) * 4;
  std::unique_ptr<LiveMap> map(new LiveMap(std::move(file), head, rules.preallocate));
  const Header& h = map->header();
  const auto life = cache_life_of(io, folder);
  const bool same_life = life[0] != '\0' && h.cache_life == life;
  if (h.magic != kLiveMagic || h.version != kFormatVersion || h.uuid != head.uuid ||
      h.generation != head.generation || (!same_life && rules.distrust_live_of_other_boot))
    return nullptr;
  map->covered_ = std::min(covered, map->max_blocks_);
  return map;
}

std::unique_ptr<LiveMap> LiveMap::make(Io& io, const std::string& folder, const Head& head,
                                       const CheckpointMap& durable, const StoreRules& rules) {
  auto file = reuse_or_create(io, folder);
  file->allocate(kBitsStart);
  std::unique_ptr<LiveMap> map(new LiveMap(std::move(file), head, rules.preallocate));
  std::memset(map->mapping_->data(), 0, kBitsStart);
  map->cover(std::max(durable.page_count() * kBlocksPerMapPage,
                      ceil_div(durable.extent().bytes, head.geometry.block_bytes)));
  // Whatever the older boot left behind that is cleared too.
  map->covered_ = std::min((map->file_->bytes() - kBitsStart) * 4, map->max_blocks_);

  Header& h = map->header();
  h.version = kFormatVersion;
  h.cache_life = cache_life_of(io, folder);
  h.uuid = head.uuid;
  h.generation = head.generation;
  h.bytes = durable.extent().bytes;
  h.low_water = durable.extent().low_water;
  h.magic = kLiveMagic;
  if (!rules.live_named_when_complete) io.rename(unfinished_name(folder), live_name(folder));
  const std::uint64_t words = ceil_div(map->covered_blocks(), kBlocksPerWord);
  for (std::uint64_t i = 0; i < words; ++i) {
    const std::uint64_t value = durable.word(i);
    if (map->word(i) != value) map->word_ref(i).store(value);
  }
  if (rules.live_named_when_complete) io.rename(unfinished_name(folder), live_name(folder));
  return map;
}

void LiveMap::cover(std::uint64_t blocks) {
  const std::uint64_t wanted = std::min(round_up(blocks + 1, kBlocksPerMapPage), max_blocks_);
  const std::uint64_t words = ceil_div(wanted, kBlocksPerWord);
  const std::uint64_t end = kBitsStart + words * sizeof(std::uint64_t);
  if (preallocate_)
    file_->allocate(end);
  else if (file_->bytes() < end)
    file_->truncate(end);
  covered_.store(wanted, std::memory_order_release);
}

BlockState LiveMap::at(std::uint64_t block) const {
  const std::uint64_t bits = word(block / kBlocksPerWord) >> (2 * (block % kBlocksPerWord));
  return static_cast<BlockState>(bits & 3);
}

std::uint64_t LiveMap::word(std::uint64_t index) const {
  return word_ref(index).load(std::memory_order_acquire);
}

BlockRun LiveMap::run_at(std::uint64_t block, std::uint64_t end) const {
  const BlockState state = at(block);
  const std::uint64_t pattern = kEvenBits * static_cast<std::uint64_t>(state);
  std::uint64_t next = block + 1;
  while (next < end) {
    const unsigned in_word = next % kBlocksPerWord;
    const std::uint64_t differs = (word(next / kBlocksPerWord) ^ pattern) >> (2 * in_word);
    if (differs != 0) {
      next += static_cast<unsigned>(std::countr_zero(differs)) / 2;
      break;
    }
    next += kBlocksPerWord - in_word;
  }
  return {block, std::min(next, end) - block, state};
}

// One atomic exclusive-or a word: no reader ever sees a state between the old and the new one.
void LiveMap::set(const BlockRun& run) {
  const std::uint64_t end = run.first + run.count;
  for (std::uint64_t block = run.first; block < end;) {
    const std::uint64_t index = block / kBlocksPerWord;
    const std::uint64_t next = std::min(end, (index + 1) * kBlocksPerWord);
    const std::uint64_t mask =
        mask_of(block % kBlocksPerWord, static_cast<unsigned>(next - index * kBlocksPerWord));
    const std::uint64_t wanted = mask * static_cast<std::uint64_t>(run.state);
    word_ref(index).fetch_xor((word(index) ^ wanted) & (mask * 3), std::memory_order_acq_rel);
    block = next;
  }
}

std::uint64_t LiveMap::bytes() const {
  return atomically(header().bytes).load(std::memory_order_acquire);
}
std::uint64_t LiveMap::low_water() const {
  return atomically(header().low_water).load(std::memory_order_acquire);
}
void LiveMap::set_bytes(std::uint64_t bytes) {
  atomically(header().bytes).store(bytes, std::memory_order_release);
}
void LiveMap::set_low_water(std::uint64_t bytes) {
  atomically(header().low_water).store(bytes, std::memory_order_release);
}
void LiveMap::raise_bytes(std::uint64_t wanted) {
  auto size = atomically(header().bytes);
  std::uint64_t now = size.load(std::memory_order_acquire);
  while (now < wanted && !size.compare_exchange_weak(now, wanted, std::memory_order_acq_rel)) {
  }
}

bool LiveMap::is_poisoned() const {
  return atomically(header().poisoned).load(std::memory_order_acquire) != 0;
}
std::string LiveMap::poison() const {
  if (!is_poisoned()) return {};
  const auto& reason = header().reason;
  return std::string(reason.data(), ::strnlen(reason.data(), reason.size()));
}
void LiveMap::set_poison(const std::string& reason) {
  Header& h = header();
  if (is_poisoned()) return;  // the first reason is the one that counts
  h.reason[reason.copy(h.reason.data(), h.reason.size() - 1)] = '\0';
  atomically(h.poisoned).store(1, std::memory_order_release);
}

}  // namespace v2vfs::fs
