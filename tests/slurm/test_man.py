# SPDX-License-Identifier: Apache-2.0
"""Man pages: render without warnings, and name every command, option, key and argument."""

import os
import re
import subprocess

import pytest

from harness import BUILD, PROJECT

PAGES = ["secretctl.1", "slurm-secrets.yaml.5", "spank_secrets.7", "slurm-secretsd.8", "slurm-secrets-view.8"]


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60,
                          env=os.environ | {"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})


def text_of(page):
    text = output_of("man", "-l", "--no-hyphenation", BUILD / "docs/man" / page).stdout
    return re.sub("-\n +", "-", re.sub(".\b", "", text))  # a line may end within an option's name


@pytest.mark.parametrize("page", PAGES)
def test_man_page_renders_without_warnings(page):
    path = BUILD / "docs/man" / page
    done = output_of("man", "-l", "--warnings", path)
    assert done.stderr == "" and len(done.stdout.splitlines()) > 30
    assert output_of("mandoc", "-Tlint", "-W", "error", path).stdout == ""


@pytest.mark.parametrize("page", PAGES)
def test_man_page_has_required_sections(page):
    text = text_of(page)
    name, section = page.rsplit(".", 1)
    assert text.splitlines()[0].startswith(f"{name.upper()}({section})")
    for heading in ("NAME", "DESCRIPTION", "SEE ALSO"):
        assert f"\n{heading}\n" in text
    assert re.search(rf"^ +{re.escape(name)} - ", text, re.MULTILINE)
    assert "--" in text or section == "5"  # and not a dash, which nobody can type


def test_man_page_names_every_secretctl_command_and_option():
    def secretctl(*arguments):
        return output_of(BUILD / "secretctl", *arguments).stdout

    text = text_of("secretctl.1")
    commands = [line.split("\t")[0] for line in secretctl("complete-names", "commands").splitlines()]
    assert len(commands) >= 14
    commands += [f"pki {line.split()[0]}" for line in secretctl("complete-names", "commands", "pki").splitlines()]
    for command in commands:
        assert re.search(rf"^ +{command}( |$)", text, re.MULTILINE), command
        for line in secretctl("complete-names", "options", command).splitlines():
            assert line.split("\t")[0] in text, line
    for code in re.findall(r"\b(\d) ", secretctl("--help").split("Exit codes")[1]):
        assert re.search(rf"^ +{code}( |$)", text, re.MULTILINE), code


@pytest.mark.parametrize("program", ["slurm-secretsd", "slurm-secrets-view"])
def test_man_page_names_every_option_of_service(program):
    text = text_of(f"{program}.8")
    for option in re.findall(r"--[a-z-]+", output_of(BUILD / program, "--help").stdout):
        assert option in text, option


def test_man_page_names_every_configuration_key():
    text = text_of("slurm-secrets.yaml.5")
    keys = re.findall(r"^#(?: {2,}(?:- )?)?([a-z_]+):(?: |$)", (PROJECT / "etc/agentd.yaml").read_text(), re.MULTILINE)
    assert len(keys) >= 20
    for key in keys:
        assert re.search(rf"\b{key}\b", text), key
    assert "/etc/slurm-secrets/agentd.yaml" in text


def test_man_page_names_every_plugin_argument_and_option():
    text = text_of("spank_secrets.7")
    example = (PROJECT / "etc/plugstack.conf.example.in").read_text()
    arguments = re.findall(r"^# +(\w+)=", example, re.MULTILINE)
    assert len(arguments) >= 5
    for argument in arguments:
        assert f"{argument}=" in text, argument
    for option in ("--secret=", "--secrets-run=", "--secrets=none"):
        assert option in text, option
