// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_wire.h"

#include <cerrno>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::inspect {
namespace {

constexpr int kLargestErrno = 4095;  // as the kernel has it (MAX_ERRNO)

}  // namespace

void WireWriter::put(std::string_view text) {
  if (text.size() > kMostReplyBytes) {
    throw Error(EOVERFLOW, "a text of {} bytes is more than is passed on", text.size());
  }
  put(static_cast<std::uint32_t>(text.size()));
  bytes_.append(text);
}

void WireWriter::put_count(std::size_t count) {
  if (count > kMostElements) {
    throw Error(EOVERFLOW, "{} entries are more than are listed ({})", count, kMostElements);
  }
  put(static_cast<std::uint32_t>(count));
}

void WireReader::expect_end() const {
  if (at_ != payload_.size()) fail("bytes too many");
}

void WireReader::get(bool& value) {
  const auto byte = get<std::uint8_t>();
  if (byte > 1) fail("a truth that is neither");
  value = byte == 1;
}

void WireReader::get(std::string& text) { text = take(get<std::uint32_t>()); }

std::uint32_t WireReader::get_count() {
  const auto count = get<std::uint32_t>();
  if (count > kMostElements || count > payload_.size() - at_) fail("a list that is not there");
  return count;
}

std::string_view WireReader::take(std::size_t bytes) {
  if (bytes > payload_.size() - at_) fail("an end too early");
  at_ += bytes;
  return payload_.substr(at_ - bytes, bytes);
}

void WireReader::fail(const char* what) const {
  throw Error(EIO, "the guest's reader talks nonsense: {} at byte {} of {}", what, at_,
              payload_.size());
}

void clean(GuestFailure& failure) {
  if (failure.error_number <= 0 || failure.error_number > kLargestErrno) failure.error_number = EIO;
  failure.sentence = clean_text(failure.sentence, kMostSentenceBytes);
}

}  // namespace v2vfs::inspect
