// SPDX-License-Identifier: MIT
#include "inspect/source/vmx_encoding.h"

#include <fmt/core.h>
#include <iconv.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "inspect/base/text.h"
#include "inspect/source/ovf_notes.h"

namespace v2vfs::inspect::vmx {
namespace {

using ovf::add_note;
using ovf::quoted;

struct Encoding {
  std::string_view said;
  const char* iconv;
};

constexpr std::array<Encoding, 33> kEncodings = {{
    {"windows-1250", "CP1250"},     {"windows-1251", "CP1251"},   {"windows-1252", "CP1252"},
    {"windows-1253", "CP1253"},     {"windows-1254", "CP1254"},   {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},     {"windows-1257", "CP1257"},   {"windows-1258", "CP1258"},
    {"windows-874", "CP874"},       {"windows-932", "CP932"},     {"windows-936", "CP936"},
    {"windows-949", "CP949"},       {"windows-950", "CP950"},     {"gbk", "GBK"},
    {"gb2312", "GB2312"},           {"gb18030", "GB18030"},       {"big5", "BIG5"},
    {"big5-hkscs", "BIG5-HKSCS"},   {"shift_jis", "SJIS"},        {"shift-jis", "SJIS"},
    {"euc-jp", "EUC-JP"},           {"euc-kr", "EUC-KR"},         {"euc-cn", "EUC-CN"},
    {"iso-8859-1", "ISO-8859-1"},   {"iso-8859-2", "ISO-8859-2"}, {"iso-8859-5", "ISO-8859-5"},
    {"iso-8859-7", "ISO-8859-7"},   {"iso-8859-8", "ISO-8859-8"}, {"iso-8859-9", "ISO-8859-9"},
    {"iso-8859-15", "ISO-8859-15"}, {"koi8-r", "KOI8-R"},         {"tis-620", "TIS-620"},
}};

const char* iconv_name(std::string_view said) {
  const std::string lower = to_lower(said);
  const auto found = std::find_if(kEncodings.begin(), kEncodings.end(),
                                  [&](const Encoding& each) { return each.said == lower; });
  return found == kEncodings.end() ? nullptr : found->iconv;
}

struct Closer {
  void operator()(void* handle) const { ::iconv_close(handle); }
};

/// nullopt if the bytes are none of that encoding, or the C library does not know it.
std::optional<std::string> converted(std::string_view bytes, const char* from) {
  const iconv_t handle = ::iconv_open("UTF-8", from);
  if (handle == reinterpret_cast<iconv_t>(-1)) return std::nullopt;
  const std::unique_ptr<void, Closer> owner(handle);
  std::string out(bytes.size() * 4 + 16, '\0');
  char* input = const_cast<char*>(bytes.data());  // iconv(3) does not write there
  char* output = out.data();
  std::size_t input_left = bytes.size();
  std::size_t output_left = out.size();
  if (::iconv(handle, &input, &input_left, &output, &output_left) == static_cast<std::size_t>(-1)) {
    return std::nullopt;
  }
  out.resize(out.size() - output_left);
  return out;
}

bool is_utf8(std::string_view bytes) { return converted(bytes, "UTF-8").has_value(); }

/// The value of the `.encoding` line; keys and this value are ASCII in all encodings of the table.
std::optional<std::string> said_encoding(std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
    const std::string_view line = trim(bytes.substr(at, end - at));
    at = end + 1;
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    if (!equals_ignoring_case(trim(line.substr(0, equals)), ".encoding")) continue;
    std::string_view value = trim(line.substr(equals + 1));
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
  }
  return std::nullopt;
}

bool is_utf8_name(std::string_view name) {
  return name.empty() || equals_ignoring_case(name, "utf-8") ||
         equals_ignoring_case(name, "utf8") || equals_ignoring_case(name, "us-ascii");
}

}  // namespace

std::string decode(std::string_view bytes, std::vector<std::string>& assumptions) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);
  const std::optional<std::string> said = said_encoding(bytes);
  const std::string name = said.value_or("");
  if (const char* const known = iconv_name(name)) {
    if (auto text = converted(bytes, known)) return *text;
    add_note(assumptions,
             fmt::format("The file is not in the encoding that it says ({}).", quoted(name)));
  } else if (!is_utf8_name(name)) {
    add_note(assumptions, fmt::format("The encoding {} is not known.", quoted(name)));
  }
  if (is_utf8(bytes)) return std::string(bytes);
  add_note(assumptions, "The file is not in UTF-8; it is read as Windows-1252.");
  if (auto text = converted(bytes, "CP1252")) return *text;
  return std::string(bytes);
}

}  // namespace v2vfs::inspect::vmx
