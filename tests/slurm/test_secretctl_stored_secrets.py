# SPDX-License-Identifier: Apache-2.0
"""secretctl for stored secrets: a user's own, and those of a workspace."""

import json
import pwd
import re
import signal
import subprocess
import time

import pytest

from harness import poll
from own_agent import own_agent
from secretctl_client import (BAD_INPUT, FINE, REFUSED, SECRETCTL, UNREACHABLE, VALUE, agent, environment_of, home,
                              no_secrets_are_left, secretctl, value_in_a_run, write)
from terminal import Terminal


# ---- set --------------------------------------------------------------------------------------------


def test_secretctl_set_drops_one_trailing_newline_of_stdin_and_notes_it(agent):
    done = secretctl(agent, "set", "TOKEN", stdin=VALUE.encode() + b"\n\n")
    assert (done.code, done.out) == (FINE, f"TOKEN is set: {len(VALUE) + 1} bytes\n")
    assert done.err == "secretctl: note: one trailing newline was removed; --keep-newline keeps it\n"
    done = secretctl(agent, "set", "TOKEN", "--keep-newline", stdin=VALUE.encode() + b"\n")
    assert (done.code, done.err) == (FINE, "") and done.out == f"TOKEN is replaced: {len(VALUE) + 1} bytes\n"
    assert secretctl(agent, "set", "TOKEN", stdin=VALUE.encode()).err == ""


def test_secretctl_set_reads_file_byte_for_byte(agent, home):
    file = write(home / "key", f"{VALUE}\n\n")
    file.write_bytes(file.read_bytes() + b"\0\xff\n")
    done = secretctl(agent, "set", "KEY", "--file", file)
    assert (done.code, done.err) == (FINE, "") and done.out == f"KEY is set: {len(VALUE) + 5} bytes\n"


def test_secretctl_set_notes_newline_of_file_with_one_line(agent, home):
    file = write(home / "token", f"{VALUE}\n")
    done = secretctl(agent, "set", "TOKEN", "--file", file)
    assert (done.code, done.out) == (FINE, f"TOKEN is set: {len(VALUE) + 1} bytes\n")
    assert done.err == (f"secretctl: note: the value ends with the newline of {file}; to set it without: secretctl set "
                        f"TOKEN < {file}\n")
    for text in (VALUE, f"{VALUE}\n{VALUE}\n"):
        assert secretctl(agent, "set", "TOKEN", "--file", write(file, text)).err == ""
    secretctl(agent, "set", "TOKEN", "--file", write(file, "")).is_error(BAD_INPUT, "is empty; nothing is changed")


@pytest.mark.parametrize("before, after, note, more", [
    ("", "\r\n", "has lines that end with CR LF, and the CR is part of it", 1),
    ("", "\r", "has lines that end with CR LF, and the CR is part of it", 1),
    ("\ufeff", "", "begins with a byte order mark, which is part of it", 3),
])
def test_secretctl_set_notes_what_is_not_seen_in_value(agent, home, before, after, note, more):
    value = (before + VALUE + after).encode()
    done = secretctl(agent, "set", "TOKEN", stdin=value)
    assert done.code == FINE and f"secretctl: note: the value {note}" in done.err
    assert done.out == f"TOKEN is set: {len(VALUE) + more} bytes\n"
    file = home / "token"
    file.write_bytes(value)
    done = secretctl(agent, "set", "TOKEN", "--file", file)
    assert done.out == f"TOKEN is replaced: {len(value)} bytes\n" and f"secretctl: note: the value {note}" in done.err


def test_secretctl_set_notes_utf_16(agent):
    done = secretctl(agent, "set", "TOKEN", stdin="canary".encode("utf-16"))
    assert done.code == FINE and "the value is UTF-16 text" in done.err


def test_secretctl_set_accepts_value_typed_twice(agent):
    with Terminal([str(SECRETCTL), "set", "TOKEN"], environment=environment_of(agent, "/nonexistent")) as terminal:
        for prompt in ("value of TOKEN (not shown): ", "once more: "):
            terminal.wait_for(prompt)
            terminal.wait_until_hidden()
            terminal.type(VALUE + "\n")
        assert "canary" not in terminal.wait_for(f"TOKEN is set: {len(VALUE)} bytes")
        assert terminal.end()[0] == FINE


def test_secretctl_set_expires_option_is_shown_and_validated(agent):
    done = secretctl(agent, "set", "TOKEN", "--expires", "30d", stdin=VALUE.encode())
    assert re.fullmatch(rf"TOKEN is set: {len(VALUE)} bytes, expires \d{{4}}-\d\d-\d\d \d\d:\d\d\n", done.out)
    secretctl(agent, "set", "SOON", "--expires", "2h", stdin=VALUE.encode())
    out = secretctl(agent, "ls").out
    assert re.search(r"^SOON .*\(in (2 h 0|1 h 59) min\)$", out, re.MULTILINE)
    assert re.search(r"^TOKEN .* \d\d:\d\d$", out, re.MULTILINE)
    secretctl(agent, "set", "TOKEN", "--expires", "soon", stdin=VALUE.encode()).is_error(REFUSED, "'soon'")


@pytest.mark.parametrize("options, stdin, sentence", [
    ([], b"", "standard input is empty; nothing is changed"),
    ([], b"\n", "standard input is empty; nothing is changed"),
    ([], b"x" * 65537, "the value has 65537 bytes"),
    (["--file", "/no/such/file"], b"", "cannot read /no/such/file: No such file or directory"),
    (["--file", "/tmp"], b"", "cannot read /tmp: Is a directory"),
    (["--workspace", "a/b"], b"x", "is not a valid workspace name"),
])
def test_secretctl_set_rejects_invalid_value(agent, options, stdin, sentence):
    secretctl(agent, "set", "TOKEN", *options, stdin=stdin).is_error(BAD_INPUT, sentence)
    assert secretctl(agent, "ls", "--json").json["secrets"] == []


@pytest.mark.parametrize("arguments", [
    ["set", "TOKEN", VALUE], ["set", f"TOKEN={VALUE}"], ["set", VALUE, "TOKEN"], ["set", "TOKEN", "--value", VALUE],
    ["set", "TOKEN", f"--value={VALUE}"], ["import", ".env", f"A={VALUE}"],
])
def test_secretctl_rejects_value_as_argument_with_explanation(agent, arguments):
    secretctl(agent, *arguments, stdin=b"x").is_error(BAD_INPUT, "your shell's history", "process list")
    assert secretctl(agent, "ls", "--json").json["secrets"] == []


@pytest.mark.parametrize("name, code, sentence", [
    ("1A", BAD_INPUT, "must begin with a letter"), ("A B", BAD_INPUT, "is not a valid secret name"),
    ("A" * 65, BAD_INPUT, "at most 64"),
])
def test_secretctl_rejects_invalid_secret_name(agent, name, code, sentence):
    for command in (["set", name], ["rm", name], ["rename", name, "B"], ["rename", "B", name]):
        secretctl(agent, *command, stdin=b"x").is_error(code, sentence)


def test_secretctl_refuses_name_of_steering_variable_and_names_the_way(agent):
    for command in (["set", "LUA_INIT"], ["rename", "B", "LUA_INIT"]):
        secretctl(agent, *command, stdin=b"x").is_error(
            BAD_INPUT, "controls the Lua interpreter", "; use another name, and in the job's script: export LUA_INIT=")
    for name in ("SLURM_JWT", "PERLMUTTER_TOKEN", "PYTHONANYWHERE_TOKEN"):
        assert secretctl(agent, "set", name, stdin=b"x").code == FINE
        assert value_in_a_run(agent, name) == (1, "user")
        assert value_in_a_run(agent, f"MINE={name}") == (None, None)  # no such secret, but no refusal of the variable


def test_secretctl_removes_and_renames_secret_whose_name_is_not_allowed_any_more(agent):
    for command in (["rm", "LUA_INIT"], ["rename", "LUA_INIT", "B"]):
        secretctl(agent, *command).is_error(REFUSED, "secret LUA_INIT is not set for alice")


# ---- ls, rm, rename ---------------------------------------------------------------------------------


def test_secretctl_ls_lists_own_secrets(agent):
    done = secretctl(agent, "ls")
    assert (done.code, done.out) == (FINE, "alice has no secrets; set one with: secretctl set NAME\n")
    for name in ("B", "A"):
        secretctl(agent, "set", name, stdin=VALUE.encode())
    secretctl(agent, "set", "HIS", user="bob", stdin=VALUE.encode())
    heading, *lines = secretctl(agent, "ls").out.splitlines()
    assert heading.split() == ["NAME", "BYTES", "SET", "LAST", "USED", "EXPIRES"]
    assert [line.split()[:2] for line in lines] == [[name, str(len(VALUE))] for name in ("A", "B")]
    assert all(line.split()[-2:] == ["never", "never"] for line in lines)
    listed = secretctl(agent, "ls", "--json").json
    assert listed["owner"] == "alice" and [secret["name"] for secret in listed["secrets"]] == ["A", "B"]


def test_secretctl_rm_removes_secrets_and_reports_missing_one(agent):
    for name in ("A", "B"):
        secretctl(agent, "set", name, stdin=VALUE.encode())
    done = secretctl(agent, "rm", "A", "NONE", "B")
    assert done.code == REFUSED and done.out == "A is removed\nB is removed\n"
    assert done.err.startswith("secretctl: ") and "NONE" in done.err and done.err.count("\n") == 1
    secretctl(agent, "rm", "A").is_error(REFUSED, "A")
    secretctl(agent, "set", "A", stdin=b"x")
    assert secretctl(agent, "rm", "A", "--json").json == {"removed": ["A"]}


def test_secretctl_rename_changes_name_and_overwrites_nothing(agent):
    secretctl(agent, "set", "A", stdin=VALUE.encode())
    secretctl(agent, "set", "TAKEN", stdin=b"x")
    done = secretctl(agent, "rename", "A", "B")
    assert (done.code, done.out) == (FINE, "A is now B; jobs that request A no longer find it\n")
    assert value_in_a_run(agent, "B") == (len(VALUE), "user")
    secretctl(agent, "rename", "A", "C").is_error(REFUSED, "A")
    secretctl(agent, "rename", "B", "TAKEN").is_error(REFUSED, "TAKEN")
    assert secretctl(agent, "rename", "B", "C", "--json").json["name"] == "C"


# ---- workspaces -------------------------------------------------------------------------------------


def test_secretctl_workspace_is_changed_by_admin_and_used_by_member(agent):
    assert secretctl(agent, "ls", "--workspace", "lab").out.startswith("workspace lab has no secrets; set one with: ")
    done = secretctl(agent, "set", "LICENSE", "--workspace", "lab", stdin=VALUE.encode())
    assert (done.code, done.out) == (FINE, f"LICENSE is set in workspace lab: {len(VALUE)} bytes\n")
    assert "LICENSE" in secretctl(agent, "ls", "--workspace", "lab").out
    assert "LICENSE" not in secretctl(agent, "ls").out
    rows = [line.split() for line in secretctl(agent, "workspaces").out.splitlines()]
    assert rows == [["WORKSPACE", "ROLE", "SECRETS"], ["lab", "admin", "1"]]
    assert secretctl(agent, "workspaces", user="bob").out.splitlines()[1].split() == ["lab", "member", "1"]

    row = secretctl(agent, "check", "LICENSE", user="bob").out.splitlines()[1].split()
    assert row == ["LICENSE", "LICENSE", str(len(VALUE)), "workspace", "lab"]
    secretctl(agent, "set", "LICENSE", user="bob", stdin=b"own")
    assert secretctl(agent, "check", "LICENSE", user="bob").out.splitlines()[1].split()[2:] == ["3", "user"]

    assert secretctl(agent, "ls", "--workspace", "lab", user="bob").out == "NAME\nLICENSE\n"
    for command in (["set", "LICENSE"], ["rm", "LICENSE"], ["rename", "LICENSE", "OTHER"]):
        secretctl(agent, *command, "--workspace", "lab", user="bob", stdin=b"x").is_error(REFUSED, "lab")
    secretctl(agent, "rename", "LICENSE", "OTHER", "--workspace", "lab")
    assert secretctl(agent, "rm", "OTHER", "--workspace", "lab").out == "OTHER is removed\n"


def test_secretctl_reports_missing_workspace_membership(agent):
    assert secretctl(agent, "workspaces", user="nobody").out.startswith("you are in no workspace")
    secretctl(agent, "ls", "--workspace", "lab", user="nobody").is_error(REFUSED, "lab")
    secretctl(agent, "ls", "--workspace", "nowhere").is_error(REFUSED, "nowhere")


# ---- watch ------------------------------------------------------------------------------------------


def test_secretctl_watch_prints_own_events_until_signal(agent):
    account = pwd.getpwnam("alice")
    for options, number in ((["--json"], signal.SIGINT), ([], signal.SIGTERM)):
        process = subprocess.Popen([SECRETCTL, "watch", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=environment_of(agent, "/nonexistent"), user=account.pw_uid,
                                   group=account.pw_gid, extra_groups=[])
        time.sleep(1)
        secretctl(agent, "set", "HIS", user="bob", stdin=b"x")
        secretctl(agent, "set", "TOKEN", stdin=VALUE.encode())
        line = process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
        assert (process.returncode, err) == (FINE, ""), err
        assert "TOKEN" in line and "HIS" not in line + out and "canary" not in line + out
        if options:
            assert {"time", "action", "level", "message"} <= set(json.loads(line))
        else:
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", line)


def test_secretctl_watch_survives_agent_restart(agent, tmp_path_factory):
    with own_agent() as other:
        process = subprocess.Popen([SECRETCTL, "watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment_of(other, "/nonexistent"))
        time.sleep(1)
        other.stop()
        assert "waiting for it" in process.stderr.readline()
        other.start()
        assert "responds again" in process.stderr.readline()
        other.push("r1", user={"A": "x"})
        poll(lambda: "r1" in process.stdout.readline(), 10, "the event of a push")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == FINE
        process.communicate()


# ---- without an agent or a store --------------------------------------------------------------------

ALL = [["ls"], ["rm", "A"], ["rename", "A", "B"], ["set", "A"], ["workspaces"], ["import", "-"], ["watch"]]


@pytest.mark.parametrize("command", ALL)
def test_secretctl_secret_commands_report_unreachable_agent(agent, command):
    done = secretctl(agent, *command, stdin=b"A=1", socket="/no/such/socket")
    done.is_error(UNREACHABLE, "cannot connect to the agent at /no/such/socket", "see: systemctl status slurm-secretsd")


def test_secretctl_secret_commands_report_missing_store(agent):
    with own_agent() as other:
        for command in (["ls"], ["set", "A"], ["rm", "A"], ["rename", "A", "B"], ["import", "-"]):
            secretctl(other, *command, stdin=b"A=1").is_error(REFUSED, "store")
        assert "users cannot store secrets on this node" in secretctl(other, "status").out


def test_secretctl_status_shows_memory_runs_holds_and_store(agent):
    secretctl(agent, "set", "TOKEN", stdin=VALUE.encode())
    out = secretctl(agent, "status", user="root").out
    for words in ("memory", "slabs", "runs", "holds", "store"):
        assert re.search(rf"^{words} ", out, re.MULTILINE), out
    file = agent.status()["store"]["file"]
    assert re.search(rf"^store +open, 1 secret of 1 owner, {re.escape(file)}$", out, re.MULTILINE), out
    secretctl(agent, "set", "TOKEN", "--workspace", "lab", stdin=VALUE.encode())
    assert "open, 2 secrets of 2 owners, " in secretctl(agent, "status", user="root").out


def test_secretctl_doctor_reports_open_store(agent):
    checks = secretctl(agent, "doctor", "--json").json["checks"]
    store = next(check for check in checks if check["name"] == "store and its key")
    assert store["state"] == "ok", store


# ---- values are never arguments ---------------------------------------------------------------------


def test_secretctl_processes_never_have_value_in_arguments(agent, home):
    """Traces secretctl and its children from beginning to end with strace."""
    write(home / ".env", f"TOKEN={VALUE}\n")
    for command in (["set", "TOKEN"], ["import", str(home / ".env")], ["push", "r1"], ["doctor"]):
        done = subprocess.run(["strace", "-f", "-v", "-s", "10000", "-e", "trace=execve", "-o", home / "trace", SECRETCTL,
                               *command], input=f"TOKEN={VALUE}".encode(), capture_output=True, timeout=60,
                              env=environment_of(agent, home), check=False)
        trace = (home / "trace").read_text()
        assert "execve(" in trace and "canary" not in trace, done.stderr
    agent.http("DELETE", "/v1/runs/r1")
    agent.http("DELETE", "/v1/secrets/TOKEN")
