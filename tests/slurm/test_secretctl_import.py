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
    assert done.json["imported"] == [{"name": "TOKEN", "bytes": len(VALUE), "replaces": False}]
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


def test_secretctl_import_skip_option_leaves_out_names(agent):
    text = "".join(f"T{n}={VALUE}\n" for n in range(20)) + "ENV=production\nPATH=$HOME/bin\n"
    done = secretctl(agent, "import", "-", stdin=text.encode())
    done.is_error(BAD_INPUT, "line 21 of standard input: invalid secret name 'ENV'", "; --skip ENV leaves it out")
    done = secretctl(agent, "import", "-", "--skip", "ENV", "--skip", "PATH", stdin=text.encode())
    assert done.code == FINE and done.out.startswith("20 secrets are set: T0 T1 ")
    secretctl(agent, "import", "-", "--skip", "NONE", stdin=b"A=1").is_error(BAD_INPUT, "has no 'NONE' to skip")
    secretctl(agent, "import", "-", "--skip", "A", "--only", "A", stdin=b"A=1").is_error(BAD_INPUT, "excludes")


def test_secretctl_import_says_what_is_replaced_also_in_dry_run(agent):
    secretctl(agent, "set", "OLD", stdin=b"earlier")
    text = f"NEW={VALUE}\nOLD={VALUE}\n".encode()
    dry = secretctl(agent, "import", "-", "--dry-run", stdin=text)
    assert [line.split()[:3] for line in dry.out.splitlines()[:3]] == [
        ["NAME", "BYTES", "WOULD"], ["NEW", str(len(VALUE)), "set"], ["OLD", str(len(VALUE)), "replaced"]]
    assert (dry.code, dry.err) == (FINE, "")
    listed = secretctl(agent, "import", "-", "--dry-run", "--json", stdin=text).json["would_import"]
    assert [(each["name"], each["replaces"]) for each in listed] == [("NEW", False), ("OLD", True)]
    assert secretctl(agent, "check", "OLD").out.splitlines()[1].split()[2] == str(len("earlier"))

    done = secretctl(agent, "import", "-", stdin=text)
    assert done.out == "2 secrets are set: NEW OLD\nEarlier values were replaced: OLD\n"
    listed = secretctl(agent, "import", "-", "--json", stdin=text).json["imported"]
    assert [each["replaces"] for each in listed] == [True, True]


def test_secretctl_import_dry_run_goes_on_without_agent(agent):
    dry = secretctl(agent, "import", "-", "--dry-run", stdin=b"A=1", socket="/no/such/socket")
    assert dry.code == FINE and dry.out.splitlines()[1].split()[:3] == ["A", "1", "-"]
    assert dry.err.startswith("secretctl: note: cannot show what would be replaced: cannot connect to the agent")
    dry = secretctl(agent, "import", "-", "--dry-run", "--json", stdin=b"A=1", socket="/no/such/socket")
    assert dry.json == {"would_import": [{"name": "A", "bytes": 1}]}


def test_secretctl_import_leaves_out_empty_value_which_would_hide_that_of_workspace(agent):
    secretctl(agent, "set", "OPENAI_API_KEY", "--workspace", "lab", stdin=VALUE.encode())
    done = secretctl(agent, "import", "-", user="bob", stdin=b"OPENAI_API_KEY=\nB18=1\n")
    assert (done.code, done.out) == (FINE, "1 secret is set: B18\n")
    assert done.err == ("secretctl: note: standard input has no value for OPENAI_API_KEY, and nothing is set for it\n")
    assert value_in_a_run(agent, "OPENAI_API_KEY", "bob") == (len(VALUE), "workspace")


def test_secretctl_import_reads_files_of_windows(agent, home):
    file = home / ".env"
    file.write_bytes(b'\xef\xbb\xbfB17=1\r\nKEY="X-----\r\nabc\r\n---"\r\n')
    done = secretctl(agent, "import", file)
    assert done.code == FINE and done.err == ""
    assert value_in_a_run(agent, "KEY") == (len("X-----\nabc\n---"), "user") and value_in_a_run(agent, "B17")[0] == 1
    store = home / "store.json"
    store.write_text('[{"name":"TOKEN","value":"x"}]', encoding="utf-8-sig")
    assert secretctl(agent, "import", store).code == FINE
    store.write_text("TOKEN=x\n", encoding="utf-16")
    secretctl(agent, "import", store).is_error(BAD_INPUT, f"{store} is UTF-16 text", "iconv -f UTF-16 -t UTF-8")


def test_secretctl_import_reports_what_was_set_before_agent_error(agent):
    done = secretctl(agent, "import", "-", stdin=f"A-B=1\nC=2\nA_B={VALUE}\n".encode())
    done.is_error(REFUSED, "line 3 of standard input: ", "A_B", "2 of 3 are set: A-B C; fix the input and import again")
