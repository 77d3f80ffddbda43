// SPDX-License-Identifier: Apache-2.0
// Promise: what a client of AWS signed is accepted, and nothing else is: not with one signed byte
// changed, not later, not with anything unsigned that matters.

#include "agentd/aws/signature.h"
#include "common/auth/sha256.h"
#include "common/base/text_encoding.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/signed_examples.h"

namespace secrets::aws {
namespace {

using namespace std::chrono;

SecretBuffer secret_of(std::string_view text) {
    SecretBuffer secret(text.size());
    const auto bytes = bytes_of(text);
    std::copy(bytes.begin(), bytes.end(), secret.bytes().begin());
    return secret;
}

/// A request that a test may change before it is checked.
struct Request {
    std::string method = "POST";
    std::string target;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string body;
    std::string secret;
    sys_seconds now = sys_days(2026y / December / 1) + 9h + 34min;

    explicit Request(const SignedExample& example)
        : target(example.target), body(example.body), secret(example.secret) {
        for (const HeaderField& field : example.fields)
            fields.emplace_back(field.name, field.value);
    }

    std::string& field(std::string_view name) {
        for (auto& [each, value] : fields) {
            if (is_field(each, name)) return value;
        }
        return fields.emplace_back(name, "").second;
    }
    void remove(std::string_view name) {
        std::erase_if(fields, [&](const auto& each) { return is_field(each.first, name); });
    }
    void replace(std::string_view name, std::string_view old, std::string_view other) {
        std::string& value = field(name);
        const auto place = value.find(old);
        REQUIRE(place != value.npos);
        value.replace(place, old.size(), other);
    }

    /// Returns views of the fields, valid until these change.
    std::vector<HeaderField> all_fields() const {
        std::vector<HeaderField> views;
        views.reserve(fields.size());
        for (const auto& [name, value] : fields) views.push_back({name, value});
        return views;
    }
    /// Returns the type of the error, and the sentence; "good" if there is none.
    std::string check(bool has_key = true) const {
        const std::vector<HeaderField> views = all_fields();
        const RequestHeadView head{method, target, views};
        const auto claim = read_claim(head, now);
        if (const auto* wrong = std::get_if<Error>(&claim)) return words(*wrong);
        const SecretBuffer key = secret_of(secret);
        const SecretView content(std::as_bytes(std::span(body)));
        const auto wrong = verify_signature(head, std::get<SignatureClaim>(claim), content,
                                            has_key ? &key : nullptr);
        return wrong ? words(*wrong) : "good";
    }
    static std::string words(const Error& error) {
        return std::string(type_name(error.type)) + ": " + error.sentence;
    }
};

Request example(std::string_view client) {
    for (const SignedExample& each : signed_examples()) {
        if (std::string_view(each.client).starts_with(client)) return Request(each);
    }
    FAIL("there is no such example");
    return Request(signed_examples().front());
}

const std::string kMismatch = "InvalidSignatureException: The request signature we calculated";

TEST_CASE("AWS signature: what each client signed is accepted") {
    for (const SignedExample& each : signed_examples()) {
        INFO(each.client);
        CHECK(Request(each).check() == "good");
    }
}

TEST_CASE("AWS signature: a claim has all that the credential says") {
    const Request request = example("Java SDK 2: Put");
    const std::vector<HeaderField> views = request.all_fields();
    const auto claim = read_claim({request.method, request.target, views}, request.now);
    REQUIRE(std::holds_alternative<SignatureClaim>(claim));
    const auto& read = std::get<SignatureClaim>(claim);
    CHECK(read.access_key == "SLSKJAVAJAVAJAVA2345");
    CHECK(read.scope() == "20261201/us-west-2/secretsmanager/aws4_request");
    CHECK(read.signed_fields.size() == 8);
}

TEST_CASE("AWS signature: one changed byte of what is signed is refused") {
    const auto changed = [](auto change) {
        Request request = example("boto3: Create");
        change(request);
        return request.check().substr(0, kMismatch.size());
    };
    CHECK(changed([](Request& r) { r.body[3] = 'n'; }) == kMismatch);
    CHECK(changed([](Request& r) { r.body += ' '; }) == kMismatch);
    CHECK(changed([](Request& r) { r.method = "PUT"; }) == kMismatch);
    CHECK(changed([](Request& r) { r.target = "/aws"; }) == kMismatch);
    CHECK(changed([](Request& r) { r.target = "/?a"; }) == kMismatch);
    CHECK(changed([](Request& r) { r.secret[5] ^= 1; }) == kMismatch);
    CHECK(changed([](Request& r) { r.replace("x-amz-target", "Create", "Delete"); }) == kMismatch);
    CHECK(changed([](Request& r) { r.replace("host", "8089", "8088"); }) == kMismatch);
    CHECK(changed([](Request& r) { r.replace("content-type", "1.1", "1.0"); }) == kMismatch);
    CHECK(changed([](Request& r) { r.replace("x-amz-date", "0934", "0935"); }) == kMismatch);
    CHECK(changed([](Request& r) { r.replace("authorization", "us-east-1", "us-east-2"); }) ==
          kMismatch);
    CHECK(changed([](Request& r) { r.replace("authorization", "/secretsmanager/", "/sts/"); }) ==
          kMismatch);
    CHECK(changed([](Request& r) { r.fields.emplace_back("X-Amz-Target", "more"); }) == kMismatch);
}

TEST_CASE("AWS signature: what no client signs may change") {
    Request request = example("boto3: Create");
    request.field("User-Agent") = "another";
    request.field("amz-sdk-request") = "attempt=2";
    request.field("Connection") = "close";
    CHECK(request.check() == "good");
}

TEST_CASE("AWS signature: case and blanks of a field do not matter") {
    Request request = example("boto3: Create");
    request.field("X-AMZ-TARGET").insert(0, "  ").append("\t ");
    request.replace("authorization", ", SignedHeaders", ",SignedHeaders");
    request.replace("authorization", ", Signature", " ,  Signature");
    CHECK(request.check() == "good");
}

TEST_CASE("AWS signature: a path that only differs by dots and slashes is the same") {
    Request request = example("Java SDK 2: Put");
    request.target = "//x/.././aws//";
    CHECK(request.check() == "good");
    request.target = "/aws";
    CHECK(request.check().starts_with(kMismatch));
}

TEST_CASE("AWS signature: an unknown key gets another answer than a wrong signature") {
    const std::string unknown =
        "UnrecognizedClientException: The security token included in the request is invalid.";
    Request request = example("boto3: Create");
    CHECK(request.check(/*has_key=*/false) == unknown);
    request.body += ' ';
    CHECK(request.check(/*has_key=*/false) == unknown);
}

TEST_CASE("AWS signature: the clock of the client may be five minutes off, and no more") {
    Request request = example("boto3: Create");
    const std::string time = request.field("x-amz-date");
    REQUIRE(time.starts_with("20261201T0934"));
    const sys_seconds signed_at =
        sys_days(2026y / December / 1) + 9h + 34min + seconds(std::stoi(time.substr(13, 2)));
    request.now = signed_at + 5min;
    CHECK(request.check() == "good");
    request.now = signed_at - 5min;
    CHECK(request.check() == "good");
    request.now = signed_at + 5min + 1s;
    CHECK(request.check().starts_with("InvalidSignatureException: Signature expired: " + time +
                                      " is now earlier than 20261201T0934"));
    CHECK(request.check().ends_with(" - 5 min.)"));
    request.now = signed_at - 5min - 1s;
    CHECK(request.check().starts_with("InvalidSignatureException: Signature not yet current: " +
                                      time + " is still later than 20261201T0934"));
}

TEST_CASE("AWS signature: a hash of the body that the client names must be the body's") {
    Request request = example("Java SDK 2: Put");
    request.body += ' ';
    CHECK(request.check().starts_with(
        "InvalidSignatureException: The provided 'x-amz-content-sha256' header does not match"));
    Request unsigned_body = example("Java SDK 2: Put");
    unsigned_body.field("x-amz-content-sha256") = "UNSIGNED-PAYLOAD";
    CHECK(
        unsigned_body.check().starts_with("InvalidSignatureException: invalid "
                                          "x-amz-content-sha256"));
}

TEST_CASE("AWS signature: a field that must be signed and is not is named") {
    for (const char* name : {"host", "x-amz-date", "x-amz-target", "content-type"}) {
        INFO(name);
        Request request = example("boto3: Create");
        const std::string names = "content-type;host;x-amz-date;x-amz-target";
        std::string others = names;
        others.erase(others.find(name), std::string(name).size());
        if (others.starts_with(';')) others.erase(0, 1);
        if (others.ends_with(';')) others.pop_back();
        if (const auto twice = others.find(";;"); twice != others.npos) others.erase(twice, 1);
        request.replace("authorization", names, others);
        CHECK(request.check() == "IncompleteSignatureException: the field '" + std::string(name) +
                                     "' must be a 'SignedHeader'");
    }
    Request more = example("boto3: Create");
    more.field("X-Amz-Meta") = "more";
    CHECK(more.check() ==
          "IncompleteSignatureException: the field 'x-amz-meta' must be a 'SignedHeader'");
}

TEST_CASE("AWS signature: a signed field that is missing is named") {
    Request request = example("boto3: Create");
    request.remove("x-amz-target");
    CHECK(request.check() ==
          "IncompleteSignatureException: the signed field 'x-amz-target' is missing");
    Request hosts = example("boto3: Create");
    hosts.fields.emplace_back("Host", "127.0.0.1:8089");
    CHECK(hosts.check() == "IncompleteSignatureException: the request needs one Host");
}

TEST_CASE("AWS signature: signatures of other kinds are refused") {
    const std::string missing = "MissingAuthenticationTokenException: ";
    Request none = example("boto3: Create");
    none.remove("authorization");
    CHECK(none.check().starts_with(missing));
    Request query = example("boto3: Create");
    query.target = "/?X-Amz-Signature=00";
    CHECK(query.check().starts_with(missing));
    Request two = example("boto3: Create");
    two.fields.emplace_back("Authorization", two.field("authorization"));
    CHECK(two.check() ==
          "IncompleteSignatureException: the request has several Authorization fields");
    Request curve = example("boto3: Create");
    curve.replace("authorization", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256");
    CHECK(curve.check().starts_with(
        "IncompleteSignatureException: unsupported algorithm 'AWS4-ECDSA-P256-SHA256'"));
    Request token = example("boto3: Create");
    token.field("X-Amz-Security-Token") = "token";
    token.replace("authorization", "x-amz-date;", "x-amz-date;x-amz-security-token;");
    CHECK(token.check().starts_with("UnrecognizedClientException: "));
}

TEST_CASE("AWS signature: a credential of another service, day or form is refused") {
    const auto changed = [](std::string_view old, std::string_view other) {
        Request request = example("boto3: Create");
        request.replace("authorization", old, other);
        return request.check();
    };
    CHECK(changed("/secretsmanager/", "/s3/") ==
          "InvalidSignatureException: Credential should be scoped to correct service: "
          "'secretsmanager'.");
    CHECK(changed("/20261201/", "/20261130/")
              .starts_with("InvalidSignatureException: Date in Credential scope does not match"));
    const std::string form = "IncompleteSignatureException: invalid Credential";
    CHECK(changed("/aws4_request", "/aws4").starts_with(form));
    CHECK(changed("/aws4_request", "/aws4_request/more").starts_with(form));
    CHECK(changed("SLSKBOTOBOTOBOTO2345/", "/").starts_with(form));
    CHECK(changed("SLSKBOTOBOTOBOTO2345", "SLSK BOTO").starts_with(form));
    CHECK(changed("SLSKBOTOBOTOBOTO2345", std::string(129, 'A')).starts_with(form));
    CHECK(changed("/us-east-1/", "//").starts_with(form));
    CHECK(changed("/us-east-1/", "/us_east/").starts_with(form));
    CHECK(changed("/us-east-1/", "/" + std::string(65, 'u') + "/").starts_with(form));
}

TEST_CASE("AWS signature: an Authorization that is malformed is refused") {
    const auto changed = [](std::string_view old, std::string_view other) {
        Request request = example("boto3: Create");
        request.replace("authorization", old, other);
        return request.check();
    };
    const std::string kind = "IncompleteSignatureException: ";
    CHECK(changed("Signature=", "Signatur=").starts_with(kind + "invalid Authorization"));
    CHECK(changed(", Signature=", ", More=1, Signature=").starts_with(kind + "invalid Auth"));
    CHECK(changed(", Signature=", ", Signature=1, Signature=").starts_with(kind + "invalid Auth"));
    CHECK(changed("Signature=", "Signature=0").starts_with(kind + "invalid Signature"));
    CHECK(changed("Signature=d", "Signature=D").starts_with(kind + "invalid Signature"));
    CHECK(changed("SignedHeaders=content-type;host", "SignedHeaders=host;content-type")
              .starts_with(kind + "invalid SignedHeaders"));
    CHECK(changed("SignedHeaders=content-type", "SignedHeaders=Content-Type")
              .starts_with(kind + "invalid SignedHeaders"));
    CHECK(changed(";host;", ";host;host;").starts_with(kind + "invalid SignedHeaders"));
    CHECK(changed(";host;", ";;host;").starts_with(kind + "invalid SignedHeaders"));
}

TEST_CASE("AWS signature: a time that is malformed or given twice is refused") {
    const std::string wanted =
        "IncompleteSignatureException: the request needs one x-amz-date: YYYYMMDDTHHMMSSZ";
    for (const char* time : {"20261201T093406", "20261201 093406Z", "20261301T093406Z",
                             "20260230T093406Z", "20261201T243406Z", "20261201T096006Z",
                             "20261201T093460Z", "2026120aT093406Z", "20261201T09340-Z"}) {
        INFO(time);
        Request request = example("boto3: Create");
        request.field("x-amz-date") = time;
        CHECK(request.check() == wanted);
    }
    Request twice = example("boto3: Create");
    twice.fields.emplace_back("X-Amz-Date", twice.field("x-amz-date"));
    CHECK(twice.check() == wanted);
}

TEST_CASE("AWS signature: a head with more fields than clients send is refused") {
    Request request = example("boto3: Create");
    while (request.fields.size() < kMaxHeaderFields) request.fields.emplace_back("Other", "x");
    CHECK(request.check() == "good");
    request.fields.emplace_back("Other", "x");
    CHECK(request.check() ==
          "IncompleteSignatureException: the request has more than 64 header fields");
}

TEST_CASE("AWS signature: the canonical request follows the rules of AWS") {
    const std::vector<HeaderField> fields{
        {"Host", "hub:8443"}, {"X-Amz-Meta", "  a   b\t c "}, {"x-amz-meta", "d"}, {"Other", "no"}};
    SignatureClaim claim;
    claim.signed_fields = {"host", "x-amz-meta"};
    const auto canonical = [&](std::string_view target) {
        return canonical_request({"POST", target, fields}, claim, "HASH");
    };
    const std::string rest = "\nhost:hub:8443\nx-amz-meta:a b c,d\n\nhost;x-amz-meta\nHASH";
    CHECK(canonical("/") == "POST\n/\n" + rest);
    CHECK(canonical("") == "POST\n/\n" + rest);
    CHECK(canonical("/aws") == "POST\n/aws\n" + rest);
    CHECK(canonical("/aws/") == "POST\n/aws/\n" + rest);
    CHECK(canonical("/a%2Fb/c d~") == "POST\n/a%252Fb/c%20d~\n" + rest);
    CHECK(canonical("/a/../../b/./c//") == "POST\n/b/c/\n" + rest);
    CHECK(canonical("/?b=2&a=2&a=1&c&d=") == "POST\n/\na=1&a=2&b=2&c=&d=" + rest);
    CHECK(canonical("/?a+b=c+d&e=f=g") == "POST\n/\na+b=c+d&e=f=g" + rest);
    CHECK(canonical("/?") == "POST\n/\n" + rest);
}

TEST_CASE("AWS errors: only an error of the server is repeated by clients") {
    CHECK(http_status_of(ErrorType::internal_service_error) == 500);
    CHECK(http_status_of(ErrorType::resource_not_found) == 400);
    CHECK(type_name(ErrorType::internal_service_error) == "InternalServiceError");
    CHECK(type_name(ErrorType::resource_not_found) == "ResourceNotFoundException");
}

}  // namespace
}  // namespace secrets::aws
