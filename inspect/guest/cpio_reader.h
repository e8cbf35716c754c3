// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace v2vfs::inspect {

struct CpioEntry {
  std::string name;
  std::uint32_t mode = 0;
  std::uint64_t bytes = 0;
};

/// A stream of "newc" cpio archives (Documentation/driver-api/early-userspace/buffer-format.rst),
/// fed in pieces of any size. Holds one header and one name. Zero bytes between archives are
/// padding.
class CpioReader {
 public:
  /// `on_entry` returns true to get the entry's bytes by `on_data`.
  std::function<bool(const CpioEntry&)> on_entry;
  std::function<void(std::string_view)> on_data;

  /// Takes bytes and returns how many: all, unless `stop_at_trailer` and an archive ended. Throws
  /// Error(EIO) for what the kernel would not unpack.
  std::size_t feed(std::string_view bytes, bool stop_at_trailer = false);

  /// Between archives or entries: the stream may end here.
  bool at_rest() const { return state_ == State::header && buffer_.empty(); }
  bool saw_trailer() const { return saw_trailer_; }

 private:
  enum class State { header, name, padding_behind_name, data, padding_behind_data };

  std::size_t gather(std::string_view bytes, std::size_t wanted);
  void take_header();
  bool take_name();
  std::size_t step(std::string_view bytes);

  State state_ = State::header;
  std::string buffer_;  // of the header or the name
  CpioEntry entry_;
  std::size_t name_bytes_ = 0;
  std::uint64_t left_ = 0;  // of data or padding
  bool keeping_ = false;
  bool saw_trailer_ = false;
  bool archive_ended_ = false;
};

}  // namespace v2vfs::inspect
