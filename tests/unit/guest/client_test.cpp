// SPDX-License-Identifier: MIT
#include "inspect/guest/guest_client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>

#include "inspect/guest/guest_server.h"
#include "tests/support/folder_guest.h"
#include "tests/support/scratch.h"

namespace v2vfs::inspect {
namespace {

using namespace std::chrono_literals;

/// Stands for the process: remembers what it was told.
class StubPeer : public GuestPeer {
 public:
  Error bury(const Error& why) override {
    ended = why.error_number();
    return {why.error_number(), why.sentence() + "; its last words"};
  }
  Error obituary() override { return {EIO, "it died"}; }
  int ended = 0;
};

std::pair<UniqueFd, UniqueFd> socket_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::unique_ptr<Error> error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return std::make_unique<Error>(e);
  }
  return std::make_unique<Error>(0, "no error");
}

/// A client whose server runs in a thread, over a folder.
class Served {
 public:
  using Wrap = std::function<std::unique_ptr<Guest>(std::string folder, const GuestAlive&)>;

  explicit Served(Wrap wrap = plain, GuestClient::Limits limits = {}) {
    auto [ours, theirs] = socket_pair();
    server_ = std::thread([this, wrap, end = std::move(theirs)]() mutable {
      try {
        serve_guest(std::move(end), [&](const GuestSettings& settings, const GuestAlive& alive) {
          started = settings;
          return wrap(scratch.path(), alive);
        });
      } catch (const Error&) {
      }
    });
    GuestSettings settings;
    settings.disks = {{"/a,b:c.qcow2", true}};
    settings.memory_mib = 2560;
    client = std::make_unique<GuestClient>(std::move(ours), settings, limits, peer);
  }
  ~Served() {
    client.reset();
    server_.join();
  }

  static std::unique_ptr<Guest> plain(std::string folder, const GuestAlive&) {
    return std::make_unique<test::FolderGuest>(std::move(folder));
  }

  test::Scratch scratch;
  StubPeer peer;
  GuestSettings started;
  std::unique_ptr<GuestClient> client;

 private:
  std::thread server_;
};

TEST(GuestClient, passes_every_kind_of_call_through) {
  Served served;
  std::ofstream(served.scratch.file("hostname")) << "web\n";
  GuestClient& guest = *served.client;
  EXPECT_EQ(guest.storage().devices.size(), 2U);
  EXPECT_EQ(served.started.disks.at(0).path, "/a,b:c.qcow2");
  EXPECT_TRUE(served.started.disks.at(0).writable);
  EXPECT_EQ(served.started.memory_mib, 2560U);
  guest.mount({"/dev/sda1", "/", "", true});
  EXPECT_EQ(guest.read("/hostname", 1, 2), "eb");
  EXPECT_EQ(guest.list("/").at(0).name, "hostname");
  EXPECT_EQ(guest.resolve("/nothing"), std::nullopt);
  guest.make_directory("/etc", 0750);
  EXPECT_EQ(guest.stat("/etc").permissions, 0750U);
  guest.rename("/hostname", "/etc/hostname");
  EXPECT_EQ(guest.stat("/etc/hostname").bytes, 4U);
  guest.truncate("/etc/hostname", 2);
  EXPECT_EQ(guest.read("/etc/hostname", 0, 9), "we");
  EXPECT_EQ(guest.space("/").files, 65'536U);
  EXPECT_EQ(guest.registry_value("/hive", "a", "b"), std::nullopt);
}

TEST(GuestClient, writes_more_than_a_frame_holds) {
  Served served;
  served.client->mount({"/dev/sda1", "/", "", true});
  const std::string large(kMostFrameBytes + 12'345, 'x');
  served.client->write_file("/large", large);
  EXPECT_EQ(read_whole(*served.client, "/large", 1 << 30), large);
}

TEST(GuestClient, lists_more_than_a_frame_holds) {
  class Many : public test::FolderGuest {
   public:
    using FolderGuest::FolderGuest;
    std::vector<FileEntry> list(const std::string&) override {
      FileEntry entry;
      entry.name = std::string(200, 'n');
      return std::vector<FileEntry>(100'000, entry);
    }
  };
  Served served(
      [](const std::string& folder, const GuestAlive&) { return std::make_unique<Many>(folder); });
  EXPECT_EQ(served.client->list("/").size(), 100'000U);
}

TEST(GuestClient, passes_errors_on_and_stays_usable) {
  Served served;
  EXPECT_EQ(error_of([&] { served.client->stat("/x"); })->error_number(), ENOENT);
  EXPECT_EQ(error_of([&] { served.client->unlock("/dev/sda1", "k", "m"); })->error_number(),
            EINVAL);
  EXPECT_TRUE(served.client->usable());
  EXPECT_EQ(served.peer.ended, 0);
  EXPECT_EQ(served.client->storage().devices.size(), 2U);
}

TEST(GuestClient, keeps_the_error_of_an_appliance_that_did_not_start) {
  Served served([](const std::string&, const GuestAlive&) -> std::unique_ptr<Guest> {
    throw GuestGone(ENOMEM, "no memory for qemu");
  });
  const auto first = error_of([&] { served.client->storage(); });
  EXPECT_EQ(first->error_number(), ENOMEM);
  EXPECT_EQ(first->sentence(), "no memory for qemu; its last words");
  EXPECT_EQ(error_of([&] { served.client->sync(); })->sentence(), first->sentence());
  EXPECT_FALSE(served.client->usable());
}

TEST(GuestClient, goes_on_with_a_reader_that_was_started_anew) {
  Served served;
  served.client->start_anew();
  EXPECT_TRUE(served.client->usable());
  EXPECT_EQ(served.client->storage().devices.size(), 2U);
}

TEST(GuestClient, ends_with_finish) {
  Served served;
  served.client->finish();
  EXPECT_FALSE(served.client->usable());
  EXPECT_EQ(error_of([&] { served.client->storage(); })->error_number(), EIO);
}

/// A guest that needs a while for its storage, and shows that it moves or does not.
class Slow : public test::FolderGuest {
 public:
  Slow(std::string folder, GuestAlive alive, bool moves)
      : FolderGuest(std::move(folder)), alive_(std::move(alive)), moves_(moves) {}
  Storage storage() override {
    for (int i = 0; i < 14; ++i) {
      std::this_thread::sleep_for(100ms);
      if (moves_) alive_(GuestProgress::alive);
    }
    return {};
  }

 private:
  GuestAlive alive_;
  bool moves_;
};

TEST(GuestClient, waits_for_what_moves) {
  Served served(
      [](std::string folder, const GuestAlive& alive) {
        return std::make_unique<Slow>(std::move(folder), alive, true);
      },
      {1200ms, 60s});
  int signs = 0;
  served.client->on_progress = [&](GuestProgress) { ++signs; };
  EXPECT_NO_THROW(served.client->storage());
  EXPECT_GE(signs, 1);
}

// SEMANTICS: "One that shows no progress for `appliance-timeout` seconds"
TEST(GuestClient, ends_what_does_not_move) {
  Served served(
      [](std::string folder, const GuestAlive& alive) {
        return std::make_unique<Slow>(std::move(folder), alive, false);
      },
      {200ms, 60s});
  const auto begin = WireClock::now();
  EXPECT_EQ(error_of([&] { served.client->storage(); })->error_number(), ETIMEDOUT);
  EXPECT_LT(WireClock::now() - begin, 1s);
  EXPECT_EQ(served.peer.ended, ETIMEDOUT);
  EXPECT_EQ(error_of([&] { served.client->stat("/"); })->error_number(), ETIMEDOUT);
}

TEST(GuestClient, bears_a_program_that_says_nothing) {
  const auto slow = [](std::string folder, const GuestAlive&) {
    auto guest = std::make_unique<test::FolderGuest>(std::move(folder));
    guest->says.program = [](const std::vector<std::string>& words) {
      std::this_thread::sleep_for(300ms);
      return words.at(1);
    };
    return guest;
  };
  Served served(slow, {.silence = 100ms, .one_call = 60s});
  EXPECT_EQ(served.client->run_program({"echo", "late"}), "late");
  EXPECT_EQ(served.peer.ended, 0);
  Served hurried(slow, {.silence = 50ms, .one_call = 100ms});
  const auto error = error_of([&] { hurried.client->run_program({"echo", "late"}); });
  EXPECT_EQ(error->error_number(), ETIMEDOUT);
  EXPECT_NE(error->sentence().find("a program of the guest"), std::string::npos);
}

TEST(GuestClient, ends_what_moves_for_ever) {
  Served served(
      [](std::string folder, const GuestAlive& alive) {
        return std::make_unique<Slow>(std::move(folder), alive, true);
      },
      {60s, 300ms});
  EXPECT_EQ(error_of([&] { served.client->storage(); })->error_number(), ETIMEDOUT);
}

TEST(GuestClient, says_how_the_peer_died) {
  auto [ours, theirs] = socket_pair();
  StubPeer peer;
  GuestClient client(std::move(ours), {}, {}, peer);
  theirs.reset();
  const auto error = error_of([&] { client.storage(); });
  EXPECT_EQ(error->error_number(), EIO);
  EXPECT_EQ(error->sentence(), "it died");
}

/// What a hostile peer answers to the first request, whatever that is.
int error_for_answer(const std::string& answer) {
  auto [ours, theirs] = socket_pair();
  StubPeer peer;
  GuestClient client(std::move(ours), {}, {300ms, 600ms}, peer);
  if (::send(theirs.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return -1;
  const int error = error_of([&] { client.storage(); })->error_number();
  EXPECT_FALSE(client.usable());
  EXPECT_EQ(peer.ended, error);
  return error;
}

std::string frame(std::uint32_t length, char kind, const std::string& payload) {
  return std::string(reinterpret_cast<const char*>(&length), 4) + kind + payload;
}

TEST(GuestClient, lives_with_a_peer_that_talks_nonsense) {
  EXPECT_EQ(error_for_answer("GET / HTTP/1.1\r\n\r\n"), EIO);
  EXPECT_EQ(error_for_answer(frame(UINT32_MAX, 3, "")), EIO);
  EXPECT_EQ(error_for_answer(frame(0, 17, "")), EIO);
  EXPECT_EQ(error_for_answer(frame(0, 0, "")), EIO);      // a request
  EXPECT_EQ(error_for_answer(frame(0, 2, "")), EIO);      // an empty part
  EXPECT_EQ(error_for_answer(frame(1, 1, "\x09")), EIO);  // no such progress
  EXPECT_EQ(error_for_answer(frame(3, 4, "abc")), EIO);   // an error that is none
  EXPECT_EQ(error_for_answer(frame(1, 3, "x")), EIO);     // an answer to the settings
  EXPECT_EQ(error_for_answer(frame(0, 3, "") + frame(1, 3, "x")), EIO);  // no storage
  EXPECT_EQ(error_for_answer(frame(8 << 20, 3, "abc")), ETIMEDOUT);      // the rest never comes
}

TEST(GuestClient, takes_no_name_that_is_a_path) {
  class Hostile : public test::FolderGuest {
   public:
    using FolderGuest::FolderGuest;
    std::vector<FileEntry> list(const std::string&) override { return {{"../../etc", {}, ""}}; }
  };
  Served served([](const std::string& folder, const GuestAlive&) {
    return std::make_unique<Hostile>(folder);
  });
  EXPECT_EQ(error_of([&] { served.client->list("/"); })->error_number(), EIO);
  EXPECT_EQ(served.peer.ended, EIO);
}

TEST(GuestServer, lives_with_a_client_that_talks_nonsense) {
  for (const std::string& request : {frame(1, 0, "\x05"), frame(1, 0, "\x7f"), frame(0, 0, ""),
                                     frame(2, 0, std::string(2, '\0'))}) {
    auto [ours, theirs] = socket_pair();
    ASSERT_GT(::send(ours.get(), request.data(), request.size(), 0), 0);
    ::shutdown(ours.get(), SHUT_WR);
    serve_guest(std::move(theirs),
                [](const GuestSettings&, const GuestAlive&) { return std::unique_ptr<Guest>(); });
    char answer[5] = {};
    ASSERT_EQ(::recv(ours.get(), answer, 5, 0), 5);
    EXPECT_EQ(answer[4], 4);  // an error
  }
}

}  // namespace
}  // namespace v2vfs::inspect
