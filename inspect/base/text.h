// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

/// What happens to text of a source or a guest before anybody else sees it.
namespace v2vfs {

/// One line that is safe in a log, a terminal and JSON: valid UTF-8; C0, C1, DEL, bidirectional
/// controls and invalid bytes as \xNN; cut at `limit` bytes with "..." behind.
std::string clean_text(std::string_view text, std::size_t limit = 256);

/// Valid UTF-8 with everything kept but what JSON and XML 1.0 cannot hold (escaped as clean_text
/// does). Newlines and tabs stay. Not cut.
std::string clean_multiline(std::string_view text);

/// A machine's name as one path component: clean, no '/', no leading '.' or '-', at most 200 bytes,
/// never empty ("vm" then). Pure: the same name gives the same component at every mount.
std::string safe_component(std::string_view name);

/// ASCII only, independent of the locale.
std::string to_lower(std::string_view text);
bool equals_ignoring_case(std::string_view a, std::string_view b);
std::string_view trim(std::string_view text);

}  // namespace v2vfs
