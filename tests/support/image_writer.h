// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>

namespace v2vfs::test {

/// Small images of the formats that qemu reads for us, as bytes, written by the formats' own
/// documents and by nothing of convert/disk. Each holds `content` (as long as the disk), block by
/// block, blocks of zeros left out; the blocks lie in the file in reverse order.

std::string make_vhd(const std::string& content);
std::string make_vhd_fixed(const std::string& content);
std::string make_vhdx(const std::string& content);
std::string make_vdi(const std::string& content);
/// `backing` and `format` may be empty.
std::string make_qcow2(const std::string& content, const std::string& backing = "",
                       const std::string& format = "");
std::string make_qed(const std::string& content, const std::string& backing = "");
std::string make_parallels(const std::string& content);

/// Puts `number` at `at` of `bytes`, as the formats have it.
void put_big(std::string& bytes, std::size_t at, std::uint64_t number, std::size_t size);
void put_little(std::string& bytes, std::size_t at, std::uint64_t number, std::size_t size);
/// Makes the checksum right again after a change: of the footer and header of a VHD, and of one
/// 4 KiB header or 64 KiB region table of a VHDX that begins at `at`.
void seal_vhd(std::string& bytes, std::size_t at, std::size_t size, std::size_t checksum_at);
void seal_vhdx(std::string& bytes, std::size_t at, std::size_t size);

}  // namespace v2vfs::test
