# SPDX-License-Identifier: Apache-2.0
"""Body of a push: what it may contain; a rejected push changes nothing and names the position of the error."""

import json

import pytest

from own_agent import own_agent

KIB = 1024


@pytest.fixture(scope="module")
def agent():
    """Starts an agent with a run of alice, which no rejected push may change."""
    with own_agent() as agent:
        agent.push("kept", user={"OLD": "old value"})
        yield agent


def refused(agent, body, status, *fragments, run="kept"):
    """Pushes `body` over an existing run and as a new one; checks that both are rejected and change nothing."""
    before = agent.state()
    for target in (run, "fresh"):
        answer = agent.http("PUT", f"/v1/runs/{target}", body)
        assert answer.status == status, answer.text
        for fragment in fragments:
            assert fragment in answer.detail
    assert agent.state() == before
    return answer.detail


MALFORMED_JSON = [
    # body, line, column: of the invalid byte, or of the end if something is missing
    (b"", 1, 1),
    (b"   ", 1, 4),
    (b'{"owner":"alice","user":{"A":"x"}', 1, 34),
    (b'{"owner":"alice",\n "user":{"A" "x"}}', 2, 14),
    (b'{"owner":"alice",\n\n  "user":{"A":}}', 3, 15),
    (b'{"owner":"alice"} {}', 1, 19),
    (b'{"owner":"alice",}', 1, 18),
    (b"{'owner':'alice'}", 1, 2),
    (b'{"owner":"alice","user":{"A":"line\nbreak"}}', 1, 35),
    (b'{"owner":"alice","user":{"A":"\xff"}}', 1, 31),
    (b'{"owner":"alice","user":{"A":"\xc3"}}', 1, 31),
    (b'{"owner":"alice","user":{"A":"\\ud800"}}', 1, 37),
    (b'{"owner":"alice","user":{"A":"\\x"}}', 1, 32),
    (b'{"owner":"alice","user":{"A":"\\u00g0"}}', 1, 35),
    (b"\xef\xbb\xbf{", 1, 2),
    (b"\x00", 1, 1),
    (b"nul", 1, 4),
]


@pytest.mark.parametrize("body, line, column", MALFORMED_JSON)
def test_push_rejects_malformed_json_with_line_and_column(agent, body, line, column):
    refused(agent, body, 400, "the JSON is malformed", f"(line {line}, column {column} of the body)")


def push_text(fields):
    return ('{"owner":"alice",' + fields + "}").encode()


WRONG_SHAPE = [
    (b"[]", "expected an object, not a list"),
    (b'"text"', "expected an object, not a string"),
    (b"7", "expected an object, not a number"),
    (b"null", "expected an object, not null"),
    (push_text('"secrets":{}'), "unknown field 'secrets'"),
    (push_text('"Owner":"alice"'), "unknown field 'Owner'"),
    (push_text('"owner":"alice"'), 'duplicate field "owner"'),
    (push_text('"user":{},"user":{}'), 'duplicate field "user"'),
    (push_text('"ttl":3600'), '"ttl": expected a string, not a number'),
    (push_text('"ttl":{}'), '"ttl": expected a string, not an object'),
    (push_text('"ttl":"' + "1" * 300 + 'h"'), '"ttl" is too long'),
    (b'{"owner":["alice"]}', '"owner": expected a string, not a list'),
    (b'{"owner":null}', '"owner": expected a string, not null'),
    (push_text('"user":[]'), '"user": expected an object, not a list'),
    (push_text('"user":"A=x"'), '"user": expected an object, not a string'),
    (push_text('"workspace":true'), '"workspace": expected an object, not true or false'),
    (push_text('"user":{"A":1}'), "\"user\", 'A': expected a string or {\"base64\": \"...\"}"),
    (push_text('"user":{"A":-1.5e3}'), "\"user\", 'A': expected a string or"),
    (push_text('"user":{"A":null}'), "\"user\", 'A': expected a string or"),
    (push_text('"user":{"A":false}'), "\"user\", 'A': expected a string or"),
    (push_text('"workspace":{"A":["x"]}'), "\"workspace\", 'A': expected a string or"),
    (push_text('"user":{"A":{}}'), '"base64" is missing'),
    (push_text('"user":{"A":{"value":"x"}}'), "unknown or duplicate field 'value'"),
    (push_text('"user":{"A":{"base64":"eA==","x":"y"}}'), "unknown or duplicate field 'x'"),
    (push_text('"user":{"A":{"base64":"eA==","base64":"eA=="}}'), "unknown or duplicate field"),
    (push_text('"user":{"A":{"base64":7}}'), '"base64": expected a string, not a number'),
    (push_text('"user":{"A":{"base64":{"base64":"eA=="}}}'), "expected a string, not an object"),
    (push_text('"user":{"A":"x","A":"y"}'), "\"user\": duplicate name 'A'"),
    (push_text('"user":{"A":"x","\\u0041":"y"}'), "\"user\": duplicate name 'A'"),
    (push_text('"user":{"' + "N" * 2000 + '":"x"}'), "a name is too long"),
]


@pytest.mark.parametrize("body, sentence", WRONG_SHAPE)
def test_push_rejects_unknown_fields_and_wrong_types_with_position(agent, body, sentence):
    refused(agent, body, 400, sentence, "(line 1, column ")


@pytest.mark.parametrize("text, why", [
    ("eA", "lacks padding"), ("eA=", "lacks padding"), ("eA===", "more '='"), ("e A==", "white space or line breaks"),
    ("eA==\\n", "white space or line breaks"), ("e_8=", "the variant for URLs"), ("=", "more '='"),
    ("eB==", "bits that belong to no byte"), ("eA==eA==", "'=' before its end"), ("\u00e9A==", "a character that base64")])
def test_push_names_what_is_wrong_with_base64(agent, text, why):
    refused(agent, push_text(f'"user":{{"A":{{"base64":"{text}"}}}}'), 400,
            '"user", \'A\': "base64" is not valid base64: it', why)


def test_push_accepts_byte_order_mark_and_names_utf_16(agent):
    body = '{"owner":"alice","user":{"A":"x"}}'
    assert agent.http("PUT", "/v1/runs/marked", body.encode("utf-8-sig")).status == 201
    assert agent.http("DELETE", "/v1/runs/marked").status == 204
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        refused(agent, body.encode(encoding), 400, "the body is UTF-16", "text; send it as UTF-8")


@pytest.mark.parametrize("name", ["", "1A", "-A", "A B", "A.B", "A=B", "\u00c4", "A\x00B", "A\nB",
                                  "A/B", "A" * 65, "$A"])
def test_push_rejects_invalid_name_in_each_scope(agent, name):
    for scope in ("user", "workspace"):
        detail = refused(agent, {"owner": "alice", scope: {name: "x"}}, 400, f"{scope}: ")
        assert "\n" not in detail and "\x00" not in detail


@pytest.mark.parametrize("name", [
    "PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "LD-PRELOAD", "GLIBC_TUNABLES", "IFS", "ENV", "HOME",
    "BASH_ENV", "BASH_FUNC_x", "PS4", "SHELLOPTS", "PYTHONPATH", "PYTHONSTARTUP", "PERL5LIB",
    "NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "GIT_SSH_COMMAND", "SLURM_SECRETS", "SLURM-X", "SLURM_JOB_ID",
    "SPANK_X", "SBATCH_ACCOUNT", "SRUN_X", "TMPDIR", "APPTAINERENV_LD_PRELOAD", "SINGULARITYENV_LD_PRELOAD",
    "GIT_CONFIG_COUNT", "LUA_INIT", "R_PROFILE_USER", "OMPI_MCA_plm_rsh_agent", "DOTNET_STARTUP_HOOKS",
    "npm_config_node_options"])
def test_push_rejects_steering_variable_with_reason(agent, name):
    for scope in ("user", "workspace"):
        refused(agent, {"owner": "alice", scope: {name: "x"}}, 400, "controls", "may not hold a secret",
                "; use another name, and in the job's script: export " + name.replace("-", "_") + "=")


def test_push_accepts_names_similar_to_steering_variables(agent):
    names = ["MY_PATH", "path", "PATHS", "LD", "SLURM", "HOMES", "Slurm_x", "NODE", "_", "a" * 64, "SLURM_JWT",
             "PERLMUTTER_TOKEN", "PYTHONANYWHERE_TOKEN", "LD_SDK_KEY", "BASHUPLOAD_KEY", "APPTAINERENV_HF_TOKEN"]
    run = agent.push("look-alike", user={name: "x" for name in names})
    assert sorted(secret["name"] for secret in run["secrets"]) == sorted(names)
    agent.http("DELETE", "/v1/runs/look-alike")


def test_push_rejects_names_of_same_variable_in_one_scope(agent):
    for scope in ("user", "workspace"):
        refused(agent, {"owner": "alice", scope: {"A-B_C": "1", "A_B-C": "2"}}, 409,
                "would become the variable A_B_C")


def test_push_accepts_names_of_same_variable_in_two_scopes(agent):
    run = agent.push("both", user={"A-B": "1"}, workspace={"A_B": "2"})
    assert len(run["secrets"]) == 2
    agent.http("DELETE", "/v1/runs/both")


@pytest.mark.parametrize("body, sentence", [
    ({}, '"owner" is missing: name the user'),
    ({"owner": ""}, "there is no user ''"),
    ({"owner": "nobody-at-all"}, "there is no user 'nobody-at-all' on this machine"),
    ({"owner": "alice\nbob"}, "there is no user 'alice?bob'"),
    ({"owner": "4000000000"}, "there is no user '4000000000'"),
    ({"owner": "alice\x00"}, "there is no user"),
    ({"owner": "-1"}, "there is no user"),
    ({"owner": "99999999999999999999"}, "there is no user"),
])
def test_push_rejects_unknown_owner(agent, body, sentence):
    refused(agent, {**body, "user": {"A": "x"}}, 400, sentence)


@pytest.mark.parametrize("ttl", ["", "h", "12", "0s", "-1h", "+1h", "1.5h", "1 h", "12H", "1w", "1h30m",
                                 "99999999999999999999h", "31d", "\u0661h"])
def test_push_rejects_invalid_ttl(agent, ttl):
    refused(agent, {"owner": "alice", "ttl": ttl, "user": {"A": "x"}}, 400, '"ttl": ')


def test_push_rejects_ttl_over_site_maximum(agent):
    refused(agent, {"owner": "alice", "ttl": "31d"}, 400, "31d is longer than the 30d that this site")
    agent.push("long", ttl="30d")
    agent.http("DELETE", "/v1/runs/long")


@pytest.mark.parametrize("value", ["v" * (64 * KIB + 1), {"base64": "dnZ2" * 21846},
                                   {"base64": "dnZ2" * 60000}, "\u00e9" * (32 * KIB) + "x"])
def test_push_rejects_value_over_64_kib(agent, value):
    refused(agent, {"owner": "alice", "user": {"A": "x", "BIG": value}}, 413,
            "'BIG': the value is too long; at most 65536 bytes")


def test_push_accepts_value_of_64_kib(agent):
    run = agent.push("full", user={"TEXT": "v" * 64 * KIB, "BASE64": {"base64": "dnZ2" * 21845 + "dg=="}})
    assert [secret["bytes"] for secret in run["secrets"]] == [64 * KIB] * 2
    agent.http("DELETE", "/v1/runs/full")


def test_push_accepts_1000_secrets_and_rejects_1001(agent):
    secrets = {f"N{number}": "x" for number in range(1000)}
    refused(agent, {"owner": "alice", "user": secrets, "workspace": {"ONE_MORE": "x"}}, 413,
            "the run has 1001 secrets; the limit is 1000")
    assert len(agent.push("many", user=secrets)["secrets"]) == 1000
    agent.http("DELETE", "/v1/runs/many")


def test_push_rejects_values_over_run_bytes_in_total(agent):
    secrets = {f"N{number}": "x" * 64 * KIB for number in range(16)}
    refused(agent, {"owner": "alice", "user": {**secrets, "MORE": "x"}}, 413,
            f"the run's values have {KIB * KIB + 1} bytes in total; the limit is {KIB * KIB}")
    agent.push("full", user=secrets)
    agent.http("DELETE", "/v1/runs/full")


def test_rejected_push_shows_value_neither_in_answer_nor_in_log(agent):
    value = "canary-3b1c5d7e9f-value"
    bodies = [
        f'{{"owner":"alice","user":{{"A":"{value}"',
        f'{{"owner":"alice","user":{{"A":"{value}\x01"}}}}',
        f'{{"owner":"alice","user":{{"A":["{value}"]}}}}',
        f'{{"owner":"alice","user":{{"A":{{"base64":"{value}"}}}}}}',
        f'{{"owner":"alice","user":{{"A":"{value}","A":"{value}"}}}}',
        f'{{"owner":"alice","user":{{"A":"{value * 3000}"}}}}',
        f'{{"owner":"alice","user":{{"PATH":"{value}"}}}}',
        f'{{"owner":"alice","user":"{value}"}}',
        f'{{"owner":"alice","user":{{"A":"x"}}}} {value}',
        f'["{value}"]',
        f"A={value}",
    ]
    for body in bodies:
        answer = agent.http("PUT", "/v1/runs/kept", body.encode())
        assert answer.status in (400, 413), answer.text
        assert "canary" not in answer.text
    assert "canary" not in agent.log.read_text()


def test_push_answer_lists_names_scopes_and_sizes(agent):
    body = {"owner": "alice", "ttl": "12h", "workspace": {"B": "12345", "A": ""}, "user": {"B": "\u00e9"}}
    answer = agent.http("PUT", "/v1/runs/told", body)
    assert answer.status == 201
    run = answer.json
    assert run.pop("created") < run.pop("expires")
    assert run == {"run": "told", "owner": "alice", "generation": 1, "holds": [], "secrets": [
        {"name": "A", "scope": "workspace", "bytes": 0},
        {"name": "B", "scope": "user", "bytes": 2},
        {"name": "B", "scope": "workspace", "bytes": 5}]}
    again = agent.http("PUT", "/v1/runs/told", json.dumps(body).encode())
    assert (again.status, again.json["generation"]) == (200, 2)
    assert again.json["created"] == answer.json["created"]
    agent.http("DELETE", "/v1/runs/told")
