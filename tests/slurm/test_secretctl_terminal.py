# SPDX-License-Identifier: Apache-2.0
"""secretctl set at a terminal: does not show what is typed, and restores the terminal."""

import signal

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
    with Terminal(["bash", "--norc", "--noprofile", "--noediting", "-i"], environment=environment) as terminal:
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
