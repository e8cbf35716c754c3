// SPDX-License-Identifier: MIT
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>

#include "inspect/base/error.h"
#include "mount-helpers/ctl/control.h"
#include "mount-helpers/ctl/define.h"
#include "mount-helpers/ctl/exit_code.h"
#include "mount-helpers/ctl/export.h"
#include "mount-helpers/ctl/pull.h"
#include "mount-helpers/ctl/show_diff.h"
#include "mount-helpers/ctl/show_inspection.h"
#include "mount-helpers/ctl/show_status.h"
#include "mount-helpers/ctl/unmount.h"
#include "mount-helpers/ctl/waiting.h"

namespace {

using namespace v2vfs::ctl;

constexpr const char* kFooter =
    R"(VM is the path of a VM's folder in a mount, the name of a VM that only one mount
has, or a mount for all VMs in it. v2vfsctl(1) has all of it.

Exit codes: 0 done, 1 usage, 2 no such mount, VM or domain, 3 failed, 4 in use by
somebody, 5 internal, 6 not possible with this guest, 130 interrupted.
)";

/// What was asked for, to be run when the whole line has been understood.
struct Command {
  std::function<int()> run;
  bool quiet = false;
};

CLI::App* add(CLI::App& app, const char* name, const char* help) {
  CLI::App* const sub = app.add_subcommand(name, help);
  sub->fallthrough();
  return sub;
}

void add_vms(CLI::App* sub, std::vector<std::string>& words) {
  sub->add_option("vm", words, "The VMs")->type_name("")->required();
}

void declare_looks(CLI::App& app, Command& command) {
  static StatusOptions status;
  CLI::App* const show = add(app, "status", "What is mounted, and what the VMs in it do");
  show->add_option("vm", status.words, "Mounts and VMs (none: all mounts)")->type_name("");
  show->add_flag("-w,--watch", status.watch, "Go on showing it, until Ctrl-C");
  show->add_flag("--json", status.json, "As a JSON array with a status.json for each mount");
  show->callback([&] { command.run = [] { return show_status(status); }; });

  static std::vector<std::string> words;
  const auto run = [&command](int (*body)(const std::vector<std::string>&, bool)) {
    command.run = [&command, body] {
      catch_interrupts();
      return body(words, command.quiet);
    };
  };
  CLI::App* const look =
      add(app, "inspect", "What a VM is: system, file systems, network, readiness");
  add_vms(look, words);
  look->callback([run] { run(&show_inspections); });

  CLI::App* const diff = add(app, "diff", "What converting changes in a guest, or has changed");
  add_vms(diff, words);
  diff->callback([run] { run(&show_diffs); });
}

void declare_control(CLI::App& app, Command& command) {
  static std::vector<std::string> words;
  for (const ControlWord& word : control_words()) {
    CLI::App* const sub = add(app, word.word, word.help);
    add_vms(sub, words);
    sub->callback([&] {
      command.run = [&] {
        catch_interrupts();
        return control(word, words, command.quiet);
      };
    });
  }
}

void declare_copies(CLI::App& app, Command& command) {
  static ExportOptions out;
  CLI::App* const copy =
      add(app, "export", "Copy VMs out of a mount: disks, and a domain.xml for them");
  copy->add_option("vm", out.words, "VM... DEST: the VMs, and the folder for their folders")
      ->type_name("")
      ->required();
  copy->add_flag("--verify", out.verify, "Read the copies again and compare");
  copy->callback([&] {
    command.run = [&] {
      out.quiet = command.quiet;
      return export_vms(out);
    };
  });

  static PullOptions pull;
  CLI::App* const move = add(app, "pull", "Copy a VM that runs, and let it run on the copy");
  move->add_option("vm", pull.vm, "The VM")->type_name("")->required();
  move->add_option("dest", pull.destination, "The folder for its folder")
      ->type_name("")
      ->required();
  move->add_option("-c,--connect", pull.uri, "Of libvirt (default: as for virsh)")
      ->type_name("URI");
  move->callback([&] {
    command.run = [&] {
      pull.quiet = command.quiet;
      return pull_vm(pull);
    };
  });
}

void declare_libvirt(CLI::App& app, Command& command) {
  static DefineOptions options;
  CLI::App* const define = add(app, "define", "Give libvirt the domain.xml of a VM");
  CLI::App* const undefine = add(app, "undefine", "Take it from libvirt again");
  for (CLI::App* const sub : {define, undefine}) {
    add_vms(sub, options.words);
    sub->add_option("-c,--connect", options.uri, "Of libvirt (default: as for virsh)")
        ->type_name("URI");
  }
  define->add_flag("--start", options.start, "And start it");
  const auto run = [&command](int (*body)(const DefineOptions&)) {
    command.run = [&command, body] {
      options.quiet = command.quiet;
      return body(options);
    };
  };
  define->callback([=] { run(define_vms); });
  undefine->callback([=] { run(undefine_vms); });
}

void declare_unmount(CLI::App& app, Command& command) {
  static UnmountOptions options;
  CLI::App* const sub = add(app, "umount", "Unmount; say who uses it where somebody does");
  sub->add_option("mount", options.words, "The mounts")->type_name("")->required();
  sub->add_flag("-f,--force", options.force, "Although somebody uses it, who gets errors then");
  sub->callback([&] {
    command.run = [&] {
      options.quiet = command.quiet;
      return unmount(options);
    };
  });
}

int run(int argc, char** argv) {
  Command command;
  CLI::App app("Everything a person or a script does to a mount of v2vfs.", "v2vfsctl");
  app.set_version_flag("-V,--version", "v2vfsctl " V2VFS_VERSION);
  app.add_flag("-q,--quiet", command.quiet, "No progress, no words but errors");
  app.require_subcommand(1);
  app.footer(kFooter);
  declare_looks(app, command);
  declare_control(app, command);
  declare_copies(app, command);
  declare_libvirt(app, command);
  declare_unmount(app, command);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    const bool is_answer = e.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success);
    if (is_answer) return app.exit(e);  // --help, --version
    std::fprintf(stderr, "v2vfsctl: %s (v2vfsctl --help lists what there is)\n", e.what());
    return exit_usage;
  }
  return command.run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = run(argc, argv);
    if (std::fflush(stdout) == 0 && !std::ferror(stdout)) return code;
    std::fprintf(stderr, "v2vfsctl: what was to be printed could not be written\n");
    return code == exit_ok ? exit_failed : code;
  } catch (const v2vfs::Error& e) {
    std::fprintf(stderr, "v2vfsctl: %s\n", e.sentence().c_str());
    return exit_code_of(e);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "v2vfsctl: %s\n", e.what());
    return exit_internal;
  }
}
