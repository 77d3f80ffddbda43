# SPDX-License-Identifier: Apache-2.0
"""Promise: a process of a job reads what its job requested, as it is now, and nothing else; a secret that is requested
with :hold is in no environment; nobody outside the job is given anything."""

import contextlib
import os
import shutil
import socket
import threading
from pathlib import Path

import pytest
from harness import ALICE, BUILD, poll
from plugin_protocol import BUSY, GET, REFUSED, WIPE, message, reply_to, text_message

JOB = ("-wn1",)  # slurm-secrets-view of the tests knows the processes of n1 alone


@pytest.fixture
def ctl(cluster):
    return f"{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock"


@pytest.fixture
def values(cluster, canary):
    values = {"TOK": canary("TOK"), "OTHER": canary("OTHER")}
    cluster.push("run-inside", user=values)
    return values


@pytest.fixture
def run(cluster, values):
    def run(script, spec="TOK:hold", **options):
        return cluster.run_batch(script, *JOB, "--secrets-run=run-inside", f"--secret={spec}", **options)

    return run


@pytest.fixture
def waiting_job(cluster, values):
    """Runs a job that executes a script once the test has created the file `go`."""
    made = []

    def start(script, *options):
        wait = "echo >ready; while [ ! -e go ]; do sleep 0.05; done\n"
        job = cluster.sbatch(wait + script, *JOB, "--secrets-run=run-inside", *options)
        made.append(job)
        cluster.await_file("ready")
        return job

    def finish(job):
        (cluster.out / "go").touch()
        return cluster.wait(job)

    yield start, finish
    for name in ("ready", "go"):
        (cluster.out / name).unlink(missing_ok=True)


def get_message(spec):
    text = spec.encode()
    return message(GET, (5000).to_bytes(4, "little") + len(text).to_bytes(4, "little") + text)


def refused(done, sentence, code=1):
    assert done.out == ""
    assert f"secretctl: cannot read secrets of this job: {sentence}" in done.err, done.err
    assert done.code == code


# ---- held secrets -----------------------------------------------------------------------------------


def test_held_secret_is_in_no_environment_and_is_read_by_get(run, values, ctl):
    done = run(f"env; cat /proc/$PPID/environ | tr '\\0' '\\n'; srun -n1 env; echo got; {ctl} get TOK", "TOK:hold,OTHER")
    before, _, after = done.out.partition("got\n")
    assert values["TOK"] not in before and values["OTHER"] in before
    assert "SLURM_SECRETS=run:run-inside,TOK:hold,OTHER" in before
    assert "SLURM_SECRETS_SET=OTHER\n" in before
    assert (done.code, after) == (0, values["TOK"])


def test_held_secret_is_read_in_step_and_in_inner_command_of_stripped_environment(run, values, ctl):
    done = run(f"srun -n1 {ctl} get TOK; echo; env -i {ctl} get TOK; echo; setsid {ctl} get TOK")
    assert done.out.split() == [values["TOK"]] * 3, done.err


def test_held_secret_is_requested_by_inner_job(cluster, run, values, ctl):
    done = run(f"echo '#!/bin/bash\n{ctl} get TOK' >inner.sh; sbatch --parsable -wn1 --output=%A.out inner.sh")
    cluster.await_end(done.out.strip())
    assert (cluster.out / f"{done.out.strip()}.out").read_text() == values["TOK"]


def test_job_with_held_secret_has_hold_until_its_end(cluster, waiting_job):
    start, finish = waiting_job
    job = start("true", "--secret=TOK:hold")
    assert cluster.run("run-inside")["holds"][0]["job"] == int(job)
    finish(job)
    poll(lambda: cluster.run("run-inside")["holds"] == [], 10, "the end of the hold")


@pytest.mark.parametrize("spec", ["NOPE:hold", "TOK:hold,NOPE:hold"])
def test_job_fails_at_once_without_secret_that_is_to_be_held(cluster, values, spec):
    cluster.push("run-inside", user={**values, "NOPE": "taken back before the job starts"})
    job = cluster.sbatch("echo ran", "--hold", *JOB, "--secrets-run=run-inside", f"--secret={spec}")
    cluster.push("run-inside", user=values)
    cluster.scontrol("release", job)
    done = cluster.wait(job)
    assert done.code != 0 and done.out == ""
    assert "secret NOPE is not among the secrets of run run-inside" in done.err


# ---- get and exec -----------------------------------------------------------------------------------


def test_get_writes_exact_bytes(cluster, ctl):
    every_byte = bytes(range(256))
    cluster.push("run-bytes", user={"BLOB": every_byte, "LINE": "two\nlines\n", "NONE": ""})
    done = cluster.run_batch(f"for name in BLOB LINE NONE; do {ctl} get $name | od -An -v -tx1 | tr -d ' \\n'; echo; done",
                             *JOB, "--secrets-run=run-bytes", "--secret=BLOB:hold,LINE:hold,NONE:hold")
    assert done.out.split("\n")[:3] == [every_byte.hex(), b"two\nlines\n".hex(), ""]


@pytest.mark.parametrize("spec", ["TOK", "TOK=RENAMED", "TOK:file", "TOK:hold", "OTHER,TOK=X:hold"])
def test_get_reads_each_form_of_request_by_name(run, values, ctl, spec):
    done = run(f"{ctl} get TOK", spec)
    assert (done.code, done.out) == (0, values["TOK"]), done.err


def test_get_reads_run_that_is_requested_whole(cluster, values, ctl):
    done = cluster.run_batch(f"{ctl} get OTHER; {ctl} get ABSENT", *JOB, "--secrets-run=run-inside")
    assert done.out == values["OTHER"]
    assert "secret ABSENT is not among the secrets of this job" in done.err


def test_exec_runs_command_with_all_that_the_job_requested(run, values, ctl):
    done = run(f"unset OTHER; {ctl} exec -- sh -c 'echo $TOK $OTHER $0' zero; echo ${{TOK-missing}}", "TOK:hold,OTHER")
    assert done.out.split() == [values["TOK"], values["OTHER"], "zero", "missing"], done.err


def test_exec_renames_and_makes_files(run, values, ctl):
    done = run(f"{ctl} exec --secret TOK=PGPASSWORD --secret OTHER:file,NOPE? -- "
               "bash -c 'exec 3>log 4>log; echo $PGPASSWORD $(cat $OTHER_FILE) ${NOPE-none}; sh -c \"cat $OTHER_FILE\"; echo; "
               "stat -Lc %a:%U $OTHER_FILE; rm log'", "TOK:hold,OTHER:hold")
    assert done.out.split() == [values["TOK"], values["OTHER"], "none", values["OTHER"], "400:alice"], done.err


def test_exec_passes_on_arguments_exit_code_and_core_limit(run, ctl):
    done = run(f"ulimit -Sc 77; {ctl} exec -- bash -c 'ulimit -Sc; echo \"$1\"; exit 7' bash --json; echo $?; "
               f"{ctl} exec -- /nowhere/command; echo $?; {ctl} exec -- /etc/passwd; echo $?")
    assert done.out.split() == ["77", "--json", "7", "127", "126"]
    assert "secretctl: cannot run /nowhere/command: No such file or directory" in done.err


def test_get_writes_to_terminal_only_with_show(run, values, ctl):
    done = run(f"script -qec '{ctl} get TOK' /dev/null; echo code $?; script -qec '{ctl} get TOK --show' /dev/null")
    before, _, after = done.out.partition("code 2\n")
    assert "cannot write a value to a terminal without --show" in before and values["TOK"] not in before
    assert after.split() == [values["TOK"]]


@pytest.mark.parametrize("items", ["--secret ''", "--secret OTHER --secret ''", "--secret ${UNSET-} --secret OTHER"])
def test_exec_refuses_empty_item_and_gives_nothing(run, ctl, items):
    done = run(f'{ctl} exec {items.replace("${UNSET-}", chr(34) + "$UNSET" + chr(34))} -- printenv; echo $?', "TOK:hold,OTHER:hold")
    assert done.out == "2\n"
    assert "secretctl: --secret names no secret: its text is empty" in done.err


def test_get_reads_name_of_64_characters(cluster, ctl, canary):
    name, value = "N" * 64, canary()
    cluster.push("run-long", user={name: value})
    done = cluster.run_batch(f"{ctl} get {name}", *JOB, "--secrets-run=run-long", f"--secret={name}:hold")
    assert done.out == value, done.err


def test_exec_leaves_out_binary_value_unless_it_is_named(cluster, ctl):
    cluster.push("run-binary", user={"BLOB": bytes(range(256)), "TEXT": "text"})
    done = cluster.run_batch(f"{ctl} exec -- sh -c 'echo $TEXT ${{BLOB-none}}'; {ctl} exec --secret BLOB -- true; echo $?; "
                             f"{ctl} exec --secret BLOB:file -- sh -c 'wc -c <$BLOB_FILE'",
                             *JOB, "--secrets-run=run-binary", "--secret=BLOB:hold,TEXT:hold")
    assert done.out.split() == ["text", "none", "1", "256"], done.err
    assert "secretctl: left out BLOB: a NUL byte is in the value" in done.err
    assert "secret BLOB has a NUL byte, which no variable can hold; request it as BLOB:file" in done.err


def test_many_processes_read_at_once(run, values, ctl):
    done = run(f"for i in $(seq 128); do {ctl} get TOK & done; wait")
    assert done.out == values["TOK"] * 128, done.err


def test_processes_that_keep_what_they_were_given_lock_no_more_memory(cluster, run, ctl):
    keep = f"""python3 - <<'END'
import array, socket, struct
kept = []
for _ in range(300):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.connect("{cluster.dir}/run/job.sock")
    s.send({get_message("TOK")!r})
    _, ancillary, _, _ = s.recvmsg(65536, socket.CMSG_SPACE(4))
    kept.append(array.array("i", ancillary[0][2])[0])
import os
print(len(kept), len({{os.fstat(fd).st_ino for fd in kept}}))
END"""
    assert run(keep).out.split() == ["300", "1"]


# ---- rotated and ended values -----------------------------------------------------------------------


def test_get_reads_value_that_was_pushed_again(cluster, waiting_job, values, ctl, canary):
    start, finish = waiting_job
    job = start(f"{ctl} get TOK; echo; {ctl} exec -- printenv OTHER; printenv OTHER", "--secret=TOK:hold,OTHER")
    rotated = {"TOK": canary("TOK"), "OTHER": canary("OTHER")}
    cluster.push("run-inside", user=rotated)
    assert finish(job).out.split() == [rotated["TOK"], rotated["OTHER"], values["OTHER"]]


def test_get_is_refused_when_run_was_completed(cluster, waiting_job, ctl):
    start, finish = waiting_job
    job = start(f"{ctl} get TOK", "--secret=TOK:hold")
    cluster.complete("run-inside")
    refused(finish(job), "run run-inside was completed")


def test_get_survives_restart_of_agent_only_with_what_is_still_known(cluster, waiting_job, values, ctl):
    start, finish = waiting_job
    job = start(f"{ctl} get TOK", "--secret=TOK:hold")
    cluster.agent_restart()  # without systemd nothing outlives the agent
    refused(finish(job), f"job {job} holds no secrets on this node: it requested none, or has ended")


# ---- denials ----------------------------------------------------------------------------------------


def test_get_is_refused_outside_of_jobs(cluster, values, ctl):
    for user in ("alice", "root"):
        done = cluster.as_user(user, [*ctl.split(), "get", "TOK"])
        refused(done, "this process is not in a job on this node, according to slurmd")


def test_get_is_refused_for_name_that_was_never_requested(run, values, ctl):
    done = run(f"{ctl} get OTHER")
    refused(done, "job ")
    assert "did not request the secret OTHER; request it when you submit: sbatch --secret=OTHER:hold" in done.err


def test_get_is_refused_in_job_without_secrets(cluster, values, ctl):
    done = cluster.run_batch(f"{ctl} get TOK", *JOB)
    refused(done, "job ")
    assert "holds no secrets on this node: it requested none, or has ended" in done.err


def test_get_is_refused_to_another_user_in_the_job(cluster, run, ctl):
    """A program that runs as bob inside alice's job."""
    program = cluster.out / "as-bob"
    shutil.copy(BUILD / "secretctl", program)
    shutil.chown(program, "bob")
    program.chmod(0o4755)
    try:
        done = run(f"./as-bob {ctl.partition(' ')[2]} get TOK")
    finally:
        program.unlink()
    refused(done, "job ")
    assert "belongs to another user" in done.err


def test_get_is_refused_after_epilog(cluster, waiting_job, ctl):
    start, finish = waiting_job
    job = start(f"{ctl} get TOK", "--secret=TOK:hold")
    kind, receipt, _ = reply_to(type("Agent", (), {"node_socket": cluster.dir / "run" / "node.sock"}),
                                message(WIPE, int(job).to_bytes(4, "little")))
    assert "was wiped" in receipt
    refused(finish(job), f"job {job} holds no secrets on this node")


@pytest.mark.parametrize("item", ["run:run-inside", "none", "workspace:lab,TOK", "-TOK,TOK"])
def test_exec_accepts_only_names(run, ctl, item):
    done = run(f"{ctl} exec --secret {item} -- echo ran")
    refused(done, "only names of secrets are accepted in a job")


def test_get_tells_apart_that_nobody_can_tell(cluster, waiting_job, ctl):
    start, finish = waiting_job
    job = start(f"{ctl} get TOK", "--secret=TOK:hold")
    with cluster.daemon_frozen("slurm-secrets-view"):
        done = finish(job)
    refused(done, "slurm-secrets-view did not answer", code=3)


@contextlib.contextmanager
def cgroup_of_job(name):
    """Yields a command that starts another one in a cgroup like that of a job's step."""
    bases = [Path("/sys/fs/cgroup", name) for name in ("", "unified", "pids")]
    base = next((base for base in bases if (base / "cgroup.procs").exists()), None)
    if base is None:
        pytest.skip("no cgroups")
    group = base / f"slurm-{os.getpid()}" / name
    group.mkdir(parents=True)
    try:
        yield ["sh", "-c", f'echo $$ >{group}/cgroup.procs; exec "$@"', "sh"]
    finally:
        poll(lambda: not (group / "cgroup.procs").read_text(), 10, "the end of the command")
        while group != base:
            group.rmdir()
            group = group.parent


@pytest.mark.parametrize("name", ["uid_1001/job_4000000000/step_0", "s0123456789ABC/step_batch"])
def test_get_tells_apart_that_slurmd_left_out_the_step(cluster, values, ctl, name):
    with cgroup_of_job(name) as prefix:
        done = cluster.as_user("root", [*prefix, *ctl.split(), "get", "TOK"])
    refused(done, "slurmd does not know this process as one of a job now, although it is in the cgroup of one", code=3)


@contextlib.contextmanager
def agent_that_answers(path, reply):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(str(path))
    path.chmod(0o666)
    server.listen()

    def serve():
        connection, _ = server.accept()
        connection.recv(65536)
        connection.send(reply)
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join(10)
        server.close()
        path.unlink()


@pytest.mark.parametrize("kind, text, code, sentence", [
    (REFUSED, "a message of unknown type 6", 3, "slurm-secretsd on this node is older than secretctl"),
    (BUSY, "too many open connections to this socket", 3, "too many open connections to this socket"),
    (REFUSED, "no", 1, "no"),
])
def test_get_prints_one_sentence_for_each_kind_of_refusal(cluster, kind, text, code, sentence):
    path = cluster.dir / "other-job.sock"
    with agent_that_answers(path, text_message(kind, text)):
        done = cluster.as_user("alice", [BUILD / "secretctl", "--job-socket", path, "get", "TOK"])
    refused(done, sentence, code)
    assert len(done.err.splitlines()) == 1


def test_get_without_agent_says_so(cluster):
    done = cluster.as_user("alice", [BUILD / "secretctl", "--job-socket", "/nowhere/job.sock", "get", "TOK"])
    refused(done, "the agent on this node does not answer", 3)


# ---- records ----------------------------------------------------------------------------------------


def test_reads_are_recorded_once_for_each_name_of_a_job_and_denials_with_their_reason(cluster, run, ctl):
    done = run(f"for i in 1 2 3; do {ctl} get TOK >/dev/null; done; {ctl} get OTHER >/dev/null; "
               f"{ctl} get NEVER >/dev/null; echo $SLURM_JOB_ID", "TOK:hold,OTHER")
    job = done.out.strip()
    log = cluster.agent_log()
    assert log.count(f"a process of job {job} of uid {ALICE} was granted TOK") == 1
    assert log.count(f"a process of job {job} of uid {ALICE} was granted OTHER") == 1
    assert f"a process of job {job} of uid {ALICE} was refused secrets: job {job} did not request the secret NEVER" in log
