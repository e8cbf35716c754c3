// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>

#include <cerrno>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/human.h"
#include "mount-helpers/ctl/progress.h"
#include "mount-helpers/ctl/terminal.h"

namespace v2vfs::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Human, bytes_have_three_digits_at_most) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1024), "1.0 KiB");
  EXPECT_EQ(bytes_text((10 << 20) - 1), "10 MiB");
  EXPECT_EQ(bytes_text((1ULL << 30) - 1), "1.0 GiB");
  EXPECT_EQ(bytes_text(3ULL << 40), "3.0 TiB");
  EXPECT_EQ(bytes_text(~0ULL), "16 EiB");
}

TEST(Human, durations) {
  EXPECT_EQ(duration_text(seconds(0)), "0 s");
  EXPECT_EQ(duration_text(seconds(59)), "59 s");
  EXPECT_EQ(duration_text(seconds(65)), "1:05 min");
  EXPECT_EQ(duration_text(seconds(3723)), "1:02:03 h");
}

TEST(Terminal, columns_are_code_points_without_escape_sequences) {
  EXPECT_EQ(text_columns("web"), 3u);
  EXPECT_EQ(text_columns("Größe"), 5u);
  EXPECT_EQ(text_columns("\x1b[31mred\x1b[0m"), 3u);
  EXPECT_EQ(text_columns("cut short \x1b[31"), 10u);
}

// SEMANTICS: "Colours are for terminals"
TEST(Terminal, a_pipe_has_no_colours) {
  const Terminal pipe(false, false, 80), colours(true, true, 80);
  EXPECT_EQ(pipe.paint(Colour::red, "x"), "x");
  EXPECT_EQ(colours.paint(Colour::red, "x"), "\x1b[31mx\x1b[0m");
}

TEST(Terminal, tables_are_aligned) {
  EXPECT_EQ(table_text({{"VM", "SIZE", "WHO"}, {"a", "10", "me"}, {"Größe", "5", "you"}}, {1}),
            "VM     SIZE  WHO\n"
            "a        10  me\n"
            "Größe     5  you\n");
}

TEST(Terminal, long_lines_are_broken_at_blanks) {
  EXPECT_EQ(wrapped_text("one two three", 8, "  "), "one two\n  three");
  EXPECT_EQ(wrapped_text("muchtoolong x", 4, "  "), "muchtoolong\n  x");
  EXPECT_EQ(wrapped_text("  kept in front", 80, ""), "  kept in front");
}

TEST(Progress, a_line_fits_its_columns) {
  const Progress half{"web/disk.qcow2", 100 << 20, 200 << 20, 0, milliseconds(1000)};
  const std::string line = progress_line(half, 100);
  EXPECT_EQ(
      line,
      "web/disk.qcow2  [=================>                ]   50 %  100 MiB of 200 MiB  100 MiB/s  "
      "1 s left");
  EXPECT_LE(progress_line(half, 79).size(), 79u);
  // No room for a bar: what is known is not cut.
  EXPECT_EQ(progress_line(half, 0),
            "web/disk.qcow2   50 %  100 MiB of 200 MiB  100 MiB/s  1 s left");
}

TEST(Progress, what_was_there_is_no_rate_of_ours) {
  const Progress resumed{"d", 100 << 20, 200 << 20, 90 << 20, milliseconds(1000)};
  EXPECT_NE(progress_line(resumed, 0).find("  10 MiB/s  10 s left"), std::string::npos)
      << progress_line(resumed, 0);
}

TEST(Progress, more_than_was_expected_is_all) {
  EXPECT_EQ(progress_line({"d", 30, 20, 0, milliseconds(0)}, 0), "d  100 %  30 B of 30 B");
  EXPECT_EQ(progress_line({"d", 0, 0, 0, milliseconds(0)}, 0), "d  100 %  0 B of 0 B");
}

// SEMANTICS: "Exit codes: 0 done, 1 usage, 2 no such mount"
TEST(ExitCode, follows_from_the_errno) {
  EXPECT_EQ(exit_code_of(Error(EINVAL, "x")), exit_usage);
  EXPECT_EQ(exit_code_of(Error(ENOENT, "x")), exit_not_there);
  EXPECT_EQ(exit_code_of(Error(ENOTCONN, "x")), exit_not_there);
  EXPECT_EQ(exit_code_of(Error(EIO, "x")), exit_failed);
  EXPECT_EQ(exit_code_of(Error(ENOSPC, "x")), exit_failed);
  EXPECT_EQ(exit_code_of(Error(EBUSY, "x")), exit_busy);
  EXPECT_EQ(exit_code_of(Error(EOPNOTSUPP, "x")), exit_unsupported);
  EXPECT_EQ(exit_code_of(Error(EINTR, "x")), exit_interrupted);
  EXPECT_EQ(exit_code_of(std::runtime_error("x")), exit_internal);
}

}  // namespace
}  // namespace v2vfs::ctl
