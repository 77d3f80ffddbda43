# SPDX-License-Identifier: Apache-2.0
"""secretctl for users and programs: its input, output and exit codes, and no value ever shown."""

import base64
import json
import os
import pwd
import re
import socket
import subprocess
import threading

import pytest

from harness import BUILD
from own_agent import own_agent, request

SECRETCTL = BUILD / "secretctl"
FINE, REFUSED, BAD_INPUT, UNREACHABLE = 0, 1, 2, 3
VALUE = "canary-9d0a4c6e-value"


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        yield agent


@pytest.fixture(autouse=True)
def no_runs_are_left(agent):
    yield
    for run in agent.http("GET", "/v1/runs").json["runs"]:
        agent.http("DELETE", f"/v1/runs/{run['run']}")


class Done:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    @property
    def json(self):
        assert self.out.count("\n") == 1, self.out
        return json.loads(self.out)

    def is_error(self, code, *fragments):
        """Checks for one sentence on standard error, nothing on standard output, and no value."""
        assert self.code == code, (self.code, self.err)
        assert self.out == ""
        assert self.err.startswith("secretctl: ")
        for fragment in fragments:
            assert fragment in self.err, self.err
        assert "canary" not in self.err


def secretctl(agent, *arguments, user="alice", stdin="", socket=None):
    account = pwd.getpwnam(user)
    environment = {"PATH": os.environ["PATH"], "TZ": "UTC",
                   "SLURM_SECRETS_SOCKET": str(socket or agent.control_socket)}
    return Done(subprocess.run(
        [SECRETCTL, *arguments], input=stdin, env=environment, cwd="/", text=True, timeout=20,
        capture_output=True, user=account.pw_uid, group=account.pw_gid, extra_groups=[]))


def secrets_of(agent, run):
    secrets = agent.http("GET", f"/v1/runs/{run}").json["secrets"]
    return [(secret["name"], secret["scope"], secret["bytes"]) for secret in secrets]


# ---- push -------------------------------------------------------------------------------------------


def test_secretctl_push_reads_lines_from_stdin(agent):
    done = secretctl(agent, "push", "r1", "--ttl", "12h", stdin=f"A={VALUE}\n\n# B=no\nC= x=y \nE=\u00e9")
    assert (done.code, done.err) == (FINE, "")
    assert re.fullmatch(r"run r1 of alice: 3 secrets, generation 1, expires \d{4}-\d\d-\d\d \d\d:\d\d\n", done.out)
    assert secrets_of(agent, "r1") == [("A", "user", len(VALUE)), ("C", "user", 5), ("E", "user", 2)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_secretctl_push_leaves_out_names_without_value_and_notes_them(agent, end):
    done = secretctl(agent, "push", "r1", stdin=f"A={end}B=1\nC={end}")
    assert done.code == FINE
    assert done.err == ("secretctl: note: standard input has no value for A, C, left out; an empty value can be pushed "
                        "as JSON\n")
    assert secrets_of(agent, "r1") == [("B", "user", 1)]
    secretctl(agent, "push", "r2", stdin=f"A={end}").is_error(BAD_INPUT, "standard input contains no secret")
    assert secretctl(agent, "push", "r1", stdin='{"A":""}').err == ""
    assert secrets_of(agent, "r1") == [("A", "user", 0)]


def test_secretctl_push_takes_quotes_of_line_as_part_of_value_and_notes_them(agent):
    done = secretctl(agent, "push", "r1", stdin="A=\"12\"\nB='1'\nC=1\"2\nD=\"\n")
    assert done.code == FINE
    assert done.err == ("secretctl: note: standard input has quotes around the value of A, B, which are part of it: push "
                        "takes the bytes of a line as they are, unlike import\n")
    assert secrets_of(agent, "r1") == [("A", "user", 4), ("B", "user", 3), ("C", "user", 3), ("D", "user", 1)]


@pytest.mark.parametrize("text", ["A=1\n", '{"A":"1"}', '{"user":{"A":"1"}}'])
def test_secretctl_push_accepts_byte_order_mark_and_names_utf_16(agent, tmp_path, text):
    file = tmp_path / "secrets"
    file.write_text(text, encoding="utf-8-sig")
    done = secretctl(agent, "push", "r1", "--from", str(file), user="root", stdin="")
    assert done.code == REFUSED and "owner" in done.err  # root must name one; the text was understood
    assert secretctl(agent, "push", "r1", stdin=file.read_text()).code == FINE
    assert secrets_of(agent, "r1") == [("A", "user", 1)]
    for encoding, name in (("utf-16", "UTF-16"), ("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")):
        file.write_text(text, encoding=encoding)
        secretctl(agent, "push", "r1", "--from", str(file), user="root").is_error(
            BAD_INPUT, f"{file} is {name} text, ", f"iconv -f {name} -t UTF-8")


def test_secretctl_push_reads_file_for_workspace_and_other_owner(agent, tmp_path):
    file = tmp_path / "secrets"
    file.write_text("A=1\n")
    done = secretctl(agent, "push", "r1", "--owner", "bob", "--scope", "workspace", "--from", str(file), user="root")
    assert done.code == FINE and done.out.startswith("run r1 of bob: 1 secret, generation 1")
    assert secrets_of(agent, "r1") == [("A", "workspace", 1)]


def test_secretctl_push_reads_json_of_names(agent):
    text = json.dumps({"A": "line\nline", "user": "x", "B": {"base64": base64.b64encode(b"\0\xff").decode()}})
    assert secretctl(agent, "push", "r1", "--from", "-", stdin=f"\n  {text}\n").code == FINE
    assert secrets_of(agent, "r1") == [("A", "user", 9), ("B", "user", 2), ("user", "user", 1)]
    assert secretctl(agent, "push", "r1", "--scope", "workspace", stdin='{"A":"1"}').code == FINE
    assert secrets_of(agent, "r1") == [("A", "workspace", 1)]


def test_secretctl_push_reads_json_of_scopes(agent):
    text = json.dumps({"workspace": {"A": "1", "B": "12"}, "user": {"A": "123"}})
    done = secretctl(agent, "push", "r1", "--json", stdin=text)
    assert done.code == FINE and done.err == ""
    assert done.json["run"] == "r1" and done.json["generation"] == 1
    assert secrets_of(agent, "r1") == [("A", "user", 3), ("A", "workspace", 1), ("B", "workspace", 2)]


def test_secretctl_second_push_replaces_first(agent):
    secretctl(agent, "push", "r1", stdin="A=1\nB=2\n")
    assert "1 secret, generation 2" in secretctl(agent, "push", "r1", stdin="C=3\n").out
    assert secrets_of(agent, "r1") == [("C", "user", 1)]


def test_secretctl_push_includes_carriage_return_in_value_and_notes_it(agent):
    done = secretctl(agent, "push", "r1", stdin="A=12\r\n")
    assert done.code == FINE and "the CR is kept as part of the value" in done.err
    assert secrets_of(agent, "r1") == [("A", "user", 3)]


@pytest.mark.parametrize("text, sentence", [
    ("", "standard input contains no secret"),
    ("# nothing\n\n", "standard input contains no secret"),
    ("{}", "standard input contains no secret"),
    (f"A=1\n{VALUE}\n", "line 2 of standard input has no '='"),
    (f"A=1\n{VALUE} x=1\n", "line 2 of standard input has no valid secret name before its '='"),
    (f"={VALUE}\n", "line 1 of standard input has no valid secret name before its '='"),
    (f"A={VALUE}\nB=1\nA={VALUE}\n", "line 3 of standard input: duplicate name 'A'; see line 1"),
    (f'{{"A":"{VALUE}"', "standard input begins with '{' but is not JSON"),
    (f'{{"A":"{VALUE}",\n "B":{VALUE}}}', "at line 2, column 6"),
    (f'{{"A":"{VALUE}","A":"{VALUE}"}}', "duplicate name 'A' in standard input"),
    (f'{{"A":["{VALUE}"]}}', "'A' in standard input is an array"),
    ('{"A":7}', "'A' in standard input is a number"),
    (f'{{"users":{{"A":"{VALUE}"}}}}', "scopes are named 'workspace' and 'user'"),
    (f'{{"A":"{VALUE}"}} {VALUE}', "is not JSON"),
])
def test_secretctl_push_rejects_invalid_input_without_contacting_agent(agent, text, sentence):
    secretctl(agent, "push", "r1", stdin=text).is_error(BAD_INPUT, sentence)
    assert agent.status()["runs"] == 0


@pytest.mark.parametrize("options, text, sentence", [
    (["--owner", "bob"], f"A={VALUE}", "alice may not push runs for bob"),
    (["--owner", "no-such-user"], f"A={VALUE}", "there is no user 'no-such-user'"),
    (["--ttl", "99d"], f"A={VALUE}", "99d is longer than the 30d"),
    (["--ttl", "soon"], f"A={VALUE}", "invalid duration 'soon'"),
    ([], f"PATH={VALUE}", "controls which programs run"),
    ([], f"1A={VALUE}", "must begin with a letter"),
    ([], f"A-B={VALUE}\nA_B={VALUE}", "would become the variable A_B"),
    ([], "A=" + VALUE * 4000, "the value is too long; at most 65536 bytes"),
    ([], "".join(f"N{n}={VALUE * 3000}\n" for n in range(60)), "the body has "),
])
def test_secretctl_push_shows_error_of_agent(agent, options, text, sentence):
    secretctl(agent, "push", "r1", *options, stdin=text).is_error(REFUSED, sentence)
    assert agent.status()["runs"] == 0


@pytest.mark.parametrize("run", ["-x", ".x", "a/b", "a b", "", "a" * 65])
def test_secretctl_rejects_invalid_run_id(agent, run):
    for command in (["push", "--", run], ["complete", "--", run]):
        secretctl(agent, *command, stdin="A=1").is_error(BAD_INPUT)
    assert agent.status()["runs"] == 0


def test_secretctl_push_names_unreadable_file(agent, tmp_path):
    for path in (tmp_path, tmp_path / "no-such-file"):
        secretctl(agent, "push", "r1", "--from", str(path), user="root").is_error(BAD_INPUT, f"cannot read {path}: ")


# ---- values are never on the command line -----------------------------------------------------------


def test_secretctl_has_no_option_for_values(agent):
    def options_of(*command):
        return set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", secretctl(agent, *command, "--help").out, re.MULTILINE))

    assert options_of("push") == {"--help", "--owner", "--ttl", "--until-job", "--scope", "--from", "--store", "--remove", "--new"}
    assert options_of("set") == {"--help", "--file", "--keep-newline", "--expires", "--workspace"}
    for command in ("ls", "rm", "rename"):
        assert options_of(command) == {"--help", "--workspace"}
    assert options_of("import") == {"--help", "--only", "--skip", "--dry-run", "--expires", "--workspace"}
    assert options_of("web") == {"--help", "--port", "--unix-socket", "--no-browser", "--idle"}
    assert options_of("doctor") == {"--help", "--submit-host"}
    for command in ("complete", "runs", "check", "status", "watch", "workspaces"):
        assert options_of(command) == {"--help"}
    help_text = secretctl(agent, "--help").out
    assert set(re.findall(r"(?<![\w-])--[a-z-]+", help_text)) == {
        "--workspace", "--version", "--socket", "--json", "--help"}


@pytest.mark.parametrize("arguments", [
    ["push", "r1", f"A={VALUE}"], ["push", f"A={VALUE}"], ["push", f"A={VALUE}", "r1"], [f"A={VALUE}"],
    ["push", "r1", "--value", VALUE], ["push", "r1", f"--A={VALUE}"], ["push", "r1", "--secret", f"A={VALUE}"],
    ["push", "r1", "-A", VALUE], ["complete", "r1", VALUE], ["complete", f"A={VALUE}"], ["runs", f"A={VALUE}"],
    ["push", "r1", "--scope", f"A={VALUE}"], ["status", VALUE],
])
def test_secretctl_rejects_value_on_command_line_without_repeating_it(agent, arguments):
    secretctl(agent, *arguments, stdin="B=1").is_error(BAD_INPUT)
    assert agent.status()["runs"] == 0


# ---- the other commands -----------------------------------------------------------------------------


def test_secretctl_runs_lists_own_runs(agent):
    assert secretctl(agent, "runs").out == "no runs are visible to you\n"
    agent.push("hers", user={"A": "x", "B": "x"})
    agent.push("his", owner="bob")
    heading, line = secretctl(agent, "runs").out.splitlines()
    assert heading.split() == ["RUN", "OWNER", "SECRETS", "HOLDS", "GENERATION", "UNTIL", "JOB", "EXPIRES"]
    assert line.split()[:6] == ["hers", "alice", "2", "0", "1", "-"]
    assert [run["run"] for run in secretctl(agent, "runs", "--json", user="root").json["runs"]] == ["hers", "his"]


def test_secretctl_runs_reads_all_pages(agent):
    with agent.connect() as connection:
        for owner in ("alice", "bob"):
            for number in range(600):
                connection.send(request("PUT", f"/v1/runs/{owner}-{number:03}", {"owner": owner}))
                assert connection.answer().status == 201
    listed = secretctl(agent, "runs", "--json", user="root").json
    assert set(listed) == {"runs"}
    expected = [f"{owner}-{number:03}" for owner in ("alice", "bob") for number in range(600)]
    assert [run["run"] for run in listed["runs"]] == expected
    assert len(secretctl(agent, "runs", user="root").out.splitlines()) == 1201
    assert secretctl(agent, "complete-names", "runs", user="alice").out.split() == expected[:600]
    page = agent.http("GET", "/v1/runs?limit=700").json
    assert [run["run"] for run in page["runs"]] == expected[:700] and page["next"] == "bob-099"
    assert [run["run"] for run in agent.http("GET", "/v1/runs").json["runs"]] == expected


def test_secretctl_runs_shows_names_and_sizes_of_one_run(agent):
    agent.push("hers", user={"A": "123"}, workspace={"B": "1234567"})
    out = secretctl(agent, "runs", "hers").out
    assert out.startswith("run hers of alice: 2 secrets, generation 1, expires ")
    rows = [line.split() for line in out.splitlines()]
    assert ["A", "user", "3"] in rows and ["B", "workspace", "7"] in rows
    assert out.endswith("held by no job\n")
    assert secretctl(agent, "--json", "runs", "hers").json["secrets"][0]["name"] == "A"
    secretctl(agent, "runs", "nowhere").is_error(REFUSED, "run nowhere is not known")
    secretctl(agent, "runs", "hers", user="bob").is_error(REFUSED, "belongs to another user")


def test_secretctl_complete_ends_run_and_accepts_missing_one(agent):
    agent.push("hers", user={"A": "x"})
    secretctl(agent, "complete", "hers", user="bob").is_error(REFUSED, "belongs to another user")
    for _ in range(2):
        done = secretctl(agent, "complete", "hers")
        assert done.code == FINE
        assert done.out == "run hers is complete: the agent holds none of its secrets\n"
    assert secretctl(agent, "complete", "hers", "--json").out == ""
    assert agent.status()["runs"] == 0


def test_secretctl_check_shows_what_spec_resolves_to(agent):
    agent.push("hers", user={"A": "123"}, workspace={"A": "1", "B": "12"})
    done = secretctl(agent, "check", "run:hers,A=X,B,C?")
    assert (done.code, done.err) == (FINE, "")
    rows = [line.split() for line in done.out.splitlines()]
    assert rows[0] == ["NAME", "VARIABLE", "BYTES", "FOUND"]
    assert rows[1] == ["A", "X", "3", "run"] and rows[2] == ["B", "B", "2", "run"]
    assert rows[3][:4] == ["C", "C", "-", "no,"]
    answer = secretctl(agent, "check", "run:hers", "--json")
    assert answer.code == FINE and answer.json["ok"] and len(answer.json["items"]) == 2


def test_secretctl_check_reports_failure_with_exit_code_and_reason(agent):
    agent.push("hers", user={"A": "123"})
    done = secretctl(agent, "check", "run:hers,A,B")
    assert done.code == REFUSED and "a job with this spec is refused: secret B is not among" in done.err and "no: secret B is not among" in done.out
    done = secretctl(agent, "check", "run:hers,B", "--json")
    assert done.code == REFUSED and done.json["ok"] is False
    secretctl(agent, "check", "run:nowhere").is_error(REFUSED, "run nowhere is not known")
    secretctl(agent, "check", "run:hers", user="bob").is_error(REFUSED, "belongs to another user")


@pytest.mark.parametrize("status, code", [(503, UNREACHABLE), (504, UNREACHABLE), (404, REFUSED)])
def test_secretctl_check_tells_apart_that_agent_cannot_tell_now(tmp_path, status, code):
    body = json.dumps({"detail": "cannot look up secret A: the agent's store is closed"}).encode()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()

    def answer():
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 %d X\r\nContent-Type: application/problem+json\r\nContent-Length: %d\r\n\r\n%s"
                           % (status, len(body), body))
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    done = Done(subprocess.run([SECRETCTL, "--socket", tmp_path / "s", "check", "A"], capture_output=True, text=True,
                               check=False, timeout=20))
    thread.join()
    listener.close()
    done.is_error(code, "cannot look up secret A: the agent's store is closed")


def test_secretctl_check_rejects_malformed_spec_and_marks_position(agent):
    done = secretctl(agent, "check", "A,B=LD_PRELOAD,C")
    done.is_error(BAD_INPUT, "controls the dynamic loader")
    assert done.err.splitlines()[-2:] == ["    A,B=LD_PRELOAD,C", "        ^^^^^^^^^^"]


def test_secretctl_status_shows_socket_and_counts(agent):
    agent.push("hers", user={"A": "123"})
    rows = dict(line.rsplit(maxsplit=1) for line in secretctl(agent, "status").out.splitlines())
    assert rows["AGENT AT"] == str(agent.control_socket)
    assert rows["runs"] == "1" and rows["holds"] == "0"
    status = secretctl(agent, "status", "--json").json
    assert status["memory"] in ("memfd_secret", "memfd") and status["runs"] == 1


# ---- exit codes and messages ------------------------------------------------------------------------


def test_secretctl_reports_unreachable_agent(agent):
    for command in (["status"], ["runs"], ["complete", "r1"], ["check", "A"], ["push", "r1"]):
        done = secretctl(agent, *command, stdin=f"A={VALUE}", socket="/no/such/socket")
        done.is_error(UNREACHABLE, "cannot connect to the agent at /no/such/socket", "see: systemctl status slurm-secretsd")


def test_secretctl_rejects_socket_that_is_not_control_socket(agent, tmp_path):
    (tmp_path / "file").touch()
    secretctl(agent, "status", "--socket", str(tmp_path / "file"), user="root").is_error(UNREACHABLE)
    secretctl(agent, "status", socket=agent.node_socket, user="root").is_error(UNREACHABLE)


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["--no-such-option"], ["push"], ["complete"], ["check"],
                                       ["push", "r1", "--scope", "team"], ["status", "--from", "x"]])
def test_secretctl_rejects_invalid_usage(agent, arguments):
    secretctl(agent, *arguments).is_error(BAD_INPUT)


def test_secretctl_prints_help_and_version(agent):
    assert re.fullmatch(r"secretctl \d+\.\d+\.\d+\n", secretctl(agent, "--version").out)
    out = secretctl(agent, "--help").out
    for command in ("push", "complete", "runs", "check", "status", "Exit codes"):
        assert command in out


def commands(agent):
    """Returns all commands that the help shows to users."""
    return re.findall(r"^  ([a-z]+) .*$", secretctl(agent, "--help").out.split("Also")[0], re.MULTILINE)


def test_secretctl_help_fits_screen(agent):
    lines = secretctl(agent, "--help").out.splitlines()
    assert len(lines) < 24 and max(len(line) for line in lines) <= 80


def test_secretctl_help_of_every_command_has_example(agent):
    assert len(commands(agent)) >= 10
    for command in commands(agent):
        lines = secretctl(agent, command, "--help").out.splitlines()
        assert any(line.startswith(f"  secretctl {command}") or f"| secretctl {command}" in line for line in lines)
        assert len(lines) <= 30 and max(len(line) for line in lines) <= 80, command


@pytest.mark.parametrize("typed, meant", [("stauts", "status"), ("lst", "ls"), ("renam", "rename"), ("pussh", "push"),
                                          ("work", "workspaces")])
def test_secretctl_suggests_nearest_command(agent, typed, meant):
    secretctl(agent, typed).is_error(BAD_INPUT, f"did you mean 'secretctl {meant}'?")


def test_secretctl_does_not_repeat_unknown_command(agent):
    done = secretctl(agent, VALUE)
    done.is_error(BAD_INPUT, "unknown command; see secretctl --help")


def test_secretctl_fails_when_stdout_is_full(agent):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run([SECRETCTL, "--socket", agent.control_socket, "status"], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == BAD_INPUT and "cannot write to standard output" in done.stderr
