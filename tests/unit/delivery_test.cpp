// SPDX-License-Identifier: Apache-2.0
// Promise: a step is given exactly the bytes that were pushed, and a damaged image harms nobody.

#include "common/secure_memory/delivery.h"

#include <string>

#include "common/base/limits.h"
#include "common/base/names.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/guarded_bytes.h"

namespace secrets {
namespace {

constexpr std::size_t kHeaderBytes = 24;
constexpr std::size_t kEntryHeaderBytes = 8;
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kCountAt = 12;
constexpr std::size_t kLengthAt = 16;

DeliveryEntry entry(std::string_view variable, std::string_view value) {
    return {variable, SecretView(std::as_bytes(std::span(value)))};
}

DeliveryEntry file(std::string_view variable, std::string_view secret, std::string_view value) {
    return {variable, SecretView(std::as_bytes(std::span(value))), secret};
}

Bytes image_of(const std::vector<DeliveryEntry>& entries) {
    Bytes image(delivery_size(entries));
    const Status wrong = write_delivery(entries, image);
    if (!wrong.ok()) FAIL(wrong.message());
    return image;
}

/// A small image with a value and an empty one: A=xyz, B_2=
Bytes small_image() {
    return image_of({entry("A", "xyz"), entry("B_2", "")});
}
constexpr std::size_t kFirstEntryAt = kHeaderBytes;
constexpr std::size_t kSecondEntryAt = kFirstEntryAt + kEntryHeaderBytes + 2 + 4;

std::string every_byte_but_nul() {
    std::string bytes;
    for (int byte = 1; byte < 256; ++byte) bytes += static_cast<char>(byte);
    return bytes;
}

std::string repeated_to(std::size_t size, const std::string& pattern) {
    std::string text;
    while (text.size() < size) text += pattern;
    text.resize(size);
    return text;
}

TEST_CASE("Delivery: writes exactly the documented bytes", "[delivery]") {
    Bytes expected;
    append(expected, "SLSDELIV");
    append_number<std::uint32_t>(expected, 1);   // version
    append_number<std::uint32_t>(expected, 2);   // count
    append_number<std::uint64_t>(expected, 51);  // length, 24 + 14 + 13
    append_number<std::uint16_t>(expected, 1);   // kind: variable
    append_number<std::uint8_t>(expected, 1);
    append_number<std::uint8_t>(expected, 0);
    append_number<std::uint32_t>(expected, 3);
    append(expected, std::string_view("A\0xyz\0", 6));
    append_number<std::uint16_t>(expected, 1);
    append_number<std::uint8_t>(expected, 3);
    append_number<std::uint8_t>(expected, 0);
    append_number<std::uint32_t>(expected, 0);
    append(expected, std::string_view("B_2\0\0", 5));

    CHECK(small_image() == expected);
    CHECK(delivery_size(std::vector{entry("A", "xyz"), entry("B_2", "")}) == 51);
}

TEST_CASE("Delivery: writes the secret name of a file entry after its variable", "[delivery]") {
    const std::vector entries = {file("K_FILE", "k-2", std::string_view("\0b\0", 3))};
    Bytes expected;
    append(expected, "SLSDELIV");
    append_number<std::uint32_t>(expected, 1);   // version
    append_number<std::uint32_t>(expected, 1);   // count
    append_number<std::uint64_t>(expected, 47);  // length, 24 + 8 + 7 + 4 + 4
    append_number<std::uint16_t>(expected, 2);   // kind: file
    append_number<std::uint8_t>(expected, 6);
    append_number<std::uint8_t>(expected, 3);
    append_number<std::uint32_t>(expected, 3);
    append(expected, std::string_view("K_FILE\0k-2\0\0b\0\0", 15));

    const Bytes image = image_of(entries);
    CHECK(image == expected);
    const auto read = read_delivery(GuardedBytes(image).bytes());
    REQUIRE(read.ok());
    REQUIRE(read->size() == 1);
    CHECK(read.value()[0].is_file());
}

TEST_CASE("Delivery: returns files and variables byte for byte with NUL allowed in files",
          "[delivery]") {
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
    const std::string longest = repeated_to(kMaxValueBytes, every_byte);
    const std::string name(kMaxNameBytes, 'n');
    const std::vector entries = {file("A_FILE", "A", every_byte), entry("A", "a"),
                                 file("B", "A", ""), file(name, name, longest)};
    const GuardedBytes image(image_of(entries));
    const auto read = read_delivery(image.bytes());
    REQUIRE(read.ok());
    REQUIRE(read->size() == entries.size());
    for (std::size_t i = 0; i < entries.size(); ++i) {
        CAPTURE(i);
        const DeliveryEntry& got = read.value()[i];
        CHECK(got.variable == entries[i].variable);
        CHECK(got.secret == entries[i].secret);
        CHECK(text_of(got.value.bytes()) == text_of(entries[i].value.bytes()));
        CHECK(lies_within(got.value.bytes(), image.bytes()));
    }
    CHECK(files_size(entries) == 256 + kMaxValueBytes);
    CHECK(files_size(std::vector{entry("A", "xyz")}) == 0);
    CHECK(variables_size(entries) == 8 + 4 + 3 + kMaxNameBytes + 2);
}

TEST_CASE("Delivery: keeps what is held apart from variables and files", "[delivery]") {
    DeliveryEntry held{"K", SecretView(std::as_bytes(std::span(std::string_view("\0x", 2)))),
                       "k-2"};
    held.is_held = true;
    const std::vector entries = {entry("A", "xyz"), held, file("F", "F", "1")};
    const Bytes image = image_of(entries);
    CHECK(image[kFirstEntryAt + kEntryHeaderBytes + 6] == std::byte{3});
    const GuardedBytes guarded(image);
    const auto read = read_delivery(guarded.bytes());
    REQUIRE(read.ok());
    REQUIRE(read->size() == 3);
    CHECK((read.value()[1].is_held && !read.value()[1].is_file()));
    CHECK(read.value()[1].secret == "k-2");
    CHECK(read.value()[1].value.size() == 2);
    CHECK_FALSE((read.value()[0].is_held || read.value()[2].is_held));
    const auto given = without_held(*read);
    REQUIRE(given.size() == 2);
    CHECK((given[0].variable == "A" && given[1].is_file()));
    CHECK(variables_size(entries) == 6 + 3);
    CHECK(files_size(entries) == 3);
    CHECK(delivery_size(entries) == image.size());
}

TEST_CASE("Delivery: rejects an invalid file entry and writes nothing", "[delivery]") {
    const std::string long_value(kMaxValueBytes + 1, 'v');
    const auto refusal = [](const DeliveryEntry& wrong) {
        Bytes out(delivery_size({&wrong, 1}), std::byte{0xAA});
        const Status failure = write_delivery({&wrong, 1}, out);
        CHECK(out == Bytes(out.size(), std::byte{0xAA}));
        return !failure.ok() ? failure.message() : "(written)";
    };
    CHECK(refusal(file("A_FILE", "A", long_value)) ==
          "the value for 'A_FILE' is too long for a file");
    CHECK(refusal(file("PATH", "A", "v")).starts_with("the variable 'PATH' controls"));
    for (const char* name : {"..", ".", "../A", "/A", "A/B", "-A"}) {
        CAPTURE(name);
        CHECK(refusal(file("A_FILE", name, "v")).starts_with("the secret's name"));
    }
}

TEST_CASE("Delivery: rejects an image with a changed name or kind of a file entry", "[delivery]") {
    const Bytes whole = image_of({file("A_FILE", "ABC", "value")});
    const std::size_t name_at = kFirstEntryAt + kEntryHeaderBytes + 7;
    const auto refusal = [&](std::size_t offset, std::uint8_t byte) {
        Bytes image = whole;
        image[offset] = std::byte{byte};
        const auto read = read_delivery(GuardedBytes(image).bytes());
        return read ? "(read)" : read.status().message();
    };
    const std::string damaged = "the delivery from the agent is damaged: ";
    CHECK(refusal(name_at, '.') == damaged + "an entry names an invalid secret");
    CHECK(refusal(name_at + 1, '/') == damaged + "an entry names an invalid secret");
    CHECK(refusal(name_at + 1, 0) == damaged + "an entry's length is wrong");
    CHECK(refusal(name_at + 3, 'x') == damaged + "an entry's length is wrong");
    CHECK(refusal(kFirstEntryAt + 3, 0) == damaged + "an entry's length is wrong");
    CHECK(refusal(kFirstEntryAt + 3, 2) == damaged + "an entry's length is wrong");
    CHECK(refusal(kFirstEntryAt + 3, 255) == damaged + "an entry's length is wrong");
    CHECK(refusal(kFirstEntryAt, 1) == damaged + "an entry's length is wrong");
    CHECK(refusal(kFirstEntryAt, 4) == damaged + "an entry is of an unknown kind");
}

TEST_CASE("Delivery: returns values byte for byte and NUL-terminated in place", "[delivery]") {
    const std::vector<std::string> values = {
        "",
        "hf_plain",
        "$HOME `id` $(id) \\ \"double\" 'single' !history %s %n",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ==\n-----END PRIVATE KEY-----\n",
        R"({"type":"service_account","key":"a\nb"})",
        "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x94\x91",
        "\n\r\t =,;",
        every_byte_but_nul(),
        repeated_to(kMaxValueBytes, every_byte_but_nul()),
        "short, behind the longest",
    };
    std::vector<std::string> variables;
    std::vector<DeliveryEntry> entries;
    for (std::size_t i = 0; i < values.size(); ++i)
        variables.push_back("VALUE_" + std::to_string(i));
    for (std::size_t i = 0; i < values.size(); ++i)
        entries.push_back(entry(variables[i], values[i]));
    const GuardedBytes image(image_of(entries));

    const auto read = read_delivery(image.bytes());
    REQUIRE(read.ok());
    REQUIRE(read->size() == values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
        CAPTURE(i);
        const DeliveryEntry& got = read.value()[i];
        CHECK(got.variable == variables[i]);
        CHECK(text_of(got.value.bytes()) == values[i]);
        CHECK(lies_within(got.value.bytes(), image.bytes()));
        CHECK(*(got.value.bytes().data() + got.value.size()) == std::byte{0});
        CHECK(*(got.variable.data() + got.variable.size()) == '\0');
    }
}

TEST_CASE("Delivery: writes only a header when it has no entries", "[delivery]") {
    const Bytes image = image_of({});
    CHECK(image.size() == kHeaderBytes);
    const auto read = read_delivery(image);
    REQUIRE(read.ok());
    CHECK(read->empty());
}

TEST_CASE("Delivery: accepts the longest variable with the longest value", "[delivery]") {
    const std::string variable(kMaxNameBytes, 'V');
    const std::string value(kMaxValueBytes, 'v');
    const Bytes image = image_of({entry(variable, value)});
    const auto read = read_delivery(image);
    REQUIRE(read.ok());
    CHECK(read.value()[0].variable == variable);
    CHECK(text_of(read.value()[0].value.bytes()) == value);
}

TEST_CASE("Delivery: rejects an invalid variable or value and writes nothing", "[delivery]") {
    struct Row {
        std::string variable;
        std::string value;
        std::string sentence;
    };
    const Row rows[] = {
        {"A", std::string(kMaxValueBytes + 1, 'v'), "the value for 'A' is too long for a variable"},
        {"A", std::string("a\0b", 3),
         "the value for 'A' contains a NUL byte, which a variable cannot hold"},
        {"A", std::string("a\0", 2),
         "the value for 'A' contains a NUL byte, which a variable cannot hold"},
        {"", "v", "the variable is missing"},
        {"A-B", "v", "the variable 'A-B' contains '-'; only letters, digits and '_' are allowed"},
        {std::string("A\0", 2), "v",
         "the variable 'A?' contains '?'; only letters, digits and '_' are allowed"},
        {"LD_PRELOAD", "v",
         "the variable 'LD_PRELOAD' controls the dynamic loader and may not hold a secret; use "
         "another name, and in the job's script: export LD_PRELOAD=\"$OTHER_NAME\""},
        {std::string(65, 'A'), "v",
         "the variable '" + std::string(64, 'A') +
             "...' has 65 characters; at most 64 are allowed"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.variable);
        const std::vector entries = {entry("GOOD", "value"), entry(row.variable, row.value)};
        Bytes out(delivery_size(entries) + 100, std::byte{0xAA});
        const Status wrong = write_delivery(entries, out);
        REQUIRE_FALSE(wrong.ok());
        CHECK(wrong.message() == row.sentence);
        CHECK(out == Bytes(out.size(), std::byte{0xAA}));
    }
}

TEST_CASE("Delivery: rejects a buffer that is one byte too small and writes nothing",
          "[delivery]") {
    const std::vector entries = {entry("A", "xyz"), entry("B", "")};
    Bytes out(delivery_size(entries) - 1, std::byte{0xAA});
    const Status wrong = write_delivery(entries, out);
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.message() == "the delivery does not fit into its region");
    CHECK(out == Bytes(out.size(), std::byte{0xAA}));
}

TEST_CASE("Delivery: ignores and preserves the rest of the page behind the image", "[delivery]") {
    const std::vector entries = {entry("A", "xyz"), entry("B_2", "")};
    Bytes page(4096, std::byte{0xAA});
    REQUIRE(write_delivery(entries, page).ok());
    const Bytes behind(page.begin() + static_cast<std::ptrdiff_t>(delivery_size(entries)),
                       page.end());
    CHECK(behind == Bytes(behind.size(), std::byte{0xAA}));
    const auto read = read_delivery(page);
    REQUIRE(read.ok());
    CHECK(read->size() == 2);
}

TEST_CASE("Delivery: counts names and values and separators in the size of variables",
          "[delivery]") {
    CHECK(variables_size({}) == 0);
    // "A=xyz" and "B_2=", each with its NUL.
    CHECK(variables_size(std::vector{entry("A", "xyz"), entry("B_2", "")}) == 6 + 5);
}

TEST_CASE("Delivery: fits the largest contents that the limits allow into the largest image",
          "[delivery]") {
    const std::size_t overhead_of_an_entry = delivery_size(std::vector{entry("A", "")}) -
                                             delivery_size({}) -
                                             variables_size(std::vector{entry("A", "")});
    const std::string name(kMaxNameBytes, 'n');
    const std::size_t overhead_of_a_name = delivery_size(std::vector{file("A", name, "")}) -
                                           delivery_size(std::vector{entry("A", "")});
    CHECK(delivery_size({}) + kMaxVariablesBytes + kMaxFilesBytes +
              kMaxSecretsPerRun * overhead_of_an_entry + kMaxSpecItems * overhead_of_a_name <=
          kMaxDeliveryBytes);
}

TEST_CASE("Delivery: rejects every truncated image without reading past its end", "[delivery]") {
    const Bytes whole = small_image();
    for (std::size_t length = 0; length < whole.size(); ++length) {
        CAPTURE(length);
        Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK_FALSE(read_delivery(GuardedBytes(cut).bytes()).ok());
        if (length < kHeaderBytes) continue;
        // The same, with a header that owns up to it.
        set_number<std::uint64_t>(cut, kLengthAt, length);
        CHECK_FALSE(read_delivery(GuardedBytes(cut).bytes()).ok());
    }
}

TEST_CASE("Delivery: rejects each damaged field with its cause", "[delivery]") {
    constexpr std::size_t kMax = ~std::size_t{0};
    struct Row {
        const char* field;
        std::size_t offset;
        std::size_t width;
        std::size_t value;
        const char* why;
    };
    const std::size_t size = small_image().size();
    const Row rows[] = {
        {"magic", 0, 1, 'X', "it is not a delivery"},
        {"magic", 7, 1, 'X', "it is not a delivery"},
        {"count", kCountAt, 4, 0, "bytes follow its last entry"},
        {"count", kCountAt, 4, 1, "bytes follow its last entry"},
        {"count", kCountAt, 4, 3, "an entry is cut off"},
        {"count", kCountAt, 4, kMax, "its count is wrong"},
        {"length", kLengthAt, 8, 0, "its length is wrong"},
        {"length", kLengthAt, 8, kHeaderBytes - 1, "its length is wrong"},
        {"length", kLengthAt, 8, size - 1, "an entry's length is wrong"},
        {"length", kLengthAt, 8, size + 1, "its length is wrong"},
        {"length", kLengthAt, 8, kMax, "its length is wrong"},
        {"kind", kFirstEntryAt, 2, 0, "an entry is of an unknown kind"},
        {"kind", kSecondEntryAt, 2, 4, "an entry is of an unknown kind"},
        {"kind", kSecondEntryAt, 2, 2, "an entry's length is wrong"},
        {"secret length", kFirstEntryAt + 3, 1, 1, "an entry's length is wrong"},
        {"variable length", kFirstEntryAt + 2, 2, 0, "an entry's length is wrong"},
        {"variable length", kFirstEntryAt + 2, 2, 2, "an entry's length is wrong"},
        {"variable length", kSecondEntryAt + 2, 2, 4, "an entry's length is wrong"},
        {"variable length", kSecondEntryAt + 2, 2, kMax, "an entry's length is wrong"},
        {"value length", kFirstEntryAt + 4, 4, 2, "an entry's length is wrong"},
        {"value length", kFirstEntryAt + 4, 4, 4, "an entry's length is wrong"},
        {"value length", kSecondEntryAt + 4, 4, 1, "an entry's length is wrong"},
        {"value length", kSecondEntryAt + 4, 4, kMax, "an entry's length is wrong"},
        {"variable", kFirstEntryAt + 8, 1, '1', "an entry names an invalid variable"},
        {"variable", kFirstEntryAt + 8, 1, '=', "an entry names an invalid variable"},
        {"NUL behind a variable", kFirstEntryAt + 9, 1, 'x', "an entry's length is wrong"},
        {"NUL in a value", kFirstEntryAt + 11, 1, 0, "an entry's length is wrong"},
        {"NUL behind a value", size - 1, 1, 'x', "an entry's length is wrong"},
    };
    for (const Row& row : rows) {
        CAPTURE(row.field, row.offset, row.value);
        Bytes image = small_image();
        memcpy(image.data() + row.offset, &row.value, row.width);
        const auto read = read_delivery(GuardedBytes(image).bytes());
        REQUIRE_FALSE(read.ok());
        CHECK(read.status().message() ==
              "the delivery from the agent is damaged: " + std::string(row.why));
    }
}

TEST_CASE("Delivery: rejects another format version and names both versions", "[delivery]") {
    Bytes image = small_image();
    set_number<std::uint32_t>(image, kVersionAt, 2);
    const auto read = read_delivery(image);
    REQUIRE_FALSE(read.ok());
    CHECK(
        read.status().message() ==
        "the agent's delivery has format version 2 and this plugin reads version 1; install agent "
        "and plugin of one release");
}

TEST_CASE("Delivery: rejects an image with a value above the maximum length", "[delivery]") {
    Bytes image(kHeaderBytes);
    const std::string value(kMaxValueBytes + 1, 'v');
    append_number<std::uint16_t>(image, 1);
    append_number<std::uint8_t>(image, 1);
    append_number<std::uint8_t>(image, 0);
    append_number<std::uint32_t>(image, static_cast<std::uint32_t>(value.size()));
    append(image, std::string_view("A\0", 2));
    append(image, value);
    append(image, std::string_view("\0", 1));
    const Bytes header = image_of({});
    std::copy(header.begin(), header.end(), image.begin());
    set_number<std::uint32_t>(image, kCountAt, 1);
    set_number<std::uint64_t>(image, kLengthAt, image.size());
    CHECK_FALSE(read_delivery(image).ok());
}

/// Whether the byte at `offset` of small_image() belongs to a name or to a value.
bool is_content(std::size_t offset) {
    const std::size_t first = kFirstEntryAt + kEntryHeaderBytes;
    const std::size_t second = kSecondEntryAt + kEntryHeaderBytes;
    return offset == first || (offset >= first + 2 && offset < first + 5) ||
           (offset >= second && offset < second + 3);
}

TEST_CASE("Delivery: accepts no flipped bit except as changed content", "[delivery]") {
    const Bytes whole = small_image();
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        CAPTURE(bit);
        Bytes flipped = whole;
        flipped[bit / 8] ^= static_cast<std::byte>(1 << (bit % 8));
        const GuardedBytes image(flipped);
        const auto read = read_delivery(image.bytes());
        if (!is_content(bit / 8)) {
            CHECK_FALSE(read.ok());
            continue;
        }
        if (!read.ok()) continue;
        for (const DeliveryEntry& got : *read) {
            CHECK(lies_within(got.value.bytes(), image.bytes()));
            CHECK(check_variable_name(got.variable).ok());
        }
    }
}

}  // namespace
}  // namespace secrets
