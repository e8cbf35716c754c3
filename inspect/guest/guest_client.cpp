// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_client.h"

#include <cerrno>

#include "inspect/base/text.h"
#include "inspect/guest/guest_wire.h"

namespace v2vfs::inspect {
namespace {

constexpr std::size_t kPieceBytes = 4 << 20;

bool is_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\0') == std::string::npos;
}

bool is_path(const std::string& path) {
  return path.starts_with('/') && path.find('\0') == std::string::npos;
}

/// The content of one frame, taken from the front of `rest`.
std::string_view next_piece(std::string_view& rest) {
  const std::string_view piece = rest.substr(0, kPieceBytes);
  rest.remove_prefix(piece.size());
  return piece;
}

}  // namespace

GuestClient::GuestClient(UniqueFd socket, GuestSettings settings, Limits limits, GuestPeer& peer)
    : channel_(std::move(socket)), settings_(std::move(settings)), limits_(limits), peer_(peer) {}

template <typename Result, typename... Arguments>
Result GuestClient::ask(GuestCall call, Result (Guest::*)(Arguments...),
                        const std::type_identity_t<std::decay_t<Arguments>>&... arguments) {
  if (over_) throw *over_;
  if (!started_) start();
  WireWriter out;
  out.put(call);
  (out.put(arguments), ...);
  const std::string reply = exchange(out.take());
  try {
    WireReader in(reply);
    if constexpr (std::is_void_v<Result>) {
      in.expect_end();
    } else {
      Result result = in.get<Result>();
      in.expect_end();
      return result;
    }
  } catch (const Error& e) {
    end(e);
  }
}

void GuestClient::start() {
  WireWriter out;
  out.put(GuestCall::start);
  out.put(settings_);
  if (!exchange(out.take()).empty()) nonsense("an answer to the settings");
  started_ = true;
}

std::string GuestClient::exchange(const std::string& request) {
  if (request.size() > kMostFrameBytes) {
    throw Error(EFBIG, "{} bytes at once are more than the guest's reader takes", request.size());
  }
  const auto last_moment = WireClock::now() + limits_.one_call;
  switch (channel_.send(FrameKind::request, request, WireClock::now() + silence_)) {
    case GuestChannel::Sent::all:
      return receive_reply(last_moment);
    case GuestChannel::Sent::too_late:
      too_late();
    case GuestChannel::Sent::gone:
      break;
  }
  gone();
}

std::string GuestClient::receive_reply(WireClock::time_point last_moment) {
  std::string reply;
  for (;;) {
    Frame frame = next_frame(last_moment);
    if (reply.size() + frame.payload.size() > kMostReplyBytes) nonsense("an answer without end");
    switch (frame.kind) {
      case FrameKind::progress:
        note_progress(frame);
        break;
      case FrameKind::part:
        if (frame.payload.empty()) nonsense("an empty part of an answer");
        reply += frame.payload;
        break;
      case FrameKind::result:
        return reply.empty() ? std::move(frame.payload) : reply + frame.payload;
      case FrameKind::error:
        pass_on(frame);
      case FrameKind::request:
        nonsense("a question");
    }
  }
}

Frame GuestClient::next_frame(WireClock::time_point last_moment) {
  Frame frame;
  GuestChannel::Received got{};
  try {
    got = channel_.receive(frame, std::min(WireClock::now() + silence_, last_moment));
  } catch (const Error& e) {
    end(e);
  }
  if (got == GuestChannel::Received::too_late) too_late();
  if (got == GuestChannel::Received::gone) gone();
  return frame;
}

void GuestClient::note_progress(const Frame& frame) {
  GuestProgress what{};
  try {
    WireReader in(frame.payload);
    what = in.get<GuestProgress>();
    in.expect_end();
  } catch (const Error& e) {
    end(e);
  }
  if (on_progress) on_progress(what);
}

void GuestClient::pass_on(const Frame& error) {
  GuestFailure failure;
  try {
    WireReader in(error.payload);
    failure = in.get<GuestFailure>();
    in.expect_end();
  } catch (const Error& e) {
    end(e);
  }
  clean(failure);
  const Error said(failure.error_number, failure.sentence);
  if (failure.fatal) end(said);
  throw said;
}

void GuestClient::end(const Error& why) {
  over_ = peer_.bury(why);
  throw *over_;
}

void GuestClient::nonsense(const std::string& what) {
  end(Error(EIO, "the guest's reader talks nonsense: " + what));
}

void GuestClient::too_late() {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(silence_).count();
  if (silence_ != limits_.silence) {
    end(Error(ETIMEDOUT, "a program of the guest did not end within {} s and was ended", seconds));
  }
  end(Error(ETIMEDOUT,
            "the appliance that reads the guest did not move for {} s and was ended "
            "(-o appliance-timeout=SECONDS sets how long it may)",
            seconds));
}

void GuestClient::gone() {
  over_ = peer_.obituary();
  throw *over_;
}

Storage GuestClient::storage() { return ask(GuestCall::storage, &Guest::storage); }

void GuestClient::unlock(const std::string& device, std::string_view key,
                         const std::string& mapping) {
  ask(GuestCall::unlock, &Guest::unlock, device, key, mapping);
}

std::vector<BtrfsSubvolume> GuestClient::btrfs_subvolumes(const std::string& device) {
  return ask(GuestCall::btrfs_subvolumes, &Guest::btrfs_subvolumes, device);
}

std::string GuestClient::read_device(const std::string& device, std::uint64_t offset,
                                     std::size_t length) {
  std::string bytes = ask(GuestCall::read_device, &Guest::read_device, device, offset, length);
  if (bytes.size() > length) nonsense("more bytes than were asked for");
  return bytes;
}

void GuestClient::mount(const GuestMount& mount) { ask(GuestCall::mount, &Guest::mount, mount); }

void GuestClient::unmount_all() { ask(GuestCall::unmount_all, &Guest::unmount_all); }

FilesystemSpace GuestClient::space(const std::string& mountpoint) {
  return ask(GuestCall::space, &Guest::space, mountpoint);
}

FileStat GuestClient::stat(const std::string& path) {
  return ask(GuestCall::stat, &Guest::stat, path);
}

std::vector<FileEntry> GuestClient::list(const std::string& path) {
  std::vector<FileEntry> entries = ask(GuestCall::list, &Guest::list, path);
  for (const FileEntry& entry : entries) {
    if (!is_file_name(entry.name)) nonsense("an entry that is no file's name");
  }
  return entries;
}

std::string GuestClient::readlink(const std::string& path) {
  return ask(GuestCall::readlink, &Guest::readlink, path);
}

std::string GuestClient::read(const std::string& path, std::uint64_t offset, std::size_t length) {
  std::string bytes = ask(GuestCall::read, &Guest::read, path, offset, length);
  if (bytes.size() > length) nonsense("more bytes than were asked for");
  return bytes;
}

std::vector<Xattr> GuestClient::xattrs(const std::string& path) {
  return ask(GuestCall::xattrs, &Guest::xattrs, path);
}

std::optional<std::string> GuestClient::resolve(const std::string& path) {
  std::optional<std::string> real = ask(GuestCall::resolve, &Guest::resolve, path);
  if (real && !is_path(*real)) nonsense("a path that is none");
  return real;
}

std::optional<std::string> GuestClient::resolve_case(const std::string& path) {
  std::optional<std::string> real = ask(GuestCall::resolve_case, &Guest::resolve_case, path);
  if (real && !is_path(*real)) nonsense("a path that is none");
  return real;
}

std::vector<PackageEntry> GuestClient::rpm_packages(const std::string& root_device) {
  return ask(GuestCall::rpm_packages, &Guest::rpm_packages, root_device);
}

std::optional<RegistryValue> GuestClient::registry_value(const std::string& hive,
                                                         const std::string& key,
                                                         const std::string& value) {
  return ask(GuestCall::registry_value, &Guest::registry_value, hive, key, value);
}

std::vector<std::string> GuestClient::registry_keys(const std::string& hive,
                                                    const std::string& key) {
  return ask(GuestCall::registry_keys, &Guest::registry_keys, hive, key);
}

void GuestClient::write_file(const std::string& path, std::string_view content) {
  std::string_view rest = content;
  ask(GuestCall::write_file, &Guest::write_file, path, next_piece(rest));
  while (!rest.empty()) ask(GuestCall::append, &Guest::append, path, next_piece(rest));
}

void GuestClient::append(const std::string& path, std::string_view content) {
  std::string_view rest = content;
  do ask(GuestCall::append, &Guest::append, path, next_piece(rest));
  while (!rest.empty());
}

void GuestClient::truncate(const std::string& path, std::uint64_t bytes) {
  ask(GuestCall::truncate, &Guest::truncate, path, bytes);
}

void GuestClient::rename(const std::string& from, const std::string& to) {
  ask(GuestCall::rename, &Guest::rename, from, to);
}

void GuestClient::remove(const std::string& path) { ask(GuestCall::remove, &Guest::remove, path); }

void GuestClient::make_directory(const std::string& path, std::uint32_t permissions) {
  ask(GuestCall::make_directory, &Guest::make_directory, path, permissions);
}

void GuestClient::make_symlink(const std::string& target, const std::string& path) {
  ask(GuestCall::make_symlink, &Guest::make_symlink, target, path);
}

void GuestClient::set_permissions(const std::string& path, std::uint32_t permissions) {
  ask(GuestCall::set_permissions, &Guest::set_permissions, path, permissions);
}

void GuestClient::set_owner(const std::string& path, std::uint32_t uid, std::uint32_t gid) {
  ask(GuestCall::set_owner, &Guest::set_owner, path, uid, gid);
}

void GuestClient::set_xattr(const std::string& path, const Xattr& xattr) {
  ask(GuestCall::set_xattr, &Guest::set_xattr, path, xattr);
}

void GuestClient::remove_xattr(const std::string& path, const std::string& name) {
  ask(GuestCall::remove_xattr, &Guest::remove_xattr, path, name);
}

/// What it prints comes at its end: nothing tells a long run from one that hangs.
std::string GuestClient::run_program(const std::vector<std::string>& words) {
  struct Restore {
    GuestClient& client;
    ~Restore() { client.silence_ = client.limits_.silence; }
  } const restore{*this};
  silence_ = limits_.one_call;
  return ask(GuestCall::run_program, &Guest::run_program, words);
}

void GuestClient::sync() { ask(GuestCall::sync, &Guest::sync); }

void GuestClient::start_anew() { ask(GuestCall::start_anew, &Guest::start_anew); }

void GuestClient::finish() {
  ask(GuestCall::finish, &Guest::finish);
  over_ = Error(EIO, "the guest's reader was finished");
}

}  // namespace v2vfs::inspect
