// SPDX-License-Identifier: MIT
#include "convert/disk/image_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "convert/disk/image_chain.h"
#include "convert/disk/image_tables.h"
#include "inspect/base/error.h"
#include "tests/support/image_writer.h"
#include "tests/support/memory_files.h"

namespace v2vfs::convert {
namespace {

using namespace v2vfs::test;
using testing::HasSubstr;

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kOdd = 5 * kMiB + 37 * 512;

/// Blocks 0, 2 and the last, partial one have content.
std::string content() {
  std::string bytes(kOdd, '\0');
  bytes.replace(0, 512, std::string(512, 'a'));
  bytes.replace(2 * kMiB + 1000, 100, std::string(100, 'b'));
  bytes.replace(kOdd - 512, 512, std::string(512, 'c'));
  return bytes;
}

inspect::SourceFile file_of(const std::string& bytes) {
  MemoryFiles files;
  files.add("x", bytes);
  return files.open("x");
}

std::string golden_of(const std::string& bytes) {
  const inspect::SourceFile file = file_of(bytes);
  const auto format = tell_image(file);
  if (!format) return "none";
  const ImageHeader header = read_image_header(file, *format);
  Digest digest;
  const ImageTables tables = scan_image(file, header, digest);
  return fmt::format(
      "{} {} blocks {} table {}x{}+{} unit {} data {} prefix {} backing {}:{} | stored {} damaged "
      "{}",
      format_name(*format), header.virtual_bytes, header.block_bytes, header.table_offset,
      header.table_entries, header.second_table_bytes, header.entry_unit, header.data_offset,
      header.block_prefix, header.backing ? header.backing->name : "-",
      header.backing ? header.backing->format : "-", tables.stored_bytes, tables.damaged.size());
}

// SEMANTICS: "VHD, VHDX, VDI, qcow2 (versions 2 and 3), QED and Parallels"
TEST(ImageHeader, says_what_each_format_has) {
  const std::string c = content();
  EXPECT_EQ(golden_of(make_vhd(c)),
            "VHD 5261824 blocks 2097152 table 2048x3+0 unit 512 data 0 prefix 512 backing -:- | "
            "stored 5261824 damaged 0");
  EXPECT_EQ(golden_of(make_vhd_fixed(c)),
            "VHD 5261824 blocks 0 table 0x0+0 unit 1 data 0 prefix 0 backing -:- | stored 0 "
            "damaged 0");
  EXPECT_EQ(golden_of(make_vhdx(c)),
            "VHDX 5261824 blocks 1048576 table 3145728x6+0 unit 1 data 0 prefix 0 backing -:- | "
            "stored 2116096 damaged 0");
  EXPECT_EQ(golden_of(make_vdi(c)),
            "VDI 5261824 blocks 1048576 table 512x6+0 unit 1048576 data 1024 prefix 0 backing "
            "-:- | stored 2116096 damaged 0");
  EXPECT_EQ(golden_of(make_qcow2(c, "base.img", "raw")),
            "qcow2 5261824 blocks 65536 table 196608x1+65536 unit 1 data 0 prefix 0 backing "
            "base.img:raw | stored 150016 damaged 0");
  EXPECT_EQ(golden_of(make_qed(c, "base.img")),
            "QED 5261824 blocks 65536 table 65536x32768+262144 unit 1 data 0 prefix 0 backing "
            "base.img: | stored 150016 damaged 0");
  EXPECT_EQ(golden_of(make_parallels(c)),
            "Parallels 5261824 blocks 1048576 table 64x6+0 unit 1048576 data 0 prefix 0 backing "
            "-:- | stored 2116096 damaged 0");
  EXPECT_EQ(golden_of(c), "none");
}

/// A fixed VHD is told by bytes that its guest can write.
// SEMANTICS: "(a fixed VHD by its footer)"
TEST(ImageHeader, a_footer_with_a_wrong_checksum_is_none) {
  std::string bytes = make_vhd_fixed(content());
  bytes[bytes.size() - 512 + 70] ^= 1;
  EXPECT_EQ(golden_of(bytes), "none");
}

// SEMANTICS: "A VHD is as large as its maker showed it"
TEST(ImageHeader, the_size_of_a_vhd_is_what_its_maker_showed) {
  std::string bytes = make_vhd_fixed(content());
  const std::size_t footer = bytes.size() - 512;
  const auto size_by = [&](const char* creator) {
    bytes.replace(footer + 28, 4, creator);
    seal_vhd(bytes, footer, 512, 64);
    return read_image_header(file_of(bytes), ImageFormat::vhd_fixed).virtual_bytes;
  };
  const std::uint64_t by_geometry = kOdd / 512 / 16 / 63 * 16 * 63 * 512;
  EXPECT_EQ(size_by("win "), kOdd);
  EXPECT_EQ(size_by("vbox"), kOdd);
  EXPECT_EQ(size_by("vpc "), by_geometry);
  put_big(bytes, footer + 56, 65535, 2);  // the largest geometry
  put_big(bytes, footer + 58, 16 << 8 | 255, 2);
  EXPECT_EQ(size_by("vpc "), kOdd);
}

/// What is changed, and what is said of it then.
struct Bad {
  const char* what;
  std::function<std::string()> make;
  int error_number;
  const char* sentence;
};

std::string changed(std::string bytes, const std::function<void(std::string&)>& change) {
  change(bytes);
  return bytes;
}

class BadImage : public testing::TestWithParam<Bad> {};

// SEMANTICS: "Differencing disks of VHD, VHDX and VDI, a VHDX whose log is to be replayed"
// SEMANTICS: "data in another file, encryption, and unknown features are not served"
TEST_P(BadImage, is_refused_with_a_sentence) {
  const inspect::SourceFile file = file_of(GetParam().make());
  const auto format = tell_image(file);
  ASSERT_TRUE(format);
  try {
    Digest digest;
    scan_image(file, read_image_header(file, *format), digest);
    ADD_FAILURE() << "it was taken";
  } catch (const Error& error) {
    EXPECT_EQ(error.error_number(), GetParam().error_number) << error.sentence();
    EXPECT_THAT(error.sentence(), HasSubstr(GetParam().sentence));
  }
}

const std::vector<Bad> kBad = {
    {"vhd_difference",
     [] { return changed(make_vhd(content()), [](auto& b) { put_big(b, 60, 4, 4); }); }, EOPNOTSUPP,
     "only the differences"},
    {"vhd_type", [] { return changed(make_vhd(content()), [](auto& b) { put_big(b, 60, 9, 4); }); },
     EIO, "type 9"},
    {"vhd_header_away",
     [] { return changed(make_vhd(content()), [](auto& b) { put_big(b, 16, ~0ull, 8); }); }, EIO,
     "ends inside its header"},
    {"vhd_no_cxsparse", [] { return changed(make_vhd(content()), [](auto& b) { b[512] = 'x'; }); },
     EIO, "should be here"},
    {"vhd_short_table",
     [] { return changed(make_vhd(content()), [](auto& b) { put_big(b, 540, 1, 4); }); }, EIO,
     "table of 1 entries"},
    {"vhd_table_outside",
     [] { return changed(make_vhd(content()), [](auto& b) { put_big(b, 528, 1ull << 62, 8); }); },
     EIO, "outside the file"},
    {"vhd_block_size",
     [] { return changed(make_vhd(content()), [](auto& b) { put_big(b, 544, 3 * kMiB, 4); }); },
     EIO, "blocks of 3145728"},
    {"vhd_fixed_cut", [] { return make_vhd_fixed(content()).substr(kMiB); }, EIO, "cut off"},
    {"vhdx_both_headers",
     [] {
       return changed(make_vhdx(content()), [](auto& b) { b[65536 + 9] = b[131072 + 9] = 1; });
     },
     EIO, "both headers"},
    {"vhdx_log",
     [] {
       return changed(make_vhdx(content()), [](auto& b) {
         b[131072 + 48] = 1;
         seal_vhdx(b, 131072, 4096);
       });
     },
     EOPNOTSUPP, "log"},
    {"vhdx_regions",
     [] {
       return changed(make_vhdx(content()), [](auto& b) { b[196608 + 20] = b[262144 + 20] = 1; });
     },
     EIO, "region tables"},
    {"vhdx_parent",
     [] {
       return changed(make_vhdx(content()),
                      [](auto& b) { put_little(b, 2 * kMiB + 65536 + 4, 2, 4); });
     },
     EOPNOTSUPP, "differences to a parent"},
    {"vhdx_sectors",
     [] {
       return changed(make_vhdx(content()),
                      [](auto& b) { put_little(b, 2 * kMiB + 65536 + 48, 4096, 4); });
     },
     EOPNOTSUPP, "sectors of 4096"},
    {"vhdx_no_metadata",
     [] { return changed(make_vhdx(content()), [](auto& b) { b[2 * kMiB] = 'x'; }); }, EIO,
     "metadata table"},
    {"vhdx_huge",
     [] {
       return changed(make_vhdx(content()),
                      [](auto& b) { put_little(b, 2 * kMiB + 65536 + 16, 1ull << 50, 8); });
     },
     EIO, "too short for the disk"},
    {"vdi_version",
     [] { return changed(make_vdi(content()), [](auto& b) { put_little(b, 68, 2, 4); }); },
     EOPNOTSUPP, "version"},
    {"vdi_difference",
     [] { return changed(make_vdi(content()), [](auto& b) { put_little(b, 76, 4, 4); }); },
     EOPNOTSUPP, "differences to a parent"},
    {"vdi_parent", [] { return changed(make_vdi(content()), [](auto& b) { b[430] = 1; }); },
     EOPNOTSUPP, "differences to a parent"},
    {"vdi_blocks",
     [] { return changed(make_vdi(content()), [](auto& b) { put_little(b, 384, 2, 4); }); }, EIO,
     "table of 2 entries"},
    {"qcow2_version",
     [] { return changed(make_qcow2(content()), [](auto& b) { put_big(b, 4, 1, 4); }); },
     EOPNOTSUPP, "version 1"},
    {"qcow2_encrypted",
     [] { return changed(make_qcow2(content()), [](auto& b) { put_big(b, 32, 2, 4); }); },
     EOPNOTSUPP, "encrypted"},
    {"qcow2_data_file",
     [] { return changed(make_qcow2(content()), [](auto& b) { put_big(b, 72, 4, 8); }); },
     EOPNOTSUPP, "another file"},
    {"qcow2_feature",
     [] { return changed(make_qcow2(content()), [](auto& b) { put_big(b, 72, 1 << 20, 8); }); },
     EOPNOTSUPP, "features"},
    {"qcow2_l1",
     [] { return changed(make_qcow2(content()), [](auto& b) { put_big(b, 24, 1ull << 40, 8); }); },
     EIO, "L1 table"},
    {"qcow2_odd_size",
     [] { return changed(make_qcow2(content()), [](auto& b) { put_big(b, 24, kOdd + 1, 8); }); },
     EIO, "bytes is not served"},
    {"qcow2_backing_name",
     [] { return changed(make_qcow2(content(), "b"), [](auto& b) { put_big(b, 16, 5000, 4); }); },
     EIO, "name of its backing file"},
    {"qed_feature",
     [] { return changed(make_qed(content()), [](auto& b) { put_little(b, 16, 64, 8); }); },
     EOPNOTSUPP, "features"},
    {"qed_cluster",
     [] { return changed(make_qed(content()), [](auto& b) { put_little(b, 4, 12345, 4); }); }, EIO,
     "size that no QED has"},
    {"parallels_version",
     [] { return changed(make_parallels(content()), [](auto& b) { put_little(b, 16, 3, 4); }); },
     EOPNOTSUPP, "version"},
    {"parallels_tracks",
     [] { return changed(make_parallels(content()), [](auto& b) { put_little(b, 28, 63, 4); }); },
     EOPNOTSUPP, "63 sectors"},
};
INSTANTIATE_TEST_SUITE_P(All, BadImage, testing::ValuesIn(kBad),
                         [](const auto& bad) { return bad.param.what; });

TEST(ImageHeader, a_snapshots_difference_of_parallels_is_told_by_its_name) {
  const auto errno_of = [](const std::string& name) {
    MemoryFiles files;
    files.add(name, make_parallels(content()));
    try {
      read_image_header(files.open(name), ImageFormat::parallels);
    } catch (const Error& e) {
      return e.error_number();
    }
    return 0;
  };
  EXPECT_EQ(errno_of("web.hdd.0.{11111111-2222-3333-4444-555555555555}.hds"), EOPNOTSUPP);
  EXPECT_EQ(errno_of("web.hdd.0.{5fbaabe3-6958-40ff-92a7-860e329aab41}.hds"), 0);
  EXPECT_EQ(errno_of("web.hds"), 0);
}

/// A copy that was cut off opens; what lies behind its end is known, nothing else is lost.
// SEMANTICS: "What the tables place beyond the end of the file is EIO"
TEST(ImageTables, what_lies_beyond_the_files_end_is_damaged) {
  for (const auto& make : {make_vhd, make_vhdx, make_vdi, make_parallels}) {
    const std::string whole = make(content());
    const inspect::SourceFile file = file_of(whole.substr(0, whole.size() - 4096));
    const ImageHeader header = read_image_header(file, *tell_image(file));
    SCOPED_TRACE(format_name(header.format));
    Digest digest;
    const ImageTables tables = scan_image(file, header, digest);
    ASSERT_EQ(tables.damaged.size(), 1u);
    EXPECT_EQ(tables.damaged[0].offset, 0u);  // the first block is the last in the file
    EXPECT_EQ(tables.damaged[0].bytes, header.block_bytes);
  }
}

TEST(ImageTables, the_last_cluster_of_a_qcow2_may_end_early_but_only_if_nothing_is_beyond) {
  const std::string whole = make_qcow2(content());
  const auto damaged = [&](std::size_t bytes) {
    const inspect::SourceFile file = file_of(whole.substr(0, bytes));
    Digest digest;
    return scan_image(file, read_image_header(file, ImageFormat::qcow2), digest).damaged.size();
  };
  EXPECT_EQ(damaged(whole.size() - 512), 0u);
  EXPECT_EQ(damaged(whole.size() - 65536), 1u);
  EXPECT_EQ(damaged(whole.size() - 65536 - 512), 2u);
}

TEST(ImageTables, the_digest_is_of_header_and_tables_not_of_content) {
  const auto digest_of = [](const std::string& bytes) {
    const inspect::SourceFile file = file_of(bytes);
    Digest digest;
    scan_image(file, read_image_header(file, *tell_image(file)), digest);
    return digest.hex();
  };
  for (const auto& make : {make_vhd, make_vhdx, make_vdi, make_parallels}) {
    const std::string image = make(content());
    const std::string other = changed(image, [](auto& b) { b[b.size() - 2000] ^= 1; });
    EXPECT_EQ(digest_of(image), digest_of(other));
    EXPECT_NE(digest_of(image), digest_of(make(std::string(kOdd, '\0'))));
  }
}

/// Four million entries that name one table are not read four million times.
TEST(ImageTables, tables_that_overlap_are_refused) {
  std::string image = make_qcow2(content());
  put_big(image, 24, 64ull << 29, 8);  // 64 L2 tables
  put_big(image, 36, 64, 4);
  for (std::size_t i = 0; i < 64; ++i) put_big(image, 3 * 65536 + i * 8, 4 * 65536, 8);
  const inspect::SourceFile file = file_of(image);
  Digest digest;
  EXPECT_THROW(scan_image(file, read_image_header(file, ImageFormat::qcow2), digest), Error);
}

ImageChain chain_of(const MemoryFiles& files, const std::string& name) {
  Digest digest;
  const inspect::SourceFile file = files.open(name);
  return open_chain(files, name, file, tell_image(file).value(), digest);
}

// SEMANTICS: "where it says none, the file's own header decides"
TEST(ImageChain, is_given_to_qemu_node_by_node) {
  MemoryFiles files;
  files.add("a.qcow2", make_qcow2(content(), "b.qed", "qed"));
  files.add("b.qed", make_qed(content(), "c.img"));
  files.add("c.img", content());
  const ImageChain chain = chain_of(files, "a.qcow2");
  EXPECT_EQ(image_options(chain, 4),
            "driver=qcow2,file.driver=file,file.locking=off,file.filename=/proc/self/fd/4,"
            "backing.driver=qed,backing.file.driver=file,backing.file.locking=off,"
            "backing.file.filename=/proc/self/fd/5,"
            "backing.backing.driver=raw,backing.backing.file.driver=file,"
            "backing.backing.file.locking=off,backing.backing.file.filename=/proc/self/fd/6");
  EXPECT_THAT(chain.assumptions, testing::ElementsAre(HasSubstr("by its content it is raw")));
}

TEST(ImageChain, a_layer_without_a_backing_file_is_said_to_have_none) {
  MemoryFiles files;
  files.add("a", make_qcow2(content()));
  EXPECT_THAT(image_options(chain_of(files, "a"), 4), testing::EndsWith(",backing="));
  files.add("f", make_qcow2(content(), "g", "vpc"));
  files.add("g", make_vhd_fixed(content()));
  EXPECT_THAT(image_options(chain_of(files, "f"), 4),
              HasSubstr("backing.driver=raw,backing.offset=0,backing.size=5261824,"));
}

// SEMANTICS: "one that is said to be raw is raw whatever it holds"
TEST(ImageChain, said_to_be_raw_is_raw_whatever_it_holds) {
  MemoryFiles files;
  files.add("a", make_qcow2(content(), "b", "raw"));
  files.add("b", make_qcow2(content(), "/etc/shadow", "raw"));
  const ImageChain chain = chain_of(files, "a");
  ASSERT_EQ(chain.layers.size(), 2u);
  EXPECT_EQ(chain.layers[1].header.format, ImageFormat::raw);
}

// SEMANTICS: "if that is nowhere, beside the image"
TEST(ImageChain, a_moved_backing_file_is_found_beside_the_image) {
  MemoryFiles files;
  files.add("sub/a", make_qcow2(content(), "/var/lib/images/b", "raw"));
  files.add("sub/b", content());
  EXPECT_THAT(chain_of(files, "sub/a").assumptions,
              testing::ElementsAre(HasSubstr("sub/b is used for it")));
}

// SEMANTICS: "Names that are no file's, a VMDK as a backing file"
TEST(ImageChain, leads_nowhere_else) {
  MemoryFiles files;
  files.add("b", content());
  files.add("v", "KDMV" + std::string(2000, '\0'));
  const auto refusal = [&](const std::string& backing, const std::string& format) {
    files.add("a", make_qcow2(content(), backing, format));
    try {
      chain_of(files, "a");
    } catch (const Error& error) {
      return error.error_number();
    }
    return 0;
  };
  EXPECT_EQ(refusal("b", "raw"), 0);
  EXPECT_EQ(refusal("nbd://host/export", "raw"), EOPNOTSUPP);
  EXPECT_EQ(refusal("json:{\"driver\":\"file\"}", "raw"), EOPNOTSUPP);
  EXPECT_EQ(refusal("missing", "raw"), ENOENT);
  EXPECT_EQ(refusal("b", "qcow2"), EIO);
  EXPECT_EQ(refusal("b", "luks"), EOPNOTSUPP);
  EXPECT_EQ(refusal("v", ""), EOPNOTSUPP);
  EXPECT_EQ(refusal("v", "vmdk"), EOPNOTSUPP);
  EXPECT_EQ(refusal("a", "qcow2"), EIO);  // itself
}

// SEMANTICS: "up to 32 layers"
TEST(ImageChain, has_at_most_32_layers) {
  MemoryFiles files;
  for (int i = 0; i < 33; ++i) {
    files.add("l" + std::to_string(i),
              make_qcow2(std::string(65536, '\0'), "l" + std::to_string(i + 1), "qcow2"));
  }
  EXPECT_THROW(chain_of(files, "l0"), Error);
  files.add("l31", make_qcow2(std::string(65536, '\0')));
  EXPECT_EQ(chain_of(files, "l0").layers.size(), 32u);
}

}  // namespace
}  // namespace v2vfs::convert
