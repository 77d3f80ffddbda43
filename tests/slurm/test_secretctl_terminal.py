# SPDX-License-Identifier: Apache-2.0
"""secretctl set at a terminal: does not show what is typed, and restores the terminal."""

import signal
import time

import pytest

from harness import BUILD
from terminal import Terminal

SECRETCTL = str(BUILD / "secretctl")
BAD_INPUT, UNREACHABLE = 2, 3
VALUE = "canary-7b1f00d5-typed"
NOT_SHOWN = "value of TOKEN (not shown): "


def set_token(*options, environment=None):
    return Terminal([SECRETCTL, "--socket", "/no/such/socket", "set", "TOKEN", *options], environment=environment)


def test_secretctl_set_prompts_twice_and_never_echoes():
    with set_token() as terminal:
        shown = terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        terminal.type(VALUE + "\n")
        shown += terminal.wait_for("once more: ")
        terminal.wait_until_hidden()
        terminal.type(VALUE + "\n")
        code, rest = terminal.end()
        assert code == UNREACHABLE and "cannot connect to the agent" in rest
        assert "canary" not in shown + rest
        assert terminal.echoes()


@pytest.mark.parametrize("first, second, sentence", [
    (VALUE, VALUE + "x", "the two values differ; nothing is changed"),
    ("", None, "no value was typed; nothing is changed"),
    ("x" * 4094, None, "a terminal accepts lines of at most 4094 bytes"),
    ("\x04", None, "no value was typed"),
])
def test_secretctl_set_with_invalid_typed_value_changes_nothing(first, second, sentence):
    with set_token() as terminal:
        terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        terminal.type(first + "\n")
        if second is not None:
            terminal.wait_for("once more: ")
            terminal.wait_until_hidden()
            terminal.type(second + "\n")
        code, shown = terminal.end()
        assert code == BAD_INPUT and sentence in shown
        assert "canary" not in shown
        assert terminal.echoes()


# ---- a paste of several lines -----------------------------------------------------------------------

PEM = ["-----BEGIN canary KEY-----", "canaryMIIEpAIB", "canaryAAKCAQEA", "canaryabcdefgh", "-----END canary KEY-----"]
SEVERAL_LINES = "several lines were pasted or typed at once; nothing is changed"
BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"]
PASTE_BEGIN, PASTE_END = "\x1b[200~", "\x1b[201~"


def prompting_shell(kind="dumb"):
    """Starts a shell in which secretctl has just prompted for a value, so that the shell reads what secretctl leaves."""
    environment = {"PATH": "/usr/bin:/bin", "PS1": "ready> ", "TERM": kind}
    terminal = Terminal(BASH, environment=environment)
    terminal.wait_for("ready> ")
    terminal.type(f"{SECRETCTL} --socket /no/such set TOKEN\n")
    terminal.wait_for(NOT_SHOWN)
    terminal.wait_until_hidden()
    return terminal


def is_refused(terminal):
    """Waits for the refusal of a paste, and checks that the shell is given nothing of the paste."""
    shown = terminal.wait_for(SEVERAL_LINES)
    shown += terminal.wait_for("ready> ")
    time.sleep(0.3)
    terminal.type("echo co''de $?\n")
    shown += terminal.wait_for("code 2")
    shown += terminal.wait_for("ready> ")
    assert "canary" not in shown and "not found" not in shown and "once more" not in shown, shown
    assert terminal.echoes()


@pytest.mark.parametrize("pause", [0, 0.02, 0.05])
@pytest.mark.parametrize("last", ["\n", ""])
def test_secretctl_set_refuses_pasted_lines_and_leaves_nothing_for_the_shell(pause, last):
    with prompting_shell() as terminal:
        for part in "\n".join(PEM).splitlines(keepends=True)[:-1] + [PEM[-1] + last]:
            terminal.type(part)
            time.sleep(pause)
        is_refused(terminal)


@pytest.mark.parametrize("text", ["canary 1\ncanary 2", "\ncanary 1\n", "{\n", "canary\n\n" + "canary\n" * 900],
                         ids=["no newline at the end", "an empty line first", "JSON in two parts", "many lines"])
def test_secretctl_set_refuses_every_kind_of_pasted_lines(text):
    with prompting_shell() as terminal:
        terminal.type(text)
        if text == "{\n":
            time.sleep(0.05)
            terminal.type('  "canary": 1\n}\n')
        is_refused(terminal)


def test_secretctl_set_refuses_lines_pasted_at_the_second_prompt():
    with prompting_shell() as terminal:
        terminal.type(PEM[0] + "\n")
        terminal.wait_for("once more: ")
        terminal.wait_until_hidden()
        terminal.type("\n".join(PEM) + "\n")
        is_refused(terminal)


def test_secretctl_set_waits_for_end_of_bracketed_paste():
    with prompting_shell("xterm") as terminal:
        terminal.type(f"{PASTE_BEGIN}canary 1\n")
        time.sleep(1)  # longer than the pause after which the end of other input is assumed
        terminal.type(f"canary 2\n{PASTE_END}")
        is_refused(terminal)


@pytest.mark.parametrize("typed", [f"{PASTE_BEGIN}{VALUE}{PASTE_END}\n", f"{PASTE_BEGIN}{VALUE}\n{PASTE_END}",
                                   f"{VALUE[:5]}{PASTE_BEGIN}{VALUE[5:]}{PASTE_END}\n"],
                         ids=["a line", "a line with its newline", "the end of a line"])
def test_secretctl_set_takes_one_pasted_line_without_its_brackets(typed):
    with Terminal([SECRETCTL, "--socket", "/no/such/socket", "set", "TOKEN"], environment={"TERM": "xterm"}) as terminal:
        assert "\x1b[?2004h" in terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        terminal.type(typed)
        terminal.wait_for("once more: ")
        terminal.wait_until_hidden()
        terminal.type(VALUE + "\n")
        code, shown = terminal.end()
        assert code == UNREACHABLE and "cannot connect to the agent" in shown, shown
        assert "\x1b[?2004l" in shown and "\x1b[?2004h" not in shown and "canary" not in shown


@pytest.mark.parametrize("key", ["\x1b[D", "\x08", "\x1b[3~"], ids=["left", "other backspace", "delete"])
def test_secretctl_set_refuses_typed_control_character(key):
    with set_token() as terminal:
        terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        terminal.type(VALUE + key + "\n")
        code, shown = terminal.end()
        assert code == BAD_INPUT and "a control character" in shown and "canary" not in shown


@pytest.mark.parametrize("typed, number", [("\x03", signal.SIGINT), ("\x1c", signal.SIGQUIT), (None, signal.SIGTERM),
                                           (None, signal.SIGHUP)])
def test_secretctl_set_restores_echo_when_ended_by_signal(typed, number):
    with set_token() as terminal:
        terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        if typed:
            terminal.type(typed)
        else:
            terminal.send(number)
        code, _ = terminal.end()
        assert code == -number
        assert terminal.echoes()


def test_secretctl_set_can_be_stopped_and_resumed():
    environment = {"PATH": "/usr/bin:/bin", "PS1": "ready> ", "TERM": "dumb"}
    with Terminal(BASH, environment=environment) as terminal:
        terminal.wait_for("ready> ")
        terminal.type(f"{SECRETCTL} --socket /no/such set TOKEN\n")
        terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        terminal.wait_for("ready> ")
        assert terminal.echoes()
        terminal.type("fg\n")
        terminal.wait_for(NOT_SHOWN)
        terminal.wait_until_hidden()
        terminal.type("\n")
        terminal.wait_for("no value was typed")
        terminal.wait_for("ready> ")
        assert terminal.echoes()


def test_secretctl_uses_colour_only_on_terminal_that_wants_it():
    for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False),
                                  ({"TERM": "dumb"}, False), ({}, False)):
        with Terminal([SECRETCTL, "--socket", "/no/such/socket", "doctor"],
                      environment={"PATH": "/usr/bin:/bin", **environment}) as terminal:
            assert ("\x1b[" in terminal.wait_for("failed", 30)) == coloured, environment
