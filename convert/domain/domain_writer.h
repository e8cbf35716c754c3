// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "convert/domain/domain_model.h"
#include "inspect/model.h"

namespace v2vfs::convert {

/// The model as libvirt's domain XML (formatdomain; checked against libvirt 9.0), UTF-8, two
/// spaces. `source` is written to <metadata> alone, as what the source asked for.
std::string write_domain(const DomainModel& model, const inspect::MachineSpec& source);

}  // namespace v2vfs::convert
