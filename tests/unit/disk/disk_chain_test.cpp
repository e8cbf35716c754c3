// SPDX-License-Identifier: MIT
#include "convert/disk/disk_chain.h"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/support/chain_content.h"
#include "tests/support/output_file.h"
#include "tests/unit/disk/test_disk.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;

constexpr std::uint64_t kOdd = kMiB + kMiB / 4 + 37 * 512;

const std::vector<std::string> kKinds = {"streamOptimized",    "monolithicSparse",
                                         "monolithicFlat",     "twoGbMaxExtentSparse",
                                         "twoGbMaxExtentFlat", "vmfs",
                                         "vmfsSparse",         "seSparse"};

/// A chain in a folder of its own: disk.vmdk, disk-000001.vmdk, ...
class ChainDisk : public TestDisk {
 public:
  ChainDisk(std::uint64_t bytes, const std::vector<std::string>& words, VmdkOptions options = {})
      : contents_(chain_contents(bytes, 11, words.size())) {
    std::vector<Link> links;
    for (const std::string& word : words) links.push_back(chain_link(word));
    write_chain(contents_, links, options, path());
    top_ = std::filesystem::path(path("disk.vmdk")).filename();
    if (words.size() > 1) top_ = fmt::format("disk-{:06}.vmdk", words.size() - 1);
  }
  const std::string& top() const { return top_; }
  std::unique_ptr<DiskView> view(const ViewOptions& options = {}) const {
    return open(options, {}, top_);
  }
  const Content& content() const { return *contents_.back(); }
  const Content& content(std::size_t level) const { return *contents_[level]; }
  int refused() const { return refusal(top_); }

  /// Writes a descriptor anew with `from` replaced by `to`.
  void edit(const std::string& name, const std::string& from, const std::string& to) const {
    std::stringstream text;
    text << std::ifstream(path(name)).rdbuf();
    std::string changed = text.str();
    const std::size_t at = changed.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    add_text(name, changed.replace(at, from.size(), to));
  }
  std::string why() const {
    try {
      view();
    } catch (const Error& error) {
      return error.sentence();
    }
    return "";
  }

 private:
  std::vector<std::unique_ptr<Content>> contents_;
  std::string top_;
};

void expect_good(const ChainDisk& disk) {
  for (const ViewOptions& options : {ViewOptions{}, plain(), verified()}) {
    const auto view = disk.view(options);
    EXPECT_EQ(Qcow2Reader(*view).check(), "");
    EXPECT_EQ(differences(*view, disk.content()), "");
  }
}

// SEMANTICS: "is read with its parents"
TEST(DiskChain, every_kind_over_every_kind) {
  for (const std::string& child : kKinds) {
    for (const std::string& parent : kKinds) {
      SCOPED_TRACE(child + " over " + parent);
      expect_good(ChainDisk(kOdd, {parent, child}, {.extent_bytes = kMiB / 2}));
    }
  }
}

TEST(DiskChain, of_one_to_five) {
  for (const std::uint64_t bytes :
       {std::uint64_t{0}, std::uint64_t{512}, 64 * 1024 - 512ul, kOdd}) {
    std::vector<std::string> chain;
    for (const char* kind :
         {"vmfs", "vmfsSparse", "seSparse", "monolithicSparse", "vmfsSparse/16"}) {
      chain.push_back(kind);
      SCOPED_TRACE(fmt::format("{} links, {} bytes", chain.size(), bytes));
      expect_good(ChainDisk(bytes, chain, {.zero_grains = true, .shuffle = true}));
    }
  }
}

TEST(DiskChain, written_zeros_hide_the_parent) {
  expect_good(ChainDisk(kOdd, {"monolithicFlat", "monolithicSparse"}, {.zero_grains = true}));
  expect_good(ChainDisk(kOdd, {"streamOptimized", "streamOptimized"}, {.zero_grains = true}));
}

TEST(DiskChain, grains_of_one_size_are_served_in_place) {
  const auto in_place = [](const std::vector<std::string>& chain) {
    const ChainDisk disk(kOdd, chain);
    expect_good(disk);
    return !is_plain(*disk.view());
  };
  EXPECT_TRUE(in_place({"streamOptimized", "monolithicSparse", "monolithicSparse"}));
  EXPECT_TRUE(in_place({"monolithicFlat", "monolithicSparse", "twoGbMaxExtentSparse"}));
  EXPECT_TRUE(in_place({"monolithicSparse/16", "vmfs", "monolithicSparse/16"}));
  EXPECT_FALSE(in_place({"monolithicSparse", "monolithicSparse/16"}));
  EXPECT_FALSE(in_place({"vmfs", "vmfsSparse"}));
  EXPECT_FALSE(in_place({"vmfs", "seSparse"}));
}

TEST(DiskChain, is_laid_as_it_was_recorded) {
  const ChainDisk disk(kOdd, {"streamOptimized", "monolithicSparse", "monolithicSparse"});
  const std::string record = disk.view()->layout_record();
  const auto again = disk.open(plain(), record, disk.top());
  EXPECT_EQ(again->layout_record(), record);
  EXPECT_EQ(differences(*again, disk.content()), "");
}

TEST(DiskChain, each_image_is_a_disk_of_its_own) {
  const ChainDisk disk(kOdd, {"vmfs", "vmfsSparse", "seSparse"});
  EXPECT_EQ(differences(*disk.open({}, {}, "disk.vmdk"), disk.content(0)), "");
  EXPECT_EQ(differences(*disk.open({}, {}, "disk-000001.vmdk"), disk.content(1)), "");
}

TEST(DiskChain, holes_and_sizes_are_those_of_all_layers) {
  for (const auto& chain : {std::vector<std::string>{"vmfs", "vmfsSparse", "seSparse"},
                            std::vector<std::string>{"streamOptimized", "monolithicSparse"}}) {
    const ChainDisk disk(kOdd, chain, {.zero_grains = true});
    const auto view = disk.view(plain());
    std::uint64_t data = 0;
    std::vector<std::byte> bytes(kMiB);
    for (std::uint64_t at = 0; at < view->file_bytes();) {
      const Stretch stretch = view->stretch_at(at);
      ASSERT_GT(stretch.end, at);
      if (!stretch.is_hole) data += stretch.end - at;
      for (; at < stretch.end && stretch.is_hole; at += std::min(kMiB, stretch.end - at)) {
        const auto part = std::span(bytes).first(std::min(kMiB, stretch.end - at));
        view->read(at, part);
        ASSERT_TRUE(std::ranges::all_of(part, [](std::byte b) { return b == std::byte{0}; })) << at;
      }
      at = stretch.end;
    }
    EXPECT_EQ(view->allocated_bytes(), data);
  }
}

TEST(DiskChain, identity_and_files_are_those_of_all_layers) {
  const ChainDisk disk(kOdd, {"vmfs", "vmfsSparse"});
  const std::string before = disk.view()->source_identity();
  EXPECT_EQ(disk.view()->source_files().size(), 4u);
  EXPECT_EQ(disk.view(plain())->source_identity(), before);
  OutputFile file(disk.path("disk-flat.vmdk"), OutputFile::Open::change);
  const std::byte byte{0x55};
  file.write(440, {&byte, 1});  // its partition table's disk id
  EXPECT_NE(disk.view()->source_identity(), before);
}

// Parents.

// SEMANTICS: "and beside the delta."
TEST(DiskChain, a_parent_that_moved_is_found_beside_its_child) {
  for (const char* hint : {"/vmfs/volumes/5f0/web/disk.vmdk", "C:\\\\VMs\\\\web\\\\disk.vmdk",
                           "[store] web/disk.vmdk", "../elsewhere/disk.vmdk", "./disk.vmdk"}) {
    SCOPED_TRACE(hint);
    const ChainDisk disk(kMiB, {"vmfs", "vmfsSparse"});
    disk.edit("disk-000001.vmdk", "\"disk.vmdk\"", "\"" + std::string(hint) + "\"");
    EXPECT_EQ(differences(*disk.view(), disk.content()), "");
  }
}

// SEMANTICS: "in a folder of that name beside the delta's folder"
TEST(DiskChain, a_parent_in_a_neighbouring_folder) {
  for (const char* hint : {"../base/disk.vmdk", "/vmfs/volumes/5f0/base/disk.vmdk"}) {
    const ChainDisk disk(kMiB, {"vmfs", "vmfsSparse"});
    std::filesystem::create_directory(disk.path("base"));
    std::filesystem::create_directory(disk.path("clone"));
    for (const char* name : {"disk.vmdk", "disk-flat.vmdk"}) {
      std::filesystem::rename(disk.path(name), disk.path("base/" + std::string(name)));
    }
    disk.edit("disk-000001.vmdk", "\"disk.vmdk\"", "\"" + std::string(hint) + "\"");
    // A linked clone whose disk has its parent's name.
    std::filesystem::rename(disk.path("disk-000001.vmdk"), disk.path("clone/disk.vmdk"));
    std::filesystem::rename(disk.path("disk-000001-delta.vmdk"),
                            disk.path("clone/disk-000001-delta.vmdk"));
    EXPECT_EQ(differences(*disk.open({}, {}, "clone/disk.vmdk"), disk.content()), "");
  }
}

TEST(DiskChain, a_parent_that_is_not_there_is_named) {
  const ChainDisk disk(kMiB, {"vmfs", "vmfsSparse"});
  disk.edit("disk-000001.vmdk", "\"disk.vmdk\"", "\"/vmfs/gone.vmdk\"");
  EXPECT_EQ(disk.refused(), ENOENT);
  EXPECT_NE(disk.why().find("/vmfs/gone.vmdk"), std::string::npos) << disk.why();
  disk.edit("disk-000001.vmdk", "parentFileNameHint=\"/vmfs/gone.vmdk\"\n", "");
  EXPECT_EQ(disk.refused(), EIO);
  EXPECT_NE(disk.why().find("does not name it"), std::string::npos) << disk.why();
}

// SEMANTICS: "a parent that was written to since, or was resized, is refused"
TEST(DiskChain, a_parent_that_was_written_to_is_none) {
  const ChainDisk disk(kMiB, {"vmfs", "vmfsSparse"});
  disk.edit("disk.vmdk", "CID=7e57d15c", "CID=7e57d15d");
  EXPECT_EQ(disk.refused(), EIO);
  EXPECT_NE(disk.why().find("7e57d15d"), std::string::npos) << disk.why();
  // The true one is beside it, and the one that is named is another.
  std::filesystem::create_directory(disk.path("web"));
  std::filesystem::copy(disk.path("disk.vmdk"), disk.path("web/disk.vmdk"));
  std::filesystem::copy(disk.path("disk-flat.vmdk"), disk.path("web/disk-flat.vmdk"));
  disk.edit("disk.vmdk", "CID=7e57d15d", "CID=7e57d15c");
  disk.edit("disk-000001.vmdk", "\"disk.vmdk\"", "\"web/disk.vmdk\"");
  EXPECT_EQ(differences(*disk.view(), disk.content()), "");
}

// SEMANTICS: "and its size the delta's, as for VMware"
TEST(DiskChain, all_links_are_of_one_size) {
  const ChainDisk disk(kMiB, {"vmfs", "vmfsSparse"});
  disk.edit("disk.vmdk", "RW 2048", "RW 2040");
  EXPECT_EQ(disk.refused(), EIO);
  EXPECT_NE(disk.why().find("2040"), std::string::npos) << disk.why();
}

// SEMANTICS: "So are a missing parent, a loop, and an open journal of seSparse"
TEST(DiskChain, a_loop_is_no_disk) {
  const ChainDisk disk(kMiB, {"vmfsSparse", "vmfsSparse"});
  disk.edit("disk.vmdk", "parentCID=ffffffff",
            "parentCID=7e57d15d\nparentFileNameHint=\"disk-000001.vmdk\"");
  EXPECT_EQ(disk.refused(), EIO);
  EXPECT_NE(disk.why().find("built upon it"), std::string::npos) << disk.why();
  disk.edit("disk.vmdk", "disk-000001.vmdk", "disk.vmdk");
  EXPECT_EQ(disk.refused(), EIO);
}

// SEMANTICS: "with its parents, up to 128 of them"
TEST(DiskChain, is_not_endless) {
  const ChainDisk longest(512, std::vector<std::string>(kMostLayers, "vmfsSparse"));
  EXPECT_EQ(differences(*longest.view(), longest.content()), "");
  const ChainDisk longer(512, std::vector<std::string>(kMostLayers + 1, "vmfsSparse"));
  EXPECT_EQ(longer.refused(), EIO);
}

TEST(DiskChain, a_parent_is_a_vmdk) {
  const ChainDisk disk(kMiB, {"vmfs", "vmfsSparse"});
  disk.edit("disk-000001.vmdk", "\"disk.vmdk\"", "\"disk-flat.vmdk\"");
  EXPECT_EQ(disk.refused(), EIO);
}

// Parents that the description names (OVF's parentRef).

std::unique_ptr<DiskView> described(const ChainDisk& disk, const std::string& top,
                                    const std::vector<std::string>& parents,
                                    ViewOptions options = {}) {
  options.reserve_bytes = kMiB;
  inspect::DiskSpec spec;
  spec.file = top;
  spec.parents = parents;
  return open_disk(TestFolder(std::filesystem::path(disk.path()).parent_path()), spec, options,
                   std::nullopt);
}

std::string why_not(const ChainDisk& disk, const std::string& top,
                    const std::vector<std::string>& parents) {
  try {
    described(disk, top, parents);
  } catch (const Error& error) {
    return error.sentence();
  }
  return "";
}

/// Makes an image one that does not know of its parent, in its length.
void forget_parent(const ChainDisk& disk, const std::string& name, const std::string& parent,
                   const std::string& cid) {
  const std::string hint = "parentFileNameHint=\"" + parent + "\"";
  disk.edit(name, hint, std::string(hint.size(), '#'));
  disk.edit(name, "parentCID=" + cid, "parentCID=ffffffff");
}

TEST(DescribedParents, serve_children_that_know_of_none) {
  for (const std::string kind : {"streamOptimized", "monolithicSparse", "vmfsSparse"}) {
    const ChainDisk disk(kOdd, {kind, kind, kind}, {.zero_grains = true});
    forget_parent(disk, "disk-000001.vmdk", "disk.vmdk", "7e57d15c");
    forget_parent(disk, "disk-000002.vmdk", "disk-000001.vmdk", "7e57d15d");
    std::filesystem::rename(disk.path("disk.vmdk"), disk.path("base"));
    for (const ViewOptions& options : {ViewOptions{}, plain(), verified()}) {
      const auto top = described(disk, "disk-000002.vmdk", {"disk-000001.vmdk", "base"}, options);
      EXPECT_EQ(Qcow2Reader(*top).check(), "") << kind;
      EXPECT_EQ(differences(*top, disk.content(2)), "") << kind;
      EXPECT_EQ(
          differences(*described(disk, "disk-000001.vmdk", {"base"}, options), disk.content(1)), "")
          << kind;
    }
  }
}

TEST(DescribedParents, go_before_what_the_child_says) {
  const ChainDisk disk(kMiB, {"monolithicSparse", "monolithicSparse"});
  std::filesystem::rename(disk.path("disk.vmdk"), disk.path("export-disk1.vmdk"));
  EXPECT_EQ(disk.refused(), ENOENT);
  EXPECT_EQ(differences(*described(disk, disk.top(), {"export-disk1.vmdk"}), disk.content()), "");
}

TEST(DescribedParents, are_followed_by_those_that_the_last_one_names) {
  const ChainDisk disk(kMiB, {"monolithicSparse", "monolithicSparse", "monolithicSparse"});
  EXPECT_EQ(differences(*described(disk, disk.top(), {"disk-000001.vmdk"}), disk.content()), "");
}

// SEMANTICS: "Ids are compared where the delta has one, sizes always."
TEST(DescribedParents, are_the_true_ones_or_none) {
  const ChainDisk disk(kMiB, {"monolithicSparse", "monolithicSparse", "monolithicSparse"});
  EXPECT_NE(why_not(disk, disk.top(), {"disk.vmdk"}).find("7e57d15c"), std::string::npos);
  EXPECT_NE(why_not(disk, disk.top(), {disk.top()}).find("built upon it"), std::string::npos);
  EXPECT_NE(why_not(disk, disk.top(), {"gone.vmdk"}).find("gone.vmdk"), std::string::npos);
}

TEST(DescribedParents, are_of_vmdks_only) {
  const ChainDisk disk(kMiB, {"monolithicFlat", "monolithicSparse"});
  EXPECT_NE(why_not(disk, "disk-flat.vmdk", {"disk.vmdk"}).find("a VMDK"), std::string::npos);
}

// Damage.

TEST(DiskChain, damage_in_a_child_never_shows_the_parent) {
  for (const char* child : {"vmfsSparse", "seSparse", "monolithicSparse"}) {
    for (const Damage damage : {Damage::entry_past_end, Damage::table_past_end}) {
      SCOPED_TRACE(child);
      ChainDisk disk(kMiB, {"vmfs", child});
      VmdkOptions options{.cid = 0x7e57d15d, .parent_cid = 0x7e57d15c, .damage = damage};
      const Link link = chain_link(child);
      options.type = link.type;
      options.grain_sectors = link.grain_sectors;
      options.parent_hint = "disk.vmdk";
      write_vmdk(disk.content(), options, disk.path(disk.top()));
      for (const ViewOptions& view : {ViewOptions{}, plain()}) {
        const std::string found = differences(*disk.view(view), disk.content());
        EXPECT_NE(found, "");
        EXPECT_EQ(found.find('!'), std::string::npos) << found;
      }
    }
  }
}

TEST(DiskChain, damage_in_a_parent_counts_where_nothing_hides_it) {
  // The child is flat: it has everything.
  const ChainDisk disk(kMiB, {"monolithicSparse", "monolithicFlat"},
                       {.damage = Damage::table_past_end});
  expect_good(disk);
}

TEST(DiskChain, two_tables_in_one_place_are_refused) {
  for (const char* child : {"vmfsSparse", "seSparse"}) {
    const ChainDisk disk(40 * kMiB, {child}, {.damage = Damage::same_table});
    EXPECT_EQ(disk.refused(), EIO) << child;
  }
}

// SEMANTICS: "and an open journal of seSparse"
TEST(DiskChain, an_open_journal_is_refused) {
  const ChainDisk disk(kMiB, {"vmfs", "seSparse"}, {.damage = Damage::open_journal});
  EXPECT_EQ(disk.refused(), EOPNOTSUPP);
  EXPECT_NE(disk.why().find("consolidate"), std::string::npos) << disk.why();
}

TEST(DiskChain, an_extent_alone_is_no_disk) {
  const ChainDisk disk(kMiB, {"vmfsSparse", "seSparse"});
  EXPECT_EQ(disk.refusal("disk-delta.vmdk"), EOPNOTSUPP);
  EXPECT_EQ(disk.refusal("disk-000001-sesparse.vmdk"), EOPNOTSUPP);
}

}  // namespace
}  // namespace v2vfs::convert
