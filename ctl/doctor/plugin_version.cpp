// SPDX-License-Identifier: Apache-2.0
#include "ctl/doctor/plugin_version.h"

#include <elf.h>

#include <bit>
#include <cstring>
#include <regex>

namespace secrets::ctl::doctor {
namespace {

/// Returns the T at this offset of the file; nothing if the file ends before the T does.
template <typename T>
std::optional<T> object_at(std::string_view file, std::uint64_t offset) {
    if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
    T object;
    std::memcpy(&object, file.data() + offset, sizeof object);
    return object;
}

constexpr unsigned char kByteOrder =
    std::endian::native == std::endian::little ? ELFDATA2LSB : ELFDATA2MSB;

std::optional<Elf64_Ehdr> header_of(std::string_view file) {
    const auto header = object_at<Elf64_Ehdr>(file, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != kByteOrder) {
        return std::nullopt;
    }
    return header;
}

std::optional<Elf64_Shdr> section(std::string_view file, const Elf64_Ehdr& header,
                                  std::uint64_t index) {
    if (index >= header.e_shnum) return std::nullopt;
    return object_at<Elf64_Shdr>(file, header.e_shoff + index * sizeof(Elf64_Shdr));
}

bool is_named(std::string_view file, const Elf64_Shdr& names, std::uint64_t at,
              std::string_view name) {
    const std::uint64_t offset = names.sh_offset + at;
    return offset < file.size() && file.substr(offset, name.size()) == name &&
           offset + name.size() < file.size() && file[offset + name.size()] == '\0';
}

/// Returns the offset in the file of the byte that the loader maps at `address`.
std::optional<std::uint64_t> offset_of(std::string_view file, const Elf64_Ehdr& header,
                                       std::uint64_t address) {
    for (std::uint64_t i = 0; i < header.e_phnum; ++i) {
        const auto segment = object_at<Elf64_Phdr>(file, header.e_phoff + i * sizeof(Elf64_Phdr));
        if (!segment) return std::nullopt;
        if (segment->p_type == PT_LOAD && address >= segment->p_vaddr &&
            address - segment->p_vaddr < segment->p_filesz) {
            return segment->p_offset + (address - segment->p_vaddr);
        }
    }
    return std::nullopt;
}

std::optional<Elf64_Sym> symbol_in(std::string_view file, const Elf64_Shdr& symbols,
                                   const Elf64_Shdr& names, std::string_view symbol) {
    for (std::uint64_t at = 0; at < symbols.sh_size; at += sizeof(Elf64_Sym)) {
        const auto entry = object_at<Elf64_Sym>(file, symbols.sh_offset + at);
        if (!entry) return std::nullopt;
        if (entry->st_shndx != SHN_UNDEF && is_named(file, names, entry->st_name, symbol)) {
            return entry;
        }
    }
    return std::nullopt;
}

}  // namespace

std::string SlurmVersion::text() const {
    return std::to_string(major) + (minor < 10 ? ".0" : ".") + std::to_string(minor);
}

std::optional<std::uint32_t> exported_number(std::string_view file, std::string_view symbol) {
    const auto header = header_of(file);
    if (!header) return std::nullopt;
    for (std::uint64_t i = 0; i < header->e_shnum; ++i) {
        const auto symbols = section(file, *header, i);
        if (!symbols) return std::nullopt;
        if (symbols->sh_type != SHT_DYNSYM) continue;
        const auto names = section(file, *header, symbols->sh_link);
        if (!names) return std::nullopt;
        const auto entry = symbol_in(file, *symbols, *names, symbol);
        if (!entry) return std::nullopt;
        const auto offset = offset_of(file, *header, entry->st_value);
        return offset ? object_at<std::uint32_t>(file, *offset) : std::nullopt;
    }
    return std::nullopt;
}

std::optional<SlurmVersion> version_of_plugin(std::string_view file) {
    const auto number = exported_number(file, "plugin_version");
    if (!number) return std::nullopt;
    return SlurmVersion{*number >> 16U & 0xffU, *number >> 8U & 0xffU};
}

std::optional<SlurmVersion> version_in(std::string_view printed) {
    static const std::regex kNumbers("\\b(\\d{1,3})\\.(\\d{1,3})\\.\\d");
    std::match_results<std::string_view::const_iterator> found;
    if (!std::regex_search(printed.begin(), printed.end(), found, kNumbers)) return std::nullopt;
    return SlurmVersion{static_cast<unsigned>(std::stoul(found[1].str())),
                        static_cast<unsigned>(std::stoul(found[2].str()))};
}

}  // namespace secrets::ctl::doctor
