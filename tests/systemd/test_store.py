# SPDX-License-Identifier: Apache-2.0
"""Store under the real unit: its key is made at the first start and sealed by systemd, stored secrets survive
restarts, kills and a stop, and an agent that can't read its store says so and does not start."""

import time

from machines import AGENT

STORE = "var/lib/slurm-secrets/store.db"
KEY = "etc/slurm-secrets/store.key.cred"


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
    assert "made the store's key" in machine.journal(unit="slurm-secrets-key.service")
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


def test_missing_store_key_is_reported_and_never_replaced(machine):
    key = machine.root / KEY
    away = key.with_suffix(".away")
    machine.systemctl("stop", AGENT)
    key.rename(away)
    begin = time.time()
    try:
        machine.systemctl("start", AGENT, check=False)
        machine.await_journal("its key /etc/slurm-secrets/store.key.cred does not; restore the key", begin,
                              unit="slurm-secrets-key.service")
        assert machine.show("ActiveState") != "active"
        assert not key.exists()
    finally:
        machine.systemctl("stop", AGENT, check=False)
        away.rename(key)
        machine.systemctl("reset-failed", check=False)
        machine.systemctl("start", AGENT)
        machine.await_agent()


def test_wrong_store_key_prevents_start_with_reason(machine):
    key = machine.root / KEY
    right = key.read_bytes()
    machine.systemctl("stop", AGENT)
    begin = time.time()
    try:
        machine.enter("sh", "-c", "umask 077; head -c 32 /dev/urandom | "
                                  f"systemd-creds encrypt --name=store.key - /{KEY}")
        machine.systemctl("start", AGENT, check=False)
        machine.await_journal("cannot open the store /var/lib/slurm-secrets/store.db: it is sealed under the key ", begin)
        machine.systemctl("stop", AGENT, check=False)
    finally:
        key.write_bytes(right)
        machine.systemctl("start", AGENT)
        machine.await_agent()


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
