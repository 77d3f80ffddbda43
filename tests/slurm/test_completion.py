# SPDX-License-Identifier: Apache-2.0
"""Completion of secretctl in bash and zsh, typed at a real terminal."""

import shutil
import subprocess

import pytest

from harness import BUILD, PROJECT
from own_agent import own_agent
from terminal import Terminal

COMPLETIONS = PROJECT / "etc/completions"
START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {folder}/secretctl.bash"),
    "zsh": (["zsh", "-f", "-i"],
            "unset zle_bracketed_paste; setopt no_prompt_sp; fpath=({folder} $fpath); "
            "autoload -Uz compinit; compinit -u -D"),
}


@pytest.fixture(scope="module")
def agent():
    with own_agent() as agent:
        agent.push("demo-1", user={"A": "x"})
        agent.push("of-bob", owner="bob")
        yield agent


@pytest.fixture(scope="module", params=START)
def shell(request, agent):
    """Starts a shell of alice with the completion loaded."""
    command, load = START[request.param]
    assert shutil.which(command[0])
    environment = {"PATH": f"{BUILD}:/usr/bin:/bin", "TERM": "dumb", "PS1": "ready> ", "HOME": "/nonexistent",
                   "SLURM_SECRETS_SOCKET": str(agent.control_socket)}
    with Terminal(command, environment=environment) as terminal:
        terminal.type(load.format(folder=COMPLETIONS) + "; echo load''ed\n")
        terminal.wait_for("loaded\r\n")
        terminal.wait_for("ready> ")
        yield terminal


def completed(shell, typed):
    """Types a text and a Tab; returns the completed line, which echo then prints between two marks."""
    shell.type(typed + "\t")
    shell.read_for(0.5)
    shell.type("\x01echo be''gun \x05 do''ne\n")
    shell.wait_for("\nbegun ")
    line = shell.wait_for("done\r\n").removesuffix("done\r\n").strip()
    shell.wait_for("ready> ")
    return line


@pytest.mark.parametrize("typed, line", [
    ("secretctl stat", "secretctl status"),
    ("secretctl comp", "secretctl complete"),
    ("secretctl runs de", "secretctl runs demo-1"),
    ("secretctl --json complete ", "secretctl --json complete demo-1"),
    ("secretctl set --keep", "secretctl set --keep-newline"),
    ("secretctl --vers", "secretctl --version"),
    ("secretctl push x --scope wor", "secretctl push x --scope workspace"),
    ("secretctl check run:de", "secretctl check run:demo-1"),
    ("secretctl import /etc/nssw", "secretctl import /etc/nsswitch.conf"),
    ("secretctl runs of-b", "secretctl runs of-b"),
    ("secretctl pki iss", "secretctl pki issue"),
    ("secretctl pki init /etc/apt/sources.list.", "secretctl pki init /etc/apt/sources.list.d"),
    ("secretctl pki issue /x hub --serv", "secretctl pki issue /x hub --server"),
    ("secretctl nonsense x", "secretctl nonsense x"),
])
def test_shell_completes_secretctl_command_line(shell, typed, line):
    assert completed(shell, typed).removesuffix("/") == line  # zsh removes the slash behind a folder again


def test_complete_names_offers_every_command_and_option(agent):
    def secretctl(*arguments):
        return subprocess.run([BUILD / "secretctl", *arguments], capture_output=True, text=True, check=True).stdout

    commands = [line.split("\t")[0] for line in secretctl("complete-names", "commands").splitlines()]
    assert {"set", "ls", "rm", "rename", "import", "workspaces", "push", "complete", "runs", "check", "status", "watch",
            "doctor", "pki", "get", "exec", "web"} == set(commands)
    nested = [line.split("\t")[0] for line in secretctl("complete-names", "commands", "pki").splitlines()]
    assert nested == ["init", "issue"]
    for command in commands + [f"pki {name}" for name in nested]:
        offered = secretctl("complete-names", "options", command)
        for word in secretctl(*command.split(), "--help").replace(",", " ").split():
            assert not word.startswith("--") or word in offered or word == "--secret:", (command, word)


def test_complete_names_prints_nothing_without_agent(agent):
    done = subprocess.run([BUILD / "secretctl", "--socket", "/no/such", "complete-names", "secrets"],
                          capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
