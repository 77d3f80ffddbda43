# SPDX-License-Identifier: Apache-2.0
"""Store under the real unit: its key is made at the first start and sealed by systemd, stored secrets survive
restarts, kills and a stop, and an agent that can't open its store says why and goes on with runs."""

import contextlib
import json
import re
import time

from harness import poll
from machines import AGENT, CONFIG, KEY_UNITS

STORE = "var/lib/slurm-secrets/store.db"
KEY = "etc/slurm-secrets/store.key.cred"
PAUSE = "slurm-secrets-pause.service"


def secretctl(machine, user, *arguments, input=None):
    return machine.as_user(user, ["secretctl", *arguments], input=input)


def job_gets_stored_value(machine, value):
    done = machine.srun("--secret=KEPT", "printenv", "KEPT")
    return done.out == value + "\n"


def test_first_start_makes_private_store_and_sealed_key(machine):
    def stat(path):
        return machine.enter("stat", "-c", "%a %U", f"/{path}").out.strip()

    assert stat("var/lib/slurm-secrets") == "700 slurm-secrets"
    assert stat(STORE) == "600 slurm-secrets"
    assert stat(KEY) == "600 root"
    assert "made the store's key" in machine.journal(unit=KEY_UNITS)
    # The key is sealed: the file has more than 32 bytes, and what systemd decrypts from it has 32.
    sealed = (machine.root / KEY).read_bytes()
    clear = machine.enter("sh", "-c", f"systemd-creds decrypt --name=store.key /{KEY} - | wc -c").out.strip()
    assert clear == "32" and len(sealed) > 100
    before = sealed
    machine.systemctl("restart", AGENT)
    machine.await_agent()
    assert (machine.root / KEY).read_bytes() == before


def test_stored_secret_survives_restart_kill_and_stop(machine, canary):
    value = canary()
    done = secretctl(machine, "alice", "set", "KEPT", input=value)
    assert done.code == 0, done.err
    assert job_gets_stored_value(machine, value)
    machine.restart_agent()
    assert job_gets_stored_value(machine, value)
    machine.kill_agent()
    assert job_gets_stored_value(machine, value)
    machine.systemctl("stop", AGENT)
    assert value.encode() not in (machine.root / STORE).read_bytes()
    machine.systemctl("start", AGENT)
    machine.await_agent()
    assert job_gets_stored_value(machine, value)
    assert secretctl(machine, "alice", "rm", "KEPT").code == 0
    assert not job_gets_stored_value(machine, value)


@contextlib.contextmanager
def closed_store(machine, canary, sentence):
    """Checks within the block that the agent was restarted with its store closed for that reason, and serves runs: a
    run that was pushed before the restart is still there."""
    value = canary()
    assert secretctl(machine, "alice", "set", "KEPT", input="stored").code == 0
    machine.push("kept-run", workspace={"TOKEN": value})
    yield
    begin = time.time()
    machine.systemctl("restart", AGENT)
    machine.await_agent()
    machine.await_journal(f"the store is closed, only runs are served: .*{re.escape(sentence)}", begin)
    assert "the store is closed" in machine.show("StatusText")
    done = machine.srun("--secrets-run=kept-run", "--secret=TOKEN", "printenv", "TOKEN")
    assert (done.code, done.out) == (0, value + "\n"), done.err
    refused = machine.srun("--secrets-run=kept-run", "--secret=KEPT", "true")
    assert refused.code != 0 and "cannot look up secret KEPT: the agent's store is closed" in refused.err, refused.err
    refused = secretctl(machine, "alice", "set", "OTHER", input="value")
    assert refused.code != 0 and "the agent's store is closed" in refused.err, refused.err
    assert sentence in secretctl(machine, "root", "status").out
    checks = json.loads(machine.as_user("root", ["secretctl", "doctor", "--json"]).out)["checks"]
    check = next(check for check in checks if check["name"] == "store and its key")
    assert check["state"] == "fail" and sentence in check["sentence"], check
    time.sleep(1)
    assert machine.show("NRestarts") == "0"
    machine.complete("kept-run")


def open_again(machine):
    machine.systemctl("restart", AGENT)
    machine.await_agent()
    assert machine.status()["store"]["state"] == "open"


def test_missing_store_key_closes_store_and_is_never_replaced(machine, canary):
    key = machine.root / KEY
    away = key.with_suffix(".away")
    sentence = "its key /etc/slurm-secrets/store.key.cred does not; restore the key from a backup, or move"
    with closed_store(machine, canary, sentence):
        key.rename(away)
    assert not key.exists()
    away.rename(key)
    open_again(machine)
    assert job_gets_stored_value(machine, "stored")


def test_wrong_store_key_closes_store(machine, canary):
    key = machine.root / KEY
    right = key.read_bytes()
    sentence = "cannot open the store /var/lib/slurm-secrets/store.db: it is sealed under the key "
    with closed_store(machine, canary, sentence):
        machine.enter("sh", "-c", "umask 077; head -c 32 /dev/urandom | "
                                  f"systemd-creds encrypt --name=store.key - /{KEY}")
    key.write_bytes(right)
    open_again(machine)
    assert job_gets_stored_value(machine, "stored")


def test_store_key_of_another_host_closes_store_and_both_ways_out_work(machine, canary):
    host_key = "/var/lib/systemd/credential.secret"
    sentence = ("this host cannot decrypt the store's key /etc/slurm-secrets/store.key.cred (Decryption failed "
                "(incorrect key?)); restore the key that encrypted it")
    machine.enter("cp", "-p", host_key, "/root/host.key")
    with closed_store(machine, canary, sentence):
        machine.enter("sh", "-ec", f"rm {host_key}; systemd-creds setup")
    machine.enter("sh", "-ec", f"chattr -i {host_key} 2>/dev/null || true; cp -p {host_key} /root/new.key; "
                               f"cp -p /root/host.key {host_key}")
    open_again(machine)
    assert job_gets_stored_value(machine, "stored")
    machine.enter("sh", "-ec", f"cp -p /root/new.key {host_key}; mv /{KEY} /{STORE} /root")
    open_again(machine)
    assert machine.status()["store"]["secrets"] == 0
    assert secretctl(machine, "alice", "set", "KEPT", input="anew").code == 0
    assert job_gets_stored_value(machine, "anew")
    machine.enter("rm", "/root/store.key.cred", "/root/store.db", "/root/host.key", "/root/new.key")
    assert secretctl(machine, "alice", "rm", "KEPT").code == 0


def test_store_key_that_does_not_come_closes_store(machine, canary):
    """The socket from which systemd reads the key is gone, as after a partial upgrade."""
    with closed_store(machine, canary, "slurm-secrets-key.socket is not active"):
        machine.systemctl("stop", "slurm-secrets-key.socket")  # which removes it; a masked one would stay
        machine.systemctl("mask", "--runtime", "slurm-secrets-key.socket")
    machine.systemctl("unmask", "--runtime", "slurm-secrets-key.socket")
    open_again(machine)
    assert secretctl(machine, "alice", "rm", "KEPT").code == 0


def test_restarts_of_agent_that_cannot_start_back_off(machine):
    good = (machine.root / CONFIG).read_text()
    begin = time.time()
    try:
        machine.write(CONFIG, good + "unknown: key\n")
        machine.systemctl("restart", AGENT, check=False)
        poll(lambda: machine.show("ActiveState", PAUSE) == "activating", 30, "a pause before a start")
        starts, begin = int(machine.show("NRestarts")), time.time()
        time.sleep(20)
        assert int(machine.show("NRestarts")) - starts <= 5
        assert len(machine.journal(begin).splitlines()) < 60
    finally:
        machine.write(CONFIG, good)
        machine.systemctl("restart", AGENT)
        machine.await_agent()
        machine.enter("rm", "-f", "/run/slurm-secrets.ends")


def test_documented_store_backup_and_rekey_work(machine, canary):
    value = canary()
    assert secretctl(machine, "alice", "set", "KEPT", input=value).code == 0
    machine.enter("slurm-secretsd", "--backup", "/root/store.backup.db")
    assert secretctl(machine, "alice", "rm", "KEPT").code == 0
    machine.enter("sh", "-ec", """
        install -o slurm-secrets -g slurm-secrets -m 600 /root/store.backup.db /var/lib/slurm-secrets/store.db.new
        mv /var/lib/slurm-secrets/store.db.new /var/lib/slurm-secrets/store.db
        rm /root/store.backup.db
        systemctl restart slurm-secretsd""")
    machine.await_agent()
    assert job_gets_stored_value(machine, value)
    machine.enter("sh", "-ec", """
        umask 077
        head -c 32 /dev/urandom >/run/new.key
        systemd-creds decrypt --name=store.key /etc/slurm-secrets/store.key.cred /run/old.key
        slurm-secretsd --rekey /run/new.key --key /run/old.key
        systemd-creds encrypt --name=store.key /run/new.key /etc/slurm-secrets/store.key.cred""")
    assert job_gets_stored_value(machine, value)
    refused = secretctl(machine, "alice", "set", "OTHER", input="value")
    assert refused.code != 0 and "restart it" in refused.err
    machine.enter("sh", "-ec", "systemctl restart slurm-secretsd; shred -u /run/new.key /run/old.key")
    machine.await_agent()
    assert job_gets_stored_value(machine, value)
    assert secretctl(machine, "alice", "rm", "KEPT").code == 0
