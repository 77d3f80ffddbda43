# SPDX-License-Identifier: Apache-2.0
"""Values are byte-exact: every value that broke other tools, pushed in every way, as a job's tasks read it."""

import base64
import json
import random
import subprocess

import pytest

KIB = 1024


def filler(length, seed):
    """Printable text that looks like base64."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return "".join(random.Random(seed).choices(letters, k=length))


def pem_key(canary):
    lines = [filler(64, number) for number in range(37)] + [canary]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----", ""])


def service_account(canary):
    return json.dumps({"type": "service_account", "project_id": "genomes-42", "private_key_id": canary,
                       "private_key": pem_key(canary)[:2000], "client_email": "runner@genomes-42.iam.example",
                       "token_uri": "https://oauth2.example/token", "quoted": 'a"b\\c'}, indent=2)


@pytest.fixture
def values(canary):
    """Maps names to bytes. The long values contain the canary that the hunt searches for afterwards."""
    secret = canary("BYTES")
    texts = {
        "DOLLAR": "$bar", "TWO_DOLLARS": "$$", "BRACES": "${HOME}", "BACKTICKS": "`id`", "SUBSTITUTION": "$(id)",
        "QUOTES": "a\"b'c\\", "DASH": "-n", "DASHES": "-----BEGIN", "COMMA": "a,b=c,d", "SPACES": "  x  ",
        "TABS": "\tx\t", "UTF_8": "\u00e9 \u6f22 \U0001f600", "EMPTY": "", "EQUALS": "=a=b=", "HASH": "#x #y",
        "PERCENT": "%s%n%00%25", "GLOB": "~/* ?[a-z] {a,b}", "BANG": "!! !$", "ESCAPES": "\\n\\t\\0\\\\",
        "JSON": '{"base64":"eA=="}', "SEMICOLON": "x; id & id | id > x", "FUNCTION": "() { :; }; id",
        "NEWLINES": "\n\na\n\nb\n", "CARRIAGE": "a\r\nb\r", "CONTROLS": "".join(map(chr, range(1, 32))) + "\x7f",
        "PEM": pem_key(secret), "ACCOUNT": service_account(secret), "TEN_KB": secret + filler(10_000 - len(secret), 1),
        "FULL": filler(64 * KIB - len(secret), 2) + secret,
    }
    assert texts["PEM"].count("\n") == 40 and 2200 < len(texts["ACCOUNT"]) < 2500
    assert len(texts["FULL"]) == 64 * KIB
    return {name: text.encode() for name, text in texts.items()}


def encoded(values):
    return {name: {"base64": base64.b64encode(value).decode()} for name, value in values.items()}


def decoded(values):
    return {name: value.decode() for name, value in values.items()}


# ---- ways to push; each returns the values that it can carry -----------------------------------------


def curl(cluster, run, body):
    done = subprocess.run(
        ["curl", "-sS", "--unix-socket", f"{cluster.dir}/run/control.sock", "-X", "PUT", "--data-binary", "@-",
         "-H", "Content-Type: application/json", "-w", "%{http_code}", "-o", "/dev/null",
         f"http://localhost/v1/runs/{run}"],
        input=body, capture_output=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def curl_with_escapes(cluster, run, values):
    assert curl(cluster, run, json.dumps({"owner": "alice", "user": decoded(values)}).encode()) == 201
    return values


def curl_with_utf_8(cluster, run, values):
    body = json.dumps({"owner": "alice", "workspace": decoded(values)}, ensure_ascii=False, indent=1)
    assert curl(cluster, run, body.encode()) == 201
    return values


def curl_with_base64(cluster, run, values):
    values = values | {"NO_UTF_8": bytes(range(1, 256)), "HALF_UTF_8": b"\xc3", "HIGH": b"\xff" * 1000}
    assert curl(cluster, run, json.dumps({"owner": "alice", "user": encoded(values)}).encode()) == 201
    return values


def secretctl_with_lines(cluster, run, values):
    values = {name: value for name, value in values.items() if value and b"\n" not in value}
    lines = "".join(f"{name}={value.decode()}\n" for name, value in values.items())
    assert cluster.secretctl("push", run, "--owner", "alice", input=lines).code == 0
    return values


def secretctl_with_json(cluster, run, values):
    assert cluster.secretctl("push", run, "--owner", "alice", input=json.dumps(decoded(values))).code == 0
    return values


def secretctl_with_base64(cluster, run, values):
    text = json.dumps({"workspace": encoded(values)})
    assert cluster.secretctl("push", run, "--owner", "alice", input=text).code == 0
    return values


def environment_in(file):
    """Parses the environment that a task wrote, with a NUL after each entry."""
    entries = file.read_bytes().split(b"\0")
    assert entries.pop() == b""
    return {name.decode(): value for name, value in (entry.split(b"=", 1) for entry in entries)}


def differing(expected, environment):
    return [name for name, value in expected.items() if environment.get(name) != value]


@pytest.mark.parametrize("push", [curl_with_escapes, curl_with_utf_8, curl_with_base64, secretctl_with_lines,
                                  secretctl_with_json, secretctl_with_base64])
def test_values_reach_batch_script_and_tasks_byte_for_byte(cluster, values, push):
    expected = push(cluster, "bytes", values)
    file = cluster.out / push.__name__
    job = cluster.sbatch(f"""
        cat /proc/self/environ >{file}.batch
        srun -N2 -n2 bash -c 'cat /proc/self/environ >{file}.$SLURM_PROCID'
    """, "-N2", "--secrets-run=bytes", user="alice")
    assert cluster.wait(job).code == 0
    for where in ("batch", "0", "1"):
        environment = environment_in(cluster.out / f"{push.__name__}.{where}")
        assert differing(expected, environment) == [], where
        assert sorted(environment["SLURM_SECRETS_SET"].decode().split(",")) == sorted(expected)


def test_values_reach_program_started_by_srun_byte_for_byte(cluster, values):
    curl_with_escapes(cluster, "bytes", values)
    file = cluster.out / "direct"
    program = ["python3", "-c", "import sys; open(sys.argv[1], 'wb').write(open('/proc/self/environ', 'rb').read())"]
    assert cluster.srun("--secrets-run=bytes", *program, str(file), user="alice").code == 0
    assert differing(values, environment_in(file)) == []


# ---- sizes ------------------------------------------------------------------------------------------


def too_long(canary):
    secret = canary("LONG")
    return (secret + "x" * (64 * KIB + 1 - len(secret))).encode()


def test_push_rejects_value_over_64_kib_in_every_encoding(cluster, canary):
    value = too_long(canary)
    for body in ({"A": value.decode()}, encoded({"A": value})):
        assert curl(cluster, "long", json.dumps({"owner": "alice", "user": body}).encode()) in (400, 413)
    for text in (f"A={value.decode()}\n", json.dumps({"A": value.decode()}), json.dumps(encoded({"A": value}))):
        done = cluster.secretctl("push", "long", "--owner", "alice", input=text)
        assert done.code == 1 and "at most 65536 bytes" in done.err
        assert "LONG" not in done.err
    status = cluster.status()
    assert (status["runs"], status["slabs"], status["secret_bytes"]) == (0, 0, 0)


def test_delivery_size_limit_denies_step_and_smaller_spec_is_granted(cluster, canary):
    secret = canary("MANY")
    values = {f"V{number}": secret + "x" * (64 * KIB - len(secret)) for number in range(8)}
    cluster.push("many", user=values)
    done = cluster.srun("--secrets-run=many", "true", user="alice")
    assert done.code == 1
    assert "secrets: the requested secrets take " in done.err and "the limit is 524288;" in done.err
    file = cluster.out / "seven"
    seven = ",".join(list(values)[:7])
    done = cluster.srun("--secrets-run=many", f"--secret={seven}", "bash", "-c", f"cat /proc/self/environ >{file}",
                        user="alice")
    assert done.code == 0, done.err
    environment = environment_in(file)
    assert differing({name: values[name].encode() for name in seven.split(",")}, environment) == []
    assert "V7" not in environment


def test_task_receives_1000_secrets_with_longest_names(cluster, canary):
    secret = canary("THOUSAND")
    values = {f"{'N' * 60}{number:04}": f"{secret}{number}" for number in range(1000)}
    cluster.push("thousand", workspace=values)
    file = cluster.out / "thousand"
    done = cluster.srun("--secrets-run=thousand", "bash", "-c", f"cat /proc/self/environ >{file}", user="alice")
    assert done.code == 0, done.err
    environment = environment_in(file)
    assert differing({name: value.encode() for name, value in values.items()}, environment) == []
    assert set(environment["SLURM_SECRETS_SET"].decode().split(",")) == set(values)


# ---- what no variable can hold ----------------------------------------------------------------------


def test_job_with_nul_byte_in_variable_fails_with_reason(cluster, canary):
    secret = canary("NUL")
    cluster.push("nul", user={"A": f"{secret}\0x".encode(), "B": secret})
    for options, spec in (([], "run:nul"), (["--secret=A"], "run:nul,A"), (["--secret=A?"], "run:nul,A?")):
        sentence = "secret A contains a NUL byte, which a variable cannot hold"
        done = cluster.srun("true", user="alice", env={"SLURM_SECRETS": spec}, plugin=False)
        assert done.code == 1 and f"error: secrets: {sentence}" in done.err
        done = cluster.srun("--secrets-run=nul", *options, "true", user="alice")
        assert done.code == 1 and f"srun: error: {sentence}" in done.err
    assert cluster.srun("--secrets-run=nul", "--secret=B", "printenv", "B", user="alice").out == f"{secret}\n"


# ---- names ------------------------------------------------------------------------------------------


def test_names_with_any_case_and_hyphens_become_variables(cluster, canary):
    names = {"lower_case": "lower_case", "Mixed_Case": "Mixed_Case", "mixed_case": "mixed_case", "UPPER": "UPPER",
             "with-hyphen": "with_hyphen", "With--Two-": "With__Two_", "_x": "_x", "n1": "n1"}
    values = {name: canary("NAME") for name in names}
    cluster.push("names", user=values)
    file = cluster.out / "names"
    program = ["python3", "-c", "import sys; open(sys.argv[1], 'wb').write(open('/proc/self/environ', 'rb').read())"]
    assert cluster.srun("--secrets-run=names", *program, str(file), user="alice").code == 0
    expected = {names[name]: value.encode() for name, value in values.items()}
    assert differing(expected, environment_in(file)) == []
    done = cluster.srun("--secrets-run=names", "--secret=with-hyphen,with-hyphen=OTHER", "printenv", "with_hyphen",
                        "OTHER", user="alice")
    assert done.out == f"{values['with-hyphen']}\n" * 2


def test_names_of_same_variable_are_rejected_only_within_one_scope(cluster, canary):
    users, workspaces = canary("USERS"), canary("WORKSPACES")
    answer = cluster.http("PUT", "/v1/runs/twins", json.dumps({"owner": "alice", "user": {"A-B": users, "A_B": users}}))
    assert answer.status == 409 and "would become the variable A_B" in answer.json["detail"]
    assert cluster.status()["runs"] == 0
    cluster.push("twins", user={"A-B": users}, workspace={"A_B": workspaces})
    assert cluster.srun("--secrets-run=twins", "printenv", "A_B", user="alice").out == f"{users}\n"
    narrowed = cluster.srun("--secrets-run=twins", "--secret=A_B", "printenv", "A_B", user="alice")
    assert narrowed.out == f"{workspaces}\n"
