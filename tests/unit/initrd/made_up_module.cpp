// SPDX-License-Identifier: MIT
#include "tests/unit/initrd/made_up_module.h"

#include <elf.h>

#include <cstring>

namespace v2vfs::test {
namespace {

template <typename T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

struct Section {
  std::string name;
  Elf64_Word type = SHT_PROGBITS;
  std::string content;
  Elf64_Word link = 0;
  Elf64_Word info = 0;
  Elf64_Xword entry_bytes = 0;
};

std::string joined(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += word + '\0';
  return all;
}

Elf64_Shdr header_of(const Section& section, std::size_t name, std::size_t offset) {
  Elf64_Shdr header{};
  header.sh_name = static_cast<Elf64_Word>(name);
  header.sh_type = section.type;
  header.sh_offset = offset;
  header.sh_size = section.content.size();
  header.sh_link = section.link;
  header.sh_info = section.info;
  header.sh_addralign = 8;
  header.sh_entsize = section.entry_bytes;
  return header;
}

Elf64_Ehdr file_header(std::size_t table_offset, std::size_t sections) {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_shoff = table_offset;
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = static_cast<Elf64_Half>(sections);
  header.e_shstrndx = static_cast<Elf64_Half>(sections - 1);
  return header;
}

std::string symbol(std::string& names, const std::string& name, bool defined) {
  Elf64_Sym entry{};
  entry.st_name = static_cast<Elf64_Word>(names.size());
  entry.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
  entry.st_shndx = defined ? SHN_ABS : SHN_UNDEF;
  names += name + '\0';
  return bytes_of(entry);
}

}  // namespace

std::string make_module(const ModuleSpec& spec) {
  std::string names(1, '\0');
  std::string symbols = bytes_of(Elf64_Sym{});
  for (const std::string& name : spec.imports) symbols += symbol(names, name, false);
  for (const std::string& name : spec.exports) symbols += symbol(names, "__crc_" + name, true);
  std::vector<Section> sections = {
      {"", SHT_NULL, "", 0, 0, 0},
      {".modinfo", SHT_PROGBITS, joined(spec.info), 0, 0, 0},
      {"__ksymtab_strings", SHT_PROGBITS, joined(spec.exports), 0, 0, 0},
      {".text", SHT_PROGBITS, std::string(spec.bytes, '\x90'), 0, 0, 0},
      {".symtab", SHT_SYMTAB, symbols, 5, 1, sizeof(Elf64_Sym)},
      {".strtab", SHT_STRTAB, names, 0, 0, 0},
      {".shstrtab", SHT_STRTAB, "", 0, 0, 0}};
  std::string& section_names = sections.back().content;
  std::vector<std::size_t> name_at;
  for (const Section& section : sections) {
    name_at.push_back(section_names.size());
    section_names += section.name + '\0';
  }
  std::string body;
  std::string table;
  for (std::size_t i = 0; i < sections.size(); ++i) {
    body.resize((body.size() + 7) / 8 * 8);
    table += bytes_of(header_of(sections[i], name_at[i], sizeof(Elf64_Ehdr) + body.size()));
    body += sections[i].content;
  }
  body.resize((body.size() + 7) / 8 * 8);
  return bytes_of(file_header(sizeof(Elf64_Ehdr) + body.size(), sections.size())) + body + table;
}

}  // namespace v2vfs::test
