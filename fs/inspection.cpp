// SPDX-License-Identifier: MIT
#include "fs/inspection.h"

#include <cerrno>
#include <utility>

#include "fs/durable_file.h"
#include "fs/inspection_json.h"
#include "inspect/base/log.h"
#include "inspect/base/text.h"

namespace v2vfs::fs {
namespace {

constexpr const char* kKeptFile = "inspection";

/// What cannot be read is found again: the disks are served all the same.
std::optional<std::string> read_kept(const std::string& folder) try {
  return read_small_file(folder, kKeptFile);
} catch (const Error& e) {
  log::warning("{}", e.sentence());
  return std::nullopt;
}

std::string sentence_of(const std::exception& e) {
  const auto* error = dynamic_cast<const Error*>(&e);
  return error ? error->sentence() : e.what();
}

}  // namespace

Inspection::Inspection(std::string vm, Gate& gate, WorkQueue* queue, Inspect inspect)
    : vm_(std::move(vm)), gate_(gate), queue_(queue), inspect_(std::move(inspect)) {}

void Inspection::attach(const StateFolder& folder, const std::string& identity) {
  const std::lock_guard file_lock(file_mutex_);
  folder_ = folder;
  identity_ = identity;
  const std::optional<std::string> text = read_kept(folder.path());
  const std::lock_guard lock(mutex_);
  kept_ = text ? kept_inspection_from_json(*text, identity) : std::nullopt;
}

void Inspection::forget() {
  const std::lock_guard file_lock(file_mutex_);
  if (folder_) remove_durably(folder_->path(), kKeptFile);
  const std::lock_guard lock(mutex_);
  kept_.reset();
  failure_.reset();
}

/// With the lock held.
std::optional<std::string> Inspection::kept_text(InspectionFormat format) const {
  if (!kept_) return std::nullopt;
  const InspectionTexts& texts = kept_->texts;
  switch (format) {
    case InspectionFormat::json:
      return texts.json;
    case InspectionFormat::xml:
      return texts.xml;
    case InspectionFormat::conversion:
      return texts.conversion;
    case InspectionFormat::capabilities:
      return texts.capabilities;
  }
  return std::nullopt;
}

std::optional<std::string> Inspection::current_text(InspectionFormat format) const {
  const std::lock_guard lock(mutex_);
  if (!kept_ || kept_->changes != gate_.changes()) return std::nullopt;
  return kept_text(format);
}

std::string Inspection::text(InspectionFormat format) {
  const std::lock_guard lock(mutex_);
  if (kept_ && kept_->changes == gate_.changes()) return *kept_text(format);
  if (running_) throw NotYet{running_};
  std::optional<Error> refusal;
  std::shared_ptr<Gate::Look> look = gate_.begin_look(refusal);
  if (!look) {  // a VM runs: the last one, which says of when it is
    if (auto text = kept_text(format)) return *text;
    throw *refusal;
  }
  start(std::move(look));
  throw NotYet{running_};
}

std::uint64_t Inspection::bytes(InspectionFormat format) const {
  const std::lock_guard lock(mutex_);
  const std::optional<std::string> text = kept_text(format);
  return text ? text->size() : 0;
}

bool Inspection::running() const {
  const std::lock_guard lock(mutex_);
  return running_ != nullptr;
}

std::optional<Error> Inspection::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

/// With the lock held.
void Inspection::start(std::shared_ptr<Gate::Look> look) {
  running_ = std::make_shared<Event>();
  queue_->add(
      [this, look = std::move(look), done = running_]() mutable { run(std::move(look), *done); });
}

/// A look that was told to end has no result, not even a failure: whoever waits asks again.
void Inspection::run(std::shared_ptr<Gate::Look> look, Event& done) {
  std::optional<Error> failure;
  try {
    InspectionTexts found = inspect_(look->stop());
    gate_.look_says(*look, found.shut_down);
    keep(*look, std::move(found));
  } catch (const std::exception& e) {
    failure.emplace(EIO, clean_text(vm_) + " could not be inspected: " + sentence_of(e));
  }
  if (look->stop().stop_requested()) failure.reset();
  look.reset();
  {
    const std::lock_guard lock(mutex_);
    running_.reset();
    failure_ = failure;
  }
  if (failure) return done.fail(*failure);
  done.happen();
}

void Inspection::keep(const Gate::Look& look, InspectionTexts texts) {
  KeptInspection found{look.changes(), std::move(texts)};
  const std::lock_guard file_lock(file_mutex_);
  if (look.stop().stop_requested()) return;
  try {
    if (folder_) {
      write_durably(folder_->to_write_in(), kKeptFile, kept_inspection_to_json(found, identity_));
    }
  } catch (const Error& e) {
    log::warning("{}: what was found is not kept: {}", vm_, e.sentence());
  }
  const std::lock_guard lock(mutex_);
  kept_ = std::move(found);
}

}  // namespace v2vfs::fs
