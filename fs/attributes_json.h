// SPDX-License-Identifier: MIT
#pragma once

#include <functional>
#include <map>
#include <string>

#include "fs/file_attributes.h"

namespace v2vfs::fs {

using AttributesByFile = std::map<std::string, SavedAttributes, std::less<>>;

/// Names and values of extended attributes are bytes: both are kept in hexadecimal.
std::string attributes_to_json(const AttributesByFile& files);

/// `name` is what messages call the text. Throws Error(EIO) if it is damaged.
AttributesByFile attributes_from_json(const std::string& text, const std::string& name);

}  // namespace v2vfs::fs
