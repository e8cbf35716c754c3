// SPDX-License-Identifier: MIT
#include "inspect/guest/cpio_reader.h"

#include <algorithm>
#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/guest/limits.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kHeaderBytes = 110;
constexpr std::size_t kModeField = 1;
constexpr std::size_t kSizeField = 6;
constexpr std::size_t kNameSizeField = 11;

/// Field `number` of the header: eight hexadecimal digits behind the six of the magic.
std::uint32_t field(std::string_view header, std::size_t number) {
  std::uint32_t value = 0;
  for (const char c : header.substr(6 + number * 8, 8)) {
    std::uint32_t digit = 0;
    if (c >= '0' && c <= '9') {
      digit = static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      digit = static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      digit = static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      throw Error(EIO, "a cpio header in it has a field that is no number");
    }
    value = value << 4 | digit;
  }
  return value;
}

std::string plain_name(std::string_view name) {
  name = name.substr(0, name.find('\0'));
  while (name.starts_with("./") || name.starts_with('/'))
    name.remove_prefix(name[0] == '/' ? 1 : 2);
  return std::string(name);
}

std::uint64_t to_four(std::uint64_t position) { return (4 - position % 4) % 4; }

}  // namespace

std::size_t CpioReader::gather(std::string_view bytes, std::size_t wanted) {
  const std::size_t take = std::min(bytes.size(), wanted - buffer_.size());
  buffer_ += bytes.substr(0, take);
  return take;
}

void CpioReader::take_header() {
  if (!buffer_.starts_with("070701") && !buffer_.starts_with("070702")) {
    throw Error(EIO, "it holds something else where a cpio header of the newc format has to be");
  }
  entry_.mode = field(buffer_, kModeField);
  entry_.bytes = field(buffer_, kSizeField);
  name_bytes_ = field(buffer_, kNameSizeField);
  if (name_bytes_ == 0 || name_bytes_ > kInitrdNameBytes) {
    throw Error(EIO, "a cpio entry in it has a name of {} bytes", name_bytes_);
  }
  buffer_.clear();
  state_ = State::name;
}

/// True: that was the trailer.
bool CpioReader::take_name() {
  entry_.name = plain_name(buffer_);
  buffer_.clear();
  state_ = State::padding_behind_name;
  left_ = to_four(kHeaderBytes + name_bytes_);
  const bool trailer = entry_.name == "TRAILER!!!";
  if (trailer) {
    saw_trailer_ = true;
    entry_.bytes = 0;
    keeping_ = false;
  } else {
    keeping_ = on_entry && on_entry(entry_);
  }
  return trailer;
}

/// One state's worth of bytes; how many it took.
std::size_t CpioReader::step(std::string_view bytes) {
  switch (state_) {
    case State::header: {
      if (buffer_.empty() && bytes[0] == '\0') {
        const std::size_t zeros = std::min(bytes.find_first_not_of('\0'), bytes.size());
        return zeros;
      }
      const std::size_t taken = gather(bytes, kHeaderBytes);
      if (buffer_.size() == kHeaderBytes) take_header();
      return taken;
    }
    case State::name: {
      const std::size_t taken = gather(bytes, name_bytes_);
      if (buffer_.size() == name_bytes_) archive_ended_ = take_name();
      return taken;
    }
    case State::padding_behind_name:
    case State::padding_behind_data: {
      const std::size_t taken = std::min<std::uint64_t>(left_, bytes.size());
      left_ -= taken;
      return taken;
    }
    case State::data: {
      const std::size_t taken = std::min<std::uint64_t>(left_, bytes.size());
      if (keeping_ && on_data) on_data(bytes.substr(0, taken));
      left_ -= taken;
      return taken;
    }
  }
  return 0;
}

std::size_t CpioReader::feed(std::string_view bytes, bool stop_at_trailer) {
  std::size_t taken = 0;
  while (true) {
    // States that have nothing left are passed without a byte.
    if (state_ == State::padding_behind_name && left_ == 0) {
      state_ = State::data;
      left_ = entry_.bytes;
    }
    if (state_ == State::data && left_ == 0) {
      state_ = State::padding_behind_data;
      left_ = to_four(entry_.bytes);
    }
    if (state_ == State::padding_behind_data && left_ == 0) {
      state_ = State::header;
      const bool ended = archive_ended_;
      archive_ended_ = false;
      if (ended && stop_at_trailer) return taken;
    }
    if (taken == bytes.size()) return taken;
    taken += step(bytes.substr(taken));
  }
}

}  // namespace v2vfs::inspect
