// SPDX-License-Identifier: Apache-2.0
// Promise: a request of AWS's API is read to the byte, unknown fields are ignored, and what is
// invalid gets one sentence.

#include "agentd/aws/request_fields.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::aws {
namespace {

constexpr std::size_t kValueBytes = 8;

RequestFields fields_of(std::string_view body) {
    return RequestFields::parse(std::as_bytes(std::span(body)), kValueBytes).value();
}

std::string refusal_of(std::string_view body) {
    const auto fields = RequestFields::parse(std::as_bytes(std::span(body)), kValueBytes);
    return fields ? "(accepted)" : fields.status().message();
}

std::string value_of(RequestFields fields) {
    const auto value = fields.take_value();
    if (!fields.wrong().ok()) return "(" + fields.wrong().message() + ")";
    if (!value) return "(none)";
    return (value->is_binary ? "binary " : "text ") +
           std::string(text_of(value->bytes.view().bytes()));
}

TEST_CASE("AWS request: an empty body and an empty object have no fields") {
    for (const char* body : {"", "{}", " {\n} "}) {
        RequestFields fields = fields_of(body);
        CHECK_FALSE(fields.text("Name", 1, 9));
        CHECK_FALSE(fields.take_value());
        CHECK(fields.wrong().ok());
    }
}

TEST_CASE("AWS request: what is no JSON object is refused with its position") {
    CHECK(refusal_of("[]").starts_with("the body is not a JSON object (line 1"));
    CHECK(refusal_of("\"text\"").starts_with("the body is not a JSON object"));
    CHECK(refusal_of("7").starts_with("the body is not a JSON object"));
    CHECK(refusal_of("true").starts_with("the body is not a JSON object"));
    CHECK(refusal_of("null").starts_with("the body is not a JSON object"));
    CHECK(refusal_of("{\"a\":").starts_with("the JSON is malformed"));
    CHECK(refusal_of("{} {}").starts_with("the JSON is malformed"));
    CHECK(refusal_of("{\"a\":[[[[[[[[[1]]]]]]]]]}").starts_with("the JSON is malformed"));
}

TEST_CASE("AWS request: a text value is read to the byte") {
    CHECK(value_of(fields_of(R"({"SecretString":"a\u00e9\n\"b"})")) == "text a\xc3\xa9\n\"b");
    CHECK(value_of(fields_of(R"({"SecretString":""})")) == "text ");
    CHECK(value_of(fields_of(R"({"SecretString":null})")) == "(none)");
}

TEST_CASE("AWS request: a binary value is decoded") {
    CHECK(value_of(fields_of(R"({"SecretBinary":"AAEC"})")) ==
          "binary " + std::string("\0\1\2", 3));
    CHECK(value_of(fields_of(R"({"SecretBinary":"MTIzNDU2Nzg="})")) == "binary 12345678");
}

TEST_CASE("AWS request: a value that is too long or no base64 is refused") {
    CHECK(value_of(fields_of(R"({"SecretString":"12345678"})")) == "text 12345678");
    CHECK(value_of(fields_of(R"({"SecretString":"123456789"})")) ==
          "(SecretString is too long: at most 8 bytes are accepted)");
    CHECK(value_of(fields_of(R"({"SecretBinary":"MTIzNDU2Nzg5"})")) ==
          "(SecretBinary is too long: at most 8 bytes are accepted)");
    CHECK(value_of(fields_of(R"({"SecretBinary":"MTIzNDU2Nzg5MTIzNDU2"})")) ==
          "(SecretBinary is too long: at most 8 bytes are accepted)");
    CHECK(value_of(fields_of(R"({"SecretBinary":"A*"})"))
              .starts_with("(SecretBinary is not valid base64: "));
}

TEST_CASE("AWS request: a value that is no string is refused") {
    for (const char* value : {"1", "-1", "1.5", "18446744073709551615", "true", "[]", "{}"}) {
        INFO(value);
        CHECK(refusal_of("{\"SecretString\":" + std::string(value) + "}")
                  .starts_with("SecretString is not a string"));
        CHECK(refusal_of("{\"SecretBinary\":" + std::string(value) + "}")
                  .starts_with("SecretBinary is not a string"));
    }
}

TEST_CASE("AWS request: both forms of a value at once are refused") {
    CHECK(value_of(fields_of(R"({"SecretString":"a","SecretBinary":"AAEC"})")) ==
          "(You can't specify both a SecretString and a SecretBinary.)");
}

TEST_CASE("AWS request: the value is taken only from the outermost object") {
    RequestFields fields = fields_of(R"({"Other":{"SecretString":7},"SecretString":"a","B":"c"})");
    CHECK(fields.text("B", 1, 9) == "c");
    CHECK_FALSE(fields.text("SecretString", 0, 99));
    const std::string value = value_of(std::move(fields));
    CHECK(value == "text a");
}

TEST_CASE("AWS request: unknown fields of any kind are ignored") {
    RequestFields fields = fields_of(
        R"({"New":[1,-2,3.5,null,true,{"a":"b"}],"Name":"n","Big":18446744073709551615})");
    CHECK(fields.needed_text("Name", 1, 9) == "n");
    CHECK(fields.wrong().ok());
}

TEST_CASE("AWS request: a text has a kind and a length") {
    RequestFields fields = fields_of(R"({"A":"","B":"123","C":7,"D":null})");
    CHECK(fields.text("A", 0, 2) == "");
    CHECK_FALSE(fields.text("D", 1, 2));
    CHECK(fields.wrong().ok());
    CHECK_FALSE(fields.text("B", 1, 2));
    CHECK(fields.wrong().message() == "B must be 1-2 characters long.");
    CHECK_FALSE(fields.text("C", 1, 2));
    CHECK(fields.wrong().message() == "B must be 1-2 characters long.");
    RequestFields other = fields_of(R"({"A":"","C":7})");
    CHECK_FALSE(other.text("C", 1, 2));
    CHECK(other.wrong().message() == "invalid C: expected a string");
    RequestFields empty = fields_of(R"({"A":""})");
    CHECK_FALSE(empty.text("A", 1, 2));
    CHECK_FALSE(empty.wrong().ok());
}

TEST_CASE("AWS request: a field without which the request makes no sense is named") {
    RequestFields fields = fields_of("{}");
    CHECK(fields.needed_text("SecretId", 1, 9).empty());
    CHECK(fields.wrong().message() == "You must provide a value for the SecretId parameter.");
}

TEST_CASE("AWS request: flags, numbers and lists have their kind") {
    RequestFields fields = fields_of(R"({"F":true,"N":7,"L":["a","b"]})");
    CHECK(fields.flag("F") == true);
    CHECK_FALSE(fields.flag("G").has_value());
    CHECK(fields.number("N") == 7);
    CHECK(fields.texts("L", 2) == std::vector<std::string>{"a", "b"});
    CHECK_FALSE(fields.texts("M", 2).has_value());
    CHECK(fields.wrong().ok());

    const auto wrong = [](auto read) {
        RequestFields other = fields_of(R"({"F":"yes","N":1.5,"L":["a",2],"T":["a","b"]})");
        read(other);
        return other.wrong().message();
    };
    CHECK(wrong([](auto& f) { CHECK_FALSE(f.flag("F").has_value()); }) ==
          "invalid F: expected true or false");
    CHECK(wrong([](auto& f) { CHECK_FALSE(f.number("N").has_value()); }) ==
          "invalid N: expected a whole number");
    CHECK(wrong([](auto& f) { CHECK_FALSE(f.texts("L", 9).has_value()); }) ==
          "invalid L: expected a list of at most 9 strings");
    CHECK(wrong([](auto& f) { CHECK_FALSE(f.texts("T", 1).has_value()); }) ==
          "invalid T: expected a list of at most 1 strings");
}

TEST_CASE("AWS request: tags have keys that differ") {
    RequestFields fields = fields_of(R"({"Tags":[{"Key":"a","Value":"1"},{"Key":"b"}]})");
    CHECK(fields.tags() == std::vector<Tag>{{"a", "1"}, {"b", ""}});
    CHECK(fields.wrong().ok());
    const auto wrong = [](const std::string& tags) {
        RequestFields other = fields_of("{\"Tags\":" + tags + "}");
        CHECK_FALSE(other.tags().has_value());
        return other.wrong().message();
    };
    CHECK(wrong(R"([{"Key":"a"},{"Key":"a"}])") == "duplicate tag 'a'");
    CHECK(wrong(R"([{"Value":"a"}])") == "the Key of a tag must be 1-128 characters long.");
    CHECK(wrong(R"([{"Key":""}])") == "the Key of a tag must be 1-128 characters long.");
    CHECK(wrong(R"(["a"])") == "the Key of a tag must be 1-128 characters long.");
    CHECK(wrong("[{\"Key\":\"" + std::string(129, 'k') + "\"}]") ==
          "the Key of a tag must be 1-128 characters long.");
    CHECK(wrong("[{\"Key\":\"a\",\"Value\":\"" + std::string(257, 'v') + "\"}]") ==
          "the Value of a tag must be 0-256 characters long.");
    CHECK(wrong("7") == "invalid Tags: expected a list of at most 50 tags");
    std::string many;
    for (int i = 0; i < 51; ++i) many += (i ? "," : "[") + std::string(R"({"Key":"k"})");
    CHECK(wrong(many + "]") == "invalid Tags: expected a list of at most 50 tags");
}

TEST_CASE("AWS request: filters have a known key and values") {
    RequestFields fields = fields_of(R"({"Filters":[{"Key":"tag-key","Values":["a","!b"]}]})");
    const auto filters = fields.filters();
    REQUIRE(filters);
    REQUIRE(filters->size() == 1);
    CHECK(filters->front().key == FilterKey::tag_key);
    CHECK(filters->front().values == std::vector<std::string>{"a", "!b"});

    const auto wrong = [](const std::string& list) {
        RequestFields other = fields_of("{\"Filters\":" + list + "}");
        CHECK_FALSE(other.filters().has_value());
        return other.wrong();
    };
    CHECK(wrong(R"([{"Values":["a"]}])").message() == "Invalid filter key");
    CHECK(wrong(R"(["a"])").message() == "Invalid filter key");
    CHECK(wrong(R"([{"Key":"description"}])").message() ==
          "Invalid filter values for key: description");
    CHECK(wrong(R"([{"Key":"name","Values":[]}])").message() ==
          "Invalid filter values for key: name");
    CHECK(wrong(R"([{"Key":"name","Values":[7]}])").message() ==
          "Invalid filter values for key: name");
    CHECK_FALSE(wrong("[{\"Key\":\"name\",\"Values\":[\"" + std::string(513, 'v') + "\"]}]").ok());
    const auto times = [](int count, const std::string& text) {
        std::string list = "[" + text;
        for (int i = 1; i < count; ++i) list += "," + text;
        return list + "]";
    };
    CHECK_FALSE(wrong(R"([{"Key":"name","Values":)" + times(11, "\"v\"") + "}]").ok());
    CHECK_FALSE(wrong(times(11, R"({"Key":"name","Values":["v"]})")).ok());
    const Status unknown = wrong(R"([{"Key":"name","Values":["a"]},{"Key":"x","Values":["a"]}])");
    CHECK(unknown.code() == StatusCode::failed_precondition);
    CHECK(unknown.message() ==
          "1 validation error detected: Value 'x' at 'filters.2.member.key' failed to satisfy "
          "constraint: Member must satisfy enum value set: [all, name, tag-key, description, "
          "tag-value]");
    CHECK(wrong("{}").message() == "invalid Filters: expected a list of at most 10 filters");
}

}  // namespace
}  // namespace secrets::aws
