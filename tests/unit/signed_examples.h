// SPDX-License-Identifier: Apache-2.0
#pragma once
// Requests that clients of AWS signed, as they sent them, with made-up keys; fields that they did
// not sign are left out.

#include <array>
#include <string_view>
#include <vector>

#include "agentd/aws/signature_claim.h"

namespace secrets::aws {

struct SignedExample {
    const char* client;
    std::string_view secret;
    std::string_view target;
    std::vector<HeaderField> fields;
    std::string_view body;
};

inline const std::vector<SignedExample>& signed_examples() {
    using namespace std::literals;
    static const std::vector<SignedExample> examples{
        {"JavaScript SDK 3: CreateSecret",
         "javascript/made+up/key0123456789abcdefABC"sv,
         "/aws/"sv,
         {
             {"content-type", "application/x-amz-json-1.1"},
             {"x-amz-target", "secretsmanager.CreateSecret"},
             {"content-length", "123"},
             {"x-amz-user-agent", "aws-sdk-js/3.1163.0"},
             {"host", "127.0.0.1:8089"},
             {"amz-sdk-invocation-id", "f5bf03f0-d438-4b30-b660-0cd3548388af"},
             {"amz-sdk-request", "attempt=1; max=3"},
             {"x-amz-date", "20261201T093407Z"},
             {"x-amz-content-sha256",
              "f88c2070cf2bdb8e90b033a902f234df3d1a2f47e4c745928dbf0409099e1ef0"},
             {"authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKJAVASCRIPT234567/20261201/eu-central-1/secretsmanager/aws4_request, "
              "SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;"
              "host;x-amz-content-sha256;x-amz-date;x-amz-target;x-amz-user-agent, "
              "Signature=9eb71c754e1911ed322880e58fdc9faa0302661041b742f895fa6fee3025127b"},
         },
         "{\"Name\":\"tower-4kQd/"
         "HF_TOKEN\",\"ClientRequestToken\":\"eb41453f-25bb-4025-b7f4-850cfca0ce71\","
         "\"SecretString\":\"gr\xc3\xb6\xc3\x9f"
         "e \\\"1\\\"\\n\"}"sv},
        {"boto3: CreateSecret",
         "boto/made+up/key0123456789abcdefABCDEFGH"sv,
         "/"sv,
         {
             {"Host", "127.0.0.1:8089"},
             {"X-Amz-Target", "secretsmanager.CreateSecret"},
             {"Content-Type", "application/x-amz-json-1.1"},
             {"X-Amz-Date", "20261201T093419Z"},
             {"Authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKBOTOBOTOBOTO2345/20261201/us-east-1/secretsmanager/aws4_request, "
              "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
              "Signature=d378435371e04a31a42ee9d672567ed8a6dc24b10cfaebc884fdc62aecd2a0c2"},
         },
         "{\"Name\": \"HF_TOKEN\", \"SecretString\": \"a  b\\n\", \"Tags\": [{\"Key\": \"owner\", \"Value\": \"alice\"}], \"ClientRequestToken\": \"eb41453f-25bb-4025-b7f4-850cfca0ce72\"}"sv},
        {"boto3: GetCallerIdentity of STS",
         "boto/made+up/key0123456789abcdefABCDEFGH"sv,
         "/aws"sv,
         {
             {"Host", "127.0.0.1:8089"},
             {"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"},
             {"X-Amz-Date", "20261201T093419Z"},
             {"Authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKBOTOBOTOBOTO2345/20261201/us-east-1/sts/aws4_request, "
              "SignedHeaders=content-type;host;x-amz-date, "
              "Signature=ae8c0d00168b5da4fb3a47b10a561eec571b05236c52bc65f04160cebe35d75f"},
         },
         "Action=GetCallerIdentity&Version=2011-06-15"sv},
        {"AWS CLI: ListSecrets",
         "cli/made+up/key0123456789abcdefABCDEFGHI"sv,
         "/aws"sv,
         {
             {"Host", "127.0.0.1:8089"},
             {"X-Amz-Target", "secretsmanager.ListSecrets"},
             {"Content-Type", "application/x-amz-json-1.1"},
             {"X-Amz-Date", "20261201T093420Z"},
             {"Authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKAWSCLIAWSCLI2345/20261201/us-east-1/secretsmanager/aws4_request, "
              "SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
              "Signature=8910e590f039ccb0de836507fe969b2739f70682ae274b3a02c0853a161a7470"},
         },
         "{\"Filters\": [{\"Key\": \"name\", \"Values\": [\"tower-4kQd\"]}]}"sv},
        {"Java SDK 2: PutSecretValue",
         "java/made+up/key0123456789abcdefABCDEFGH"sv,
         "/aws/"sv,
         {
             {"Host", "127.0.0.1:8089"},
             {"amz-sdk-invocation-id", "2a18f9a7-052b-3196-3be7-af84af4f21b9"},
             {"amz-sdk-request", "attempt=1; max=4"},
             {"Authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKJAVAJAVAJAVA2345/20261201/us-west-2/secretsmanager/aws4_request, "
              "SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;"
              "host;x-amz-content-sha256;x-amz-date;x-amz-target, "
              "Signature=4541857abb3577637ea48d81f349d4e9e7d4fcc3c6e01f13c657207e343bd5cc"},
             {"Content-Type", "application/x-amz-json-1.1"},
             {"x-amz-content-sha256",
              "33fc324d34c32d68c76796e0b77f17d5523b947a4d28d23aa000c79be01f482f"},
             {"X-Amz-Date", "20261201T093421Z"},
             {"X-Amz-Target", "secretsmanager.PutSecretValue"},
             {"Content-Length", "107"},
         },
         "{\"SecretId\":\"HF_TOKEN\",\"ClientRequestToken\":\"d84a531f-2067-440f-ad9c-526daaa6ad50\",\"SecretString\":\"h\xc3\xbc\xe2\x82\xac\"}"sv},
        {"Java SDK 2: GetSecretValue",
         "java/made+up/key0123456789abcdefABCDEFGH"sv,
         "/aws/"sv,
         {
             {"Host", "127.0.0.1:8089"},
             {"amz-sdk-invocation-id", "ec248f01-af13-2e86-ad48-394e5c212ff2"},
             {"amz-sdk-request", "attempt=1; max=4"},
             {"Authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKJAVAJAVAJAVA2345/20261201/us-west-2/secretsmanager/aws4_request, "
              "SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;"
              "host;x-amz-content-sha256;x-amz-date;x-amz-target, "
              "Signature=25a5e4ac6e3ccf056d9038c6892a21af70a41b6aa64de817cb76a0d3f12894b2"},
             {"Content-Type", "application/x-amz-json-1.1"},
             {"x-amz-content-sha256",
              "4a68fb9bf4f1d4ef5714619a14e61a10ea411add2791fb70b72535673354678c"},
             {"X-Amz-Date", "20261201T093422Z"},
             {"X-Amz-Target", "secretsmanager.GetSecretValue"},
             {"Content-Length", "23"},
         },
         "{\"SecretId\":\"HF_TOKEN\"}"sv},
        {"Go SDK 2: ListSecrets",
         "go/made+up/key0123456789abcdefABCDEFGHIJ"sv,
         "/aws/"sv,
         {
             {"Host", "127.0.0.1:8089"},
             {"Content-Length", "17"},
             {"Amz-Sdk-Invocation-Id", "9e85413a-7206-4bf5-9e68-bba311da8917"},
             {"Amz-Sdk-Request", "attempt=1; max=3"},
             {"Authorization",
              "AWS4-HMAC-SHA256 "
              "Credential=SLSKGOGOGOGOGOGO2345/20261201/us-east-1/secretsmanager/aws4_request, "
              "SignedHeaders=amz-sdk-invocation-id;amz-sdk-request;content-length;content-type;"
              "host;x-amz-date;x-amz-target, "
              "Signature=fb44d742460d95a6d8d0dc7799d9c215a41b3f74e0333d42b315221eb2f84f5a"},
             {"Content-Type", "application/x-amz-json-1.1"},
             {"X-Amz-Date", "20261201T093432Z"},
             {"X-Amz-Target", "secretsmanager.ListSecrets"},
         },
         "{\"MaxResults\":20}"sv},
    };
    return examples;
}

}  // namespace secrets::aws
