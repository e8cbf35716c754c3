// SPDX-License-Identifier: MIT
// Serves one file by FUSE and does nothing else: what a copy through a plain server costs.
//
//   bare-fuse FILE MOUNTPOINT      MOUNTPOINT, an existing file, becomes FILE, read-only, with
//   direct I/O, until SIGTERM

#define FUSE_USE_VERSION 312
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <vector>

namespace {

int descriptor_of(fuse_req_t request) { return *static_cast<int*>(fuse_req_userdata(request)); }

void show(fuse_req_t request, fuse_ino_t ino, fuse_file_info* /*file*/) {
  struct stat attributes = {};
  if (fstat(descriptor_of(request), &attributes) != 0) {
    fuse_reply_err(request, errno);
    return;
  }
  attributes.st_ino = ino;
  fuse_reply_attr(request, &attributes, 0);
}

void open_direct(fuse_req_t request, fuse_ino_t /*ino*/, fuse_file_info* file) {
  file->direct_io = 1;
  fuse_reply_open(request, file);
}

void read_some(fuse_req_t request, fuse_ino_t /*ino*/, size_t size, off_t offset,
               fuse_file_info* /*file*/) {
  thread_local std::vector<char> buffer;
  if (buffer.size() < size) buffer.resize(size);
  const ssize_t got = pread(descriptor_of(request), buffer.data(), size, offset);
  if (got < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_buf(request, buffer.data(), static_cast<size_t>(got));
  }
}

void seek(fuse_req_t request, fuse_ino_t /*ino*/, off_t offset, int whence,
          fuse_file_info* /*file*/) {
  const off_t found = lseek(descriptor_of(request), offset, whence);
  if (found < 0) {
    fuse_reply_err(request, errno);
  } else {
    fuse_reply_lseek(request, found);
  }
}

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops operations = {};
  operations.getattr = show;
  operations.open = open_direct;
  operations.read = read_some;
  operations.lseek = seek;
  return operations;
}

int serve(const char* mountpoint, int descriptor) {
  std::array<char*, 1> words = {const_cast<char*>("bare-fuse")};
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(std::size(words)), words.data());
  const fuse_lowlevel_ops table = operations();
  fuse_session* session = fuse_session_new(&arguments, &table, sizeof table, &descriptor);
  fuse_opt_free_args(&arguments);
  if (session == nullptr) return 1;
  if (fuse_session_mount(session, mountpoint) != 0 || fuse_set_signal_handlers(session) != 0) {
    fuse_session_destroy(session);
    return 1;
  }
  fuse_loop_config* loop = fuse_loop_cfg_create();
  fuse_loop_cfg_set_clone_fd(loop, 1);  // as v2vfs does
  const int ended = fuse_session_loop_mt(session, loop);
  fuse_loop_cfg_destroy(loop);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return ended == 0 || ended == SIGTERM ? 0 : 1;
}

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fputs("bare-fuse FILE MOUNTPOINT\n", stderr);
    return 2;
  }
  const int descriptor = open(words[1], O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    std::perror(words[1]);
    return 2;
  }
  return serve(words[2], descriptor);
}
