// SPDX-License-Identifier: MIT
#include "tests/unit/fs/admission_model.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <functional>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "fs/admission.h"

namespace v2vfs::fs {
namespace {

constexpr std::size_t kClients = 3;
constexpr pid_t kFirstPid = 100;

enum class Role { nobody, reader, writer, editor, looker };
enum class Step { away, waits_to_open, holds, waits_to_read, reads };

struct Client {
  Role role = Role::nobody;
  Step step = Step::away;
  Admission::HandleId handle = 0;
  Shape shape;  // of the disk when it was opened
  bool wrote = false;
  auto operator<=>(const Client&) const = default;
  bool waits() const { return step == Step::waits_to_open || step == Step::waits_to_read; }
};

/// The read-only appliance.
struct Looker {
  bool runs = false;
  bool told_to_end = false;
  bool base_moved = false;  // since it started
  bool said = false;
  auto operator<=>(const Looker&) const = default;
};

/// How often each thing may still happen; keeps the search finite.
struct Budget {
  int saves = 0, reshapes = 0, failures = 0, words = 0;
  auto operator<=>(const Budget&) const = default;
};

/// Everything at once with two programs; with three, one thing after the other.
struct Scope {
  std::size_t clients;
  Budget budget;
};
constexpr Scope kScopes[] = {{2, {1, 1, 1, 1}}, {3, {1, 0, 0, 0}}, {3, {1, 1, 0, 0}},
                             {3, {1, 0, 1, 0}}, {3, {1, 0, 0, 1}}, {3, {2, 0, 0, 0}}};

/// Admission, and beside it what the test itself knows to be true.
struct World {
  World(Admission of, const Budget& may_happen) : admission(std::move(of)), budget(may_happen) {}
  Admission admission;
  std::array<Client, kClients> clients;
  Looker looker;
  Work work = Work::none;
  int edits_at_start = 0;
  Shape shape;
  bool written_to = false;  // by a VM, since the base was last known
  bool shut_down = true;
  bool conversion_failed = false, edits_failed = false;
  int pending = 0;  // edits that were saved and neither applied nor discarded
  Budget budget;
  const char* violation = nullptr;

  bool has_writer() const {
    for (const Client& client : clients) {
      if (client.role == Role::writer && client.step == Step::holds) return true;
    }
    return false;
  }
  bool has_bound_reader() const {
    for (const Client& client : clients) {
      if (client.role == Role::reader && client.step == Step::reads) return true;
    }
    return false;
  }
  bool left_running() const { return !shut_down && !admission.books().forced; }
  void expect(bool truth, const char* what) {
    if (!truth && !violation) violation = what;
  }
};

/// Worlds that differ only in which program is which are the same. What Admission knows of a handle
/// follows from its program's step, so it is not part of the key.
auto key_of(const World& world) {
  std::array<Client, kClients> clients = world.clients;
  for (Client& client : clients) client.handle = client.handle != 0;
  std::ranges::sort(clients);
  return std::tuple(clients, world.looker, world.work, world.edits_at_start, world.shape,
                    world.written_to, world.shut_down, world.conversion_failed, world.edits_failed,
                    world.pending, world.budget, world.admission.books());
}
using Key = decltype(key_of(std::declval<World>()));

// What programs do.

void obey(World& world, const Ruling& ruling) {
  if (ruling.start != Work::none) {
    world.expect(world.work == Work::none, "two works at a time");
    world.work = ruling.start;
    world.edits_at_start = world.pending;
  }
  if (ruling.start_look) world.looker = {.runs = true};
  if (ruling.end_look) world.looker.told_to_end = true;
}

/// Whoever gets content past a pending edit, or is refused it, must have been kept from it by
/// somebody.
void check_reason(World& world, const Ruling& ruling) {
  const bool kept_out = world.has_writer() || world.has_bound_reader() || world.left_running();
  if (ruling.kind == Ruling::Kind::refuse && ruling.error_number == EBUSY) {
    world.expect(kept_out, "EBUSY without a reason");
  }
  if (ruling.kind == Ruling::Kind::refuse && ruling.error_number == EIO) {
    world.expect(world.conversion_failed || world.edits_failed, "EIO without a reason");
  }
  if (ruling.kind != Ruling::Kind::proceed) return;
  world.expect(world.pending == 0 || kept_out, "content without an edit that could be applied");
  world.expect(world.work == Work::none || world.has_writer(), "content while work runs");
  world.expect(!world.conversion_failed || world.has_writer(), "content of a failed conversion");
}

Ruling ask_to_open(World& world, Client& client) {
  const pid_t pid = kFirstPid + static_cast<pid_t>(&client - world.clients.data());
  switch (client.role) {
    case Role::reader:
      return world.admission.open_reader(pid, world.shape);
    case Role::writer: {
      const bool at_once = world.has_writer();
      const Ruling ruling = world.admission.open_writer(pid, world.shape);
      world.expect(!at_once || ruling.kind == Ruling::Kind::proceed, "a second writer is kept out");
      check_reason(world, ruling);
      return ruling;
    }
    case Role::editor: {
      const Ruling ruling = world.admission.open_edit(pid);
      if (ruling.kind == Ruling::Kind::proceed) {
        world.expect(!world.has_writer(), "an edit beside a writer");
        world.expect(!world.written_to || !world.left_running(), "an edit of a running guest");
      }
      return ruling;
    }
    case Role::looker:
      return world.admission.begin_look();
    case Role::nobody:
      break;
  }
  return {};
}

void admit(World& world, Client& client, const Ruling& ruling) {
  client.handle = ruling.handle;
  client.shape = world.shape;
  client.step = Step::holds;
  if (client.role == Role::looker) {
    world.looker = {.runs = true};
    client = {};
  } else if (client.role == Role::writer) {
    world.looker.base_moved = true;
  }
}

void open(World& world, Client& client) {
  const Ruling ruling = ask_to_open(world, client);
  obey(world, ruling);
  if (ruling.kind == Ruling::Kind::wait) {
    client.step = Step::waits_to_open;
  } else if (ruling.kind == Ruling::Kind::refuse) {
    client = {};
  } else {
    admit(world, client, ruling);
  }
}

void close(World& world, Client& client) {
  world.admission.close(client.handle);
  client = {};
}

void read(World& world, Client& client) {
  const bool beside_writer = world.has_writer();
  const Ruling ruling = world.admission.first_access(client.handle, world.shape);
  obey(world, ruling);
  world.expect(!beside_writer || ruling.kind != Ruling::Kind::wait, "a wait beside a writer");
  if (ruling.kind == Ruling::Kind::wait) {
    client.step = Step::waits_to_read;
    return;
  }
  check_reason(world, ruling);
  if (ruling.kind == Ruling::Kind::refuse) return close(world, client);
  world.expect(client.shape == world.shape, "content of another shape than the one opened");
  client.step = Step::reads;
}

void wake(World& world) {
  for (Client& client : world.clients) {
    if (client.step == Step::waits_to_open) open(world, client);
    if (client.step == Step::waits_to_read) read(world, client);
  }
}

// What runs.

/// The run itself looks first whether the guest was shut down.
WorkOutcome honest(const World& world, WorkOutcome wanted) {
  return world.written_to && world.left_running() ? WorkOutcome::not_clean : wanted;
}

void finish(World& world, WorkOutcome wanted) {
  const WorkOutcome outcome = honest(world, wanted);
  const Work work = world.work;
  world.work = Work::none;
  if (outcome == WorkOutcome::promoted || outcome == WorkOutcome::nothing) {
    world.pending -= world.edits_at_start;
    world.edits_failed = false;
  }
  if (outcome == WorkOutcome::promoted) {
    world.expect(!world.has_writer(), "the base changes under a writer");
    world.expect(!world.has_bound_reader(), "the base changes under a reader");
    world.looker.base_moved = true;
    world.written_to = false;
    world.shut_down = true;
  }
  const bool fails = outcome == WorkOutcome::failed || outcome == WorkOutcome::edits_failed;
  const bool fails_itself = outcome == WorkOutcome::failed && work == Work::converter;
  if (fails) (fails_itself ? world.conversion_failed : world.edits_failed) = true;
  if (world.admission.finish(outcome, "why")) world.looker.told_to_end = true;
  wake(world);
}

void look_says(World& world) {
  world.looker.said = true;
  world.admission.look_says(world.shut_down);
  wake(world);
}

/// What it read is believed unless it was told to end.
void look_ends(World& world) {
  world.expect(!world.looker.base_moved || world.looker.told_to_end,
               "what was read while the base changed is believed");
  world.looker = {};
  world.admission.look_ended();
  wake(world);
}

// All that can happen next.

using Action = std::function<void(World&)>;
using Actions = std::vector<std::pair<const char*, Action>>;

void add_open_actions(Actions& actions, std::size_t i) {
  const std::pair<Role, const char*> roles[] = {{Role::reader, "reader opens"},
                                                {Role::writer, "writer opens"},
                                                {Role::editor, "editor opens"},
                                                {Role::looker, "looker opens"}};
  for (const auto& [role, name] : roles) {
    actions.emplace_back(name, [i, role = role](World& world) {
      world.clients[i].role = role;
      open(world, world.clients[i]);
    });
  }
}

void add_writer_actions(Actions& actions, const World& world, std::size_t i) {
  actions.emplace_back("writer writes", [i](World& next) {
    next.clients[i].wrote = true;
    next.admission.wrote(next.clients[i].handle);
    next.written_to = true;
    next.shut_down = false;
  });
  if (world.budget.reshapes > 0) {
    actions.emplace_back("writer resizes", [i](World& next) {
      --next.budget.reshapes;
      next.clients[i].wrote = true;
      next.admission.wrote(next.clients[i].handle);
      next.written_to = true;
      next.shut_down = false;
      ++next.shape.bytes;
    });
  }
  if (world.clients[i].wrote) {
    actions.emplace_back("writer shuts the guest down and closes", [i](World& next) {
      next.shut_down = true;
      close(next, next.clients[i]);
    });
  }
}

void add_client_actions(Actions& actions, const World& world, std::size_t i) {
  const Client& client = world.clients[i];
  if (client.step == Step::away) return add_open_actions(actions, i);
  if (client.step == Step::waits_to_open) {
    actions.emplace_back("open is interrupted", [i](World& next) { next.clients[i] = {}; });
    return;
  }
  if (client.step == Step::waits_to_read) {
    actions.emplace_back("read is interrupted",
                         [i](World& next) { next.clients[i].step = Step::holds; });
    return;
  }
  actions.emplace_back("closes (or its open reply was lost)",
                       [i](World& next) { close(next, next.clients[i]); });
  if (client.role == Role::reader && client.step == Step::holds) {
    actions.emplace_back("reader reads", [i](World& next) { read(next, next.clients[i]); });
  }
  if (client.role == Role::writer) add_writer_actions(actions, world, i);
  if (client.role == Role::editor && world.budget.saves > 0) {
    actions.emplace_back("editor saves", [i](World& next) {
      --next.budget.saves;
      ++next.pending;
      next.edits_failed = false;
      next.admission.edit_saved();
    });
  }
}

void add_work_actions(Actions& actions, const World& world) {
  actions.emplace_back("work is done", [](World& next) { finish(next, WorkOutcome::promoted); });
  if (world.budget.failures == 0) return;
  auto add = [&](const char* name, WorkOutcome outcome) {
    actions.emplace_back(name, [outcome](World& next) {
      --next.budget.failures;
      finish(next, outcome);
    });
  };
  add("work fails", WorkOutcome::failed);
  add("work is ended", WorkOutcome::ended);
  if (world.work == Work::applier) add("nothing is left to apply", WorkOutcome::nothing);
  if (world.work != Work::converter) return;
  add("cannot be converted", WorkOutcome::unsupported);
  add("edits cannot be brought in", WorkOutcome::edits_failed);
}

void add_words(Actions& actions, const World& world) {
  if (world.budget.words == 0) return;
  auto add = [&](const char* name, auto say) {
    actions.emplace_back(name, [say](World& next) {
      --next.budget.words;
      say(next);
    });
  };
  add("ctl convert", [](World& next) {
    const Ruling ruling = next.admission.demand_conversion();
    if (ruling.kind == Ruling::Kind::refuse) check_reason(next, ruling);
    if (ruling.start != Work::none) next.conversion_failed = false;
    obey(next, ruling);
  });
  add("ctl apply", [](World& next) { obey(next, next.admission.demand_edits()); });
  add("ctl force", [](World& next) { next.admission.force(); });
  add("ctl serve-unconverted", [](World& next) {
    next.conversion_failed &= next.admission.serve_unconverted().error_number != 0;
  });
  add("ctl reset", [](World& next) {
    if (next.admission.handles() > 0 || next.admission.start_over().error_number) return;
    next.pending = 0;
    next.edits_failed = next.conversion_failed = next.written_to = false;
    next.shut_down = next.looker.base_moved = next.looker.told_to_end = true;
  });
  add("ctl discard-edits", [](World& next) {
    if (next.admission.discard_edits().kind != Ruling::Kind::proceed) return;
    next.pending = 0;
    next.edits_failed = false;
  });
}

Actions possible_actions(const World& world, std::size_t clients) {
  Actions actions;
  for (std::size_t i = 0; i < clients; ++i) add_client_actions(actions, world, i);
  if (world.work != Work::none) add_work_actions(actions, world);
  if (world.looker.runs) {
    if (!world.looker.said) actions.emplace_back("look says", look_says);
    actions.emplace_back("look ends", look_ends);
  }
  add_words(actions, world);
  return actions;
}

// What must hold.

void check_waits(World& world) {
  for (const Client& client : world.clients) {
    if (!client.waits()) continue;
    const bool may_look = client.role == Role::editor || client.role == Role::looker;
    world.expect(world.work != Work::none || (may_look && world.looker.runs),
                 "a wait for what does not run");
  }
  world.expect(world.work == Work::none || !world.has_writer(), "work beside a writer");
  world.expect(world.work == Work::none || !world.has_bound_reader(), "work under a reader");
  world.expect(world.admission.books().running == world.work, "work is lost");
}

void check_books(World& world) {
  world.expect(world.admission.books().pending_edits == static_cast<std::uint64_t>(world.pending),
               "an edit is lost or applied twice");
  std::size_t held = 0;
  for (const Client& client : world.clients) held += client.handle != 0;
  world.expect(world.admission.handles() == held, "something is held by nobody");
}

/// Nobody new comes, all that runs ends well.
void check_progress(World& world) {
  World quiet = world;
  for (int round = 0; round < 8; ++round) {
    bool anybody_waits = false;
    for (const Client& client : quiet.clients) anybody_waits |= client.waits();
    if (!anybody_waits) return;
    if (quiet.looker.runs && !quiet.looker.said) look_says(quiet);
    if (quiet.looker.runs) look_ends(quiet);
    if (quiet.work != Work::none) finish(quiet, WorkOutcome::promoted);
    if (quiet.violation) return world.expect(false, quiet.violation);
  }
  world.expect(false, "a wait without end");
}

void check(World& world) {
  check_waits(world);
  check_books(world);
  if (!world.violation) check_progress(world);
}

// The search: breadth first, so that the steps to a violation are as few as can be.

class Searcher {
 public:
  Searcher(const AdmissionRules& rules, const Scope& scope) : clients_(scope.clients) {
    for (const Conversion first : {Conversion::none, Conversion::wanted}) {
      add(World(Admission(first, rules), scope.budget), nullptr, "");
    }
  }

  AdmissionFinding run() {
    while (!open_.empty()) {
      const Entry* entry = open_.front();
      open_.pop_front();
      for (const auto& [name, action] : possible_actions(entry->world, clients_)) {
        World next = entry->world;
        action(next);
        check(next);
        const Entry* reached = add(std::move(next), entry, name);
        if (reached && reached->world.violation) return found(*reached);
      }
    }
    return {"", "", seen_.size()};
  }

 private:
  struct Entry {
    World world;
    const Entry* from = nullptr;
    const char* name = "";
  };

  /// nullptr: it was reached before.
  const Entry* add(World world, const Entry* from, const char* name) {
    Key key = key_of(world);
    const auto [entry, is_new] =
        seen_.try_emplace(std::move(key), Entry{std::move(world), from, name});
    if (!is_new) return nullptr;
    open_.push_back(&entry->second);
    return &entry->second;
  }

  AdmissionFinding found(const Entry& last) const {
    AdmissionFinding finding{last.world.violation, "", seen_.size()};
    for (const Entry* at = &last; at->from; at = at->from) {
      const char* separator = finding.steps.empty() ? "" : "; ";
      finding.steps = at->name + (separator + finding.steps);
    }
    return finding;
  }

  const std::size_t clients_;
  std::map<Key, Entry> seen_;
  std::deque<const Entry*> open_;
};

}  // namespace

AdmissionFinding search_admission(const AdmissionRules& rules) {
  AdmissionFinding all;
  for (const Scope& scope : kScopes) {
    AdmissionFinding found = Searcher(rules, scope).run();
    all.states += found.states;
    if (found.violation.empty()) continue;
    found.states = all.states;
    return found;
  }
  return all;
}

}  // namespace v2vfs::fs
