# SPDX-License-Identifier: Apache-2.0
"""Promise: a plugin that gives tasks a mount namespace of their own, above or below ours in plugstack.conf, costs a job no
secret, or fails it with a sentence; a process in a pid namespace reads what its job requested."""

import contextlib
import signal
import subprocess

import pytest
from harness import BUILD, poll
from own_agent import AGENT
from plugin_protocol import BUSY, reply_to
from test_inside_job import get_message

RUN = ("--secrets-run=run-namespaces", "-n1")
HOOKS = ("init_post_opt", "task_init_privileged", "task_init")
PLUGIN = BUILD / "namespace_plugin.so"
HIDDEN = "cannot give secret 'TOK' as a file: the task cannot read "


@pytest.fixture
def value(cluster, canary):
    value = canary("TOK")
    cluster.push("run-namespaces", user={"TOK": value})
    return value


@pytest.fixture
def namespace_plugin(cluster):
    """Adds the line of a plugin that covers a directory in a hook, `above` or `below` the line of ours."""
    plugstack = cluster.dir / "plugstack.conf"
    own = plugstack.read_text()
    agent = cluster.dir / "agent"  # what the agent has in /run: munge's socket and others stay visible
    agent.mkdir(exist_ok=True)
    if not (agent / "node.sock").is_symlink():
        (agent / "node.sock").symlink_to(cluster.dir / "run" / "node.sock")

    def write(text):
        """An epilog may read the file at any time."""
        (cluster.dir / "plugstack.new").write_text(text)
        (cluster.dir / "plugstack.new").rename(plugstack)

    def add(place, hook, directory, arguments=""):
        line = f"required {PLUGIN} {hook} {directory}\n"
        moved = own.replace(f"{cluster.dir}/run/node.sock", f"{agent}/node.sock").rstrip("\n") + f" {arguments}\n"
        write(line + moved if place == "above" else moved + line)

    yield add
    write(own)


@pytest.mark.parametrize("place", ["above", "below"])
@pytest.mark.parametrize("hook", HOOKS)
def test_namespace_with_private_directory_keeps_variables_and_files(cluster, value, namespace_plugin, place, hook):
    private = cluster.out / "private"
    private.mkdir(exist_ok=True)
    (private / "seen").touch()
    namespace_plugin(place, hook, private)
    done = cluster.srun(*RUN, "--secret=TOK,TOK=COPY:file", "bash", "-c", f"ls {private}; printenv TOK; cat $COPY_FILE")
    assert (done.code, done.out) == (0, f"{value}\n{value}"), done.err


@pytest.mark.parametrize("place, hook", [("below", "init_post_opt"), ("above", "task_init_privileged"),
                                         ("below", "task_init_privileged"), ("above", "task_init"), ("below", "task_init")])
def test_namespace_that_hides_sockets_keeps_variables(cluster, value, namespace_plugin, place, hook):
    namespace_plugin(place, hook, cluster.dir / "agent")
    done = cluster.srun(*RUN, "--secret=TOK", "bash", "-c", f"ls {cluster.dir}/agent; printenv TOK")
    assert (done.code, done.out) == (0, f"{value}\n"), done.err


@pytest.mark.parametrize("place, hook", [("below", "init_post_opt"), ("above", "task_init_privileged"),
                                         ("below", "task_init_privileged"), ("above", "task_init")])
def test_namespace_that_hides_files_fails_task_with_reason(cluster, value, namespace_plugin, place, hook):
    namespace_plugin(place, hook, cluster.dir / "run" / "jobs")
    done = cluster.srun(*RUN, "--secret=TOK:file", "echo", "ran")
    assert done.code != 0 and done.out == ""
    assert f"{HIDDEN}{cluster.dir}/run/jobs/" in done.err, done.err
    assert f"mount {cluster.dir}/run/jobs into the task's container" in done.err


def test_task_continues_without_hidden_file_and_with_its_variables(cluster, value, namespace_plugin):
    namespace_plugin("above", "task_init", cluster.dir / "run" / "jobs", "on_error=continue")
    done = cluster.srun(*RUN, "--secret=TOK,TOK=COPY:file", "printenv", "TOK")
    assert (done.code, done.out) == (0, f"{value}\n"), done.err
    assert f"the job continues without that file: {HIDDEN}" in done.err, done.err


def test_namespace_below_that_hides_files_last_shows_nothing_of_them(cluster, value, namespace_plugin):
    """No hook of ours runs after task_init of a plugin below: its line must be above (docs/slurm-versions.md)."""
    namespace_plugin("below", "task_init", cluster.dir / "run" / "jobs")
    done = cluster.srun(*RUN, "--secret=TOK:file", "bash", "-c", "cat $TOK_FILE; echo after")
    assert done.out == "after\n" and "No such file or directory" in done.err


def test_namespace_of_slurmstepd_that_hides_agent_fails_job_with_reason(cluster, value, namespace_plugin):
    namespace_plugin("above", "init_post_opt", cluster.dir / "agent")
    done = cluster.srun(*RUN, "--secret=TOK", "echo", "ran")
    assert done.code != 0 and done.out == "" and "the agent on this node did not reply" in done.err, done.err
    assert cluster.srun("-n1", "echo", "ran").out == "ran\n"


@pytest.mark.parametrize("hook", HOOKS)
def test_files_of_job_with_namespaces_are_removed_at_its_end(cluster, value, namespace_plugin, hook):
    namespace_plugin("below", hook, cluster.dir / "log")
    done = cluster.run_batch("ls $TOK_FILE; srun ls $TOK_FILE", *RUN, "--secret=TOK:file")
    assert len(done.out.split()) == 2, done.err
    poll(lambda: not list((cluster.dir / "run" / "jobs").iterdir()), 10, "the removal of the job's files")


# ---- pid namespaces ---------------------------------------------------------------------------------


def in_pid_namespace(command):
    return f"unshare --user --map-current-user --pid --fork --mount-proc {command}"


def test_process_in_pid_namespace_reads_secret_of_its_job(cluster, value):
    get = f"{BUILD}/secretctl --job-socket {cluster.dir}/run/job.sock get TOK"
    script = in_pid_namespace(get) + "; " + in_pid_namespace("sh -c 'echo $$'")
    done = cluster.run_batch(script, "-wn1", *RUN, "--secret=TOK:hold")
    assert done.out == f"{value}1\n", done.err


def test_process_in_pid_namespace_with_empty_environment_passes_no_value_on(cluster, value):
    """Its ancestors are hidden, but the agent knows them."""
    submit = in_pid_namespace("env -i PATH=$PATH SLURM_CONF=$SLURM_CONF KEPT=https://$TOK@example.org "
                              "sbatch --hold --wrap true")
    done = cluster.run_batch(submit, "-wn1", *RUN, "--secret=TOK")
    assert "KEPT (holds TOK): not passed on" in done.err, done.err
    for job in cluster.jobs():
        cluster.as_user("root", ["scancel", job])


def test_command_in_pid_namespace_outside_of_jobs_says_nothing(cluster):
    done = cluster.as_user("alice", ["bash", "-c", in_pid_namespace("srun -n1 echo ran")])
    assert (done.out, done.err) == ("ran\n", "")


@contextlib.contextmanager
def agent_in_pid_namespace(folder):
    """Starts an agent that sees no process but its own, as one in a container would."""
    folder.chmod(0o755)
    sockets = {name: folder / f"{name}.sock" for name in ("node", "job", "control")}
    config = folder / "agentd.yaml"
    config.write_text("".join(f"{name}_socket: {path}\n" for name, path in sockets.items()) + "log: { to: stderr }\n")
    process = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", AGENT, "--config", config],
                               stdin=subprocess.DEVNULL)
    try:
        poll(lambda: sockets["job"].exists(), 10, "the agent's start")
        yield sockets
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_agent_that_does_not_see_process_says_so(tmp_path):
    with agent_in_pid_namespace(tmp_path) as sockets:
        kind, sentence, _ = reply_to(None, get_message("TOK"), path=sockets["job"])
    assert kind == BUSY and "outside the pid namespace of the agent" in sentence
