# SPDX-License-Identifier: Apache-2.0
"""secretctl import: makes stored secrets of the files in which users have them today."""

import json

import pytest

from secretctl_client import (BAD_INPUT, FINE, REFUSED, VALUE, agent, home, no_secrets_are_left, secretctl,
                              value_in_a_run, write)


def test_secretctl_import_reads_env_file_and_warns_of_remaining_copy(agent, home):
    file = write(home / ".env", f"# said\nTOKEN='{VALUE}'\nPEM=\"{VALUE}\\n\"\n", mode=0o644)
    dry = secretctl(agent, "import", file, "--dry-run")
    assert dry.code == FINE and "TOKEN" in dry.out and "nothing is set" in dry.out
    assert secretctl(agent, "ls", "--json").json["secrets"] == []
    done = secretctl(agent, "import", file, "--expires", "90d")
    assert done.code == FINE and done.out.startswith("2 secrets are set: TOKEN PEM\n")
    assert f"line 3 of {file} has \\n" in done.err
    assert f"  {file} still contains the imported values; remove it; its mode is 0644, so others can read it" in done.out
    sizes = {secret["name"]: secret["bytes"] for secret in secretctl(agent, "ls", "--json").json["secrets"]}
    assert sizes == {"TOKEN": len(VALUE), "PEM": len(VALUE) + 1}


def test_secretctl_import_reads_nextflow_store_and_lists_copies(agent, home):
    store = write(home / ".nextflow/secrets/store.json", json.dumps([{"name": "TOKEN", "value": VALUE}]))
    left = write(store.parent / ".nf-1234.secrets", f'export TOKEN="{VALUE}"\n')
    history = write(home / ".bash_history", f"ls\nexport TOKEN={VALUE}\n")
    write(home / ".bashrc", "export MY_TOKEN=x\n")
    done = secretctl(agent, "import", store, "--json", home=home)
    assert done.json["imported"] == [{"name": "TOKEN", "bytes": len(VALUE)}]
    copies = {copy["path"]: copy["sentence"] for copy in done.json["copies"]}
    assert set(copies) == {str(store), str(left), str(history)}
    assert "remove it" in copies[str(store)] and "others" not in copies[str(store)]
    assert "Nextflow left it behind" in copies[str(left)]
    assert copies[str(history)].startswith("contains TOKEN; remove the lines")


def test_secretctl_import_only_option_takes_one_line_into_workspace(agent):
    text = f"if true; then\nPATH=$HOME:$PATH\nexport TOKEN={VALUE}\nfi\n".encode()
    done = secretctl(agent, "import", "-", "--only", "TOKEN", "--workspace", "lab", stdin=text)
    assert (done.code, done.out) == (FINE, "1 secret of workspace lab is set: TOKEN\n")
    assert value_in_a_run(agent, "TOKEN", "bob") == (len(VALUE), "workspace")


@pytest.mark.parametrize("text, sentence", [
    (f"A=1\nB=$({VALUE})", "line 2 of standard input has a $(...)"),
    (f"A=1\n{VALUE}", "line 2 of standard input is neither NAME=value nor export NAME=value"),
    (f"A=1\nPATH={VALUE}", "line 2 of standard input: invalid secret name 'PATH'"),
    (f"A=1\nA={VALUE}", "line 2 of standard input: duplicate name 'A'"),
    ("", "standard input contains no secret"),
])
def test_secretctl_import_sets_nothing_when_one_line_is_invalid(agent, text, sentence):
    secretctl(agent, "import", "-", stdin=text.encode()).is_error(BAD_INPUT, sentence)
    assert secretctl(agent, "ls", "--json").json["secrets"] == []


def test_secretctl_import_reports_what_was_set_before_agent_error(agent):
    done = secretctl(agent, "import", "-", stdin=f"A-B=1\nC=2\nA_B={VALUE}\n".encode())
    done.is_error(REFUSED, "line 3 of standard input: ", "A_B", "2 of 3 are set: A-B C; fix the input and import again")
