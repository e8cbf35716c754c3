// SPDX-License-Identifier: MIT
#include "convert/disk/nbd_connection.h"

#include <libnbd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "inspect/base/error.h"
#include "inspect/base/text.h"

namespace v2vfs::convert {
namespace {

int milliseconds_until(Deadline deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

/// The server's answer to a question for stretches, as libnbd brings it.
struct Answer {
  std::uint64_t offset = 0;
  std::vector<Stretch> stretches;
};

/// `entries` are pairs (bytes, flags) from `offset` on.
int take_extents(void* data, const char* context, std::uint64_t offset, std::uint32_t* entries,
                 std::size_t count, int*) {
  if (std::strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0) return 0;
  auto& answer = *static_cast<Answer*>(data);
  if (offset != answer.offset) return 0;
  for (std::size_t i = 0; i + 1 < count; i += 2) {
    offset += entries[i];
    answer.stretches.push_back({offset, (entries[i + 1] & LIBNBD_STATE_ZERO) != 0});
  }
  return 0;
}

}  // namespace

void NbdConnection::Close::operator()(nbd_handle* handle) const { nbd_close(handle); }

NbdConnection::NbdConnection(UniqueFd socket, Deadline deadline) : handle_(nbd_create()) {
  nbd_handle* const handle = handle_.get();
  if (!handle) throw Error(ENOMEM, "an NBD connection cannot be made");
  nbd_set_pread_initialize(handle, false);
  if (nbd_add_meta_context(handle, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 ||
      nbd_aio_connect_socket(handle, socket.release()) != 0) {
    fail(EIO);
  }
  while (nbd_aio_is_connecting(handle)) poll(deadline);
  if (!nbd_aio_is_ready(handle)) fail(EIO);
  const std::int64_t bytes = nbd_get_size(handle);
  if (bytes < 0) fail(EIO);
  bytes_ = static_cast<std::uint64_t>(bytes);
}

/// libnbd's sentence is about what was asked last in this thread.
void NbdConnection::fail(int otherwise) {
  const char* const sentence = nbd_get_error();
  const int error = nbd_get_errno();
  nbd_handle* const handle = handle_.get();
  if (nbd_aio_is_dead(handle) || nbd_aio_is_closed(handle)) usable_ = false;
  throw Error(error == ETIMEDOUT ? ETIMEDOUT : otherwise, "{}",
              sentence ? clean_text(sentence) : "the NBD connection failed");
}

void NbdConnection::poll(Deadline deadline) {
  const int left = milliseconds_until(deadline);
  const int events = left > 0 ? nbd_poll(handle_.get(), left) : 0;
  if (events > 0) return;
  if (events < 0) fail(EIO);
  if (milliseconds_until(deadline) > 0) return;
  usable_ = false;
  throw Error(ETIMEDOUT, "it does not answer");
}

void NbdConnection::wait(std::int64_t cookie, Deadline deadline) {
  if (cookie < 0) fail(EIO);
  nbd_handle* const handle = handle_.get();
  int done = 0;
  while ((done = nbd_aio_command_completed(handle, static_cast<std::uint64_t>(cookie))) == 0) {
    poll(deadline);
  }
  if (done < 0) fail(EIO);
}

void NbdConnection::read(std::uint64_t offset, std::span<std::byte> out, Deadline deadline) {
  const nbd_completion_callback no_callback = NBD_NULL_COMPLETION;
  const std::int64_t cookie =
      nbd_aio_pread(handle_.get(), out.data(), out.size(), offset, no_callback, 0);
  wait(cookie, deadline);
}

std::vector<Stretch> NbdConnection::stretches(std::uint64_t offset, std::uint64_t length,
                                              Deadline deadline) {
  Answer answer{offset, {}};
  const nbd_extent_callback callback = {take_extents, &answer, nullptr};
  const nbd_completion_callback no_callback = NBD_NULL_COMPLETION;
  const std::int64_t cookie =
      nbd_aio_block_status(handle_.get(), length, offset, callback, no_callback, 0);
  try {
    wait(cookie, deadline);
  } catch (const Error&) {
    // The callback knows this frame: nothing may call it any more.
    if (!usable_) handle_.reset();
    throw;
  }
  if (answer.stretches.empty()) throw Error(EIO, "the NBD server does not say what is a hole");
  return std::move(answer.stretches);
}

}  // namespace v2vfs::convert
