# SPDX-License-Identifier: Apache-2.0
"""What jobs do with a value. Each scenario is a generator that stops at moments of the table, with the jobs that have it."""

import fcntl
import json
import struct
import subprocess
import termios
from concurrent.futures import ThreadPoolExecutor

from harness import BUILD, poll
from own_agent import HttpConnection, request
from stages import in_background
from table import COMPLETED, EPILOG_ENDED, PUSHING, RUNNING, TASKS_ENDED

RUN = "hunt"
IN_RUN = (f"--secrets-run={RUN}", "--secret=TOK")
SCENARIOS = {}  # by name
QUICK = set()  # names of those that `make check` has time for


def scenario(is_quick=False):
    def register(function):
        SCENARIOS[function.__name__] = function
        if is_quick:
            QUICK.add(function.__name__)
        return function

    return register


class Case:
    """What a scenario acts on: a site, its stages, and a value that each scenario has for itself."""

    def __init__(self, site, stages, make):
        self.site = site
        self.stages = stages
        self._make = make
        self.made = []
        self.canary = self.make()

    def make(self):
        self.made.append(self._make())
        return self.made[-1]

    def push(self):
        self.site.push(RUN, user={"TOK": self.canary.value})

    def ended(self, *jobs, seconds=30):
        """Yields the moments after the end of jobs."""
        for job in jobs:
            self.site.await_end(job, seconds)
        yield EPILOG_ENDED, {self.canary: []}
        self.site.complete(RUN)
        yield COMPLETED, {self.canary: []}


# ---- one job ----------------------------------------------------------------------------------------


def one_job(case, *options, before_end=lambda: None):
    """A batch job with a variable and a file, and the moment between its tasks' end and its epilog."""
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"./hold {stage}", "-wn1", *IN_RUN, "--secret=TOK=COPY:file", *options)
    assert case.stages.reached(stage, case.canary) == job
    yield RUNNING, {case.canary: [job]}
    before_end()
    with case.site.daemon_frozen("slurmd-n1"):  # slurmd starts the epilog
        case.stages.release(stage)
        case.stages.await_no_process(job)
        yield TASKS_ENDED, {case.canary: []}
    yield from case.ended(job)


@scenario(is_quick=True)
def batch(case):
    yield from one_job(case)


@scenario()
def get_user_env(case):
    yield from one_job(case, "--get-user-env")


@scenario()
def agent_restarted(case):
    """The agent has no systemd that keeps its memory, so that a restart wipes all; the running job keeps its value."""
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"./hold {stage}", "-wn1", *IN_RUN)
    case.stages.reached(stage, case.canary)
    case.site.agent_restart()
    yield RUNNING, {case.canary: [job]}
    case.stages.release(stage)
    case.site.await_end(job)
    yield COMPLETED, {case.canary: []}


@scenario()
def srun(case):
    """The user's own srun has no value; its step has."""
    case.push()
    stage = case.stages.name()
    with in_background(case.site, "alice", ["srun", "-N2", *IN_RUN, "bash", "-c", f"./hold {stage}.$SLURM_PROCID"]):
        jobs = [case.stages.reached(f"{stage}.{task}", case.canary) for task in range(2)]
        yield RUNNING, {case.canary: jobs}
        case.stages.release(*(f"{stage}.{task}" for task in range(2)))
    yield from case.ended(jobs[0])


@scenario()
def step_without_secret(case):
    """A step that asks for none has none, beside a script that has."""
    case.push()
    step, script = (case.stages.name() for _ in range(2))
    job = case.site.sbatch(f"srun -n1 --secrets=none ./hold {step} &\n./hold {script}\nwait", "-wn1", *IN_RUN)
    case.stages.reached(step, None)
    case.stages.reached(script, case.canary)
    yield RUNNING, {case.canary: [f"{job}.batch"]}
    case.stages.release(step, script)
    yield from case.ended(job)


@scenario()
def held_and_read(case):
    """A held value is in no process before one of the job reads it, and only in that one's command then."""
    case.push()
    before, reading = (case.stages.name() for _ in range(2))
    ctl = f"{BUILD}/secretctl --job-socket {case.site.dir}/run/job.sock"
    job = case.site.sbatch(f"./hold {before}\n{ctl} get TOK >/dev/null\n{ctl} exec -- ./hold {reading}",
                           "-wn1", f"--secrets-run={RUN}", "--secret=TOK:hold")
    case.stages.reached(before, None)
    yield RUNNING, {case.canary: []}
    case.stages.release(before)
    case.stages.reached(reading, case.canary)
    yield RUNNING, {case.canary: [job]}
    case.site.complete(RUN)
    assert case.site.status()["secret_bytes"] == 0
    yield RUNNING, {case.canary: [job]}
    case.stages.release(reading)
    case.site.await_end(job)
    yield COMPLETED, {case.canary: []}


@scenario()
def completed_while_job_runs(case):
    """The agent has no value any more; the job keeps its own."""
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"./hold {stage}", "-wn1", *IN_RUN)
    case.stages.reached(stage, case.canary)
    case.site.complete(RUN)
    assert case.site.status()["secret_bytes"] == 0
    yield RUNNING, {case.canary: [job]}
    case.stages.release(stage)
    case.site.await_end(job)
    yield COMPLETED, {case.canary: []}


@scenario()
def expired(case):
    case.site.push(RUN, user={"TOK": case.canary.value}, ttl="2s")
    yield EPILOG_ENDED, {case.canary: []}  # held, and no job has it
    poll(lambda: not case.site.runs(), 10, "the expiry")
    yield COMPLETED, {case.canary: []}


@scenario()
def cancel(case):
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"srun -n1 ./hold {stage}", "-wn1", *IN_RUN)
    case.stages.reached(stage, case.canary)
    yield RUNNING, {case.canary: [job]}
    case.site.as_user("alice", ["scancel", job])
    yield from case.ended(job)


@scenario()
def time_limit(case):
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"srun -n1 ./hold {stage}", "-wn1", "--time=1", *IN_RUN)
    case.stages.reached(stage, case.canary)
    yield RUNNING, {case.canary: [job]}
    yield from case.ended(job, seconds=150)


@scenario(is_quick=True)
def requeue(case):
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"./hold {stage}", "-wn1", "--requeue", *IN_RUN)
    case.stages.reached(stage, case.canary)
    case.stages.repeat(stage)
    assert case.site.scontrol("requeuehold", job).code == 0
    case.stages.await_no_process(job)
    poll(lambda: case.site.job_state(job) == "PENDING", 30, "the job in the queue")
    yield EPILOG_ENDED, {case.canary: []}
    assert case.site.scontrol("release", job).code == 0
    case.stages.reached(stage, case.canary, 60)
    yield RUNNING, {case.canary: [job]}
    case.stages.release(stage)
    yield from case.ended(job)


@scenario()
def slurmd_killed(case):
    case.push()
    stage = case.stages.name()
    job = case.site.sbatch(f"srun -n1 ./hold {stage}", "-wn1", *IN_RUN)
    case.stages.reached(stage, case.canary)
    case.site.daemon_kill("slurmd-n1")
    yield RUNNING, {case.canary: [job]}
    case.stages.release(stage)
    case.stages.await_no_process(job)
    yield TASKS_ENDED, {case.canary: []}
    case.site.node_start("n1")
    yield from case.ended(job, seconds=60)


# ---- several jobs -----------------------------------------------------------------------------------


@scenario()
def array(case):
    case.push()
    stages = [case.stages.name() for _ in range(3)]
    names = " ".join(stages)
    job = case.site.sbatch(f"stages=({names}); ./hold ${{stages[$SLURM_ARRAY_TASK_ID]}}", "--array=0-2", *IN_RUN)
    jobs = [case.stages.reached(stage, case.canary) for stage in stages]
    yield RUNNING, {case.canary: jobs}
    case.stages.release(*stages)
    yield from case.ended(job)


@scenario(is_quick=True)
def het(case):
    """Each component has a value of its own, and no process of another component has it."""
    other = case.make()
    case.site.push(RUN, user={"A": case.canary.value, "B": other.value})
    stages = [case.stages.name() for _ in range(2)]
    script = case.site.out / "het.sh"
    script.write_text("#!/bin/bash\n" + "".join(
        f"srun -n1 --het-group={group} ./hold {stage} &\n" for group, stage in enumerate(stages)) + "wait\n")
    done = case.site.as_user("alice", ["sbatch", "--parsable", "--output=%A.out", "-n1", "-wn1", IN_RUN[0], "--secret=A=TOK", ":",
                                      "-n1", "-wn2", IN_RUN[0], "--secret=B=TOK", script])
    assert done.code == 0, done.err
    first, second = (case.stages.reached(stage, canary) for stage, canary in zip(stages, (case.canary, other), strict=True))
    yield RUNNING, {case.canary: [first], other: [second]}
    case.stages.release(*stages)
    case.site.await_end(first)
    case.site.await_end(second)
    yield EPILOG_ENDED, {case.canary: [], other: []}
    case.site.complete(RUN)
    yield COMPLETED, {case.canary: [], other: []}


STRIP = "for v in ${!SLURM_@}; do [ $v = SLURM_CONF ] || unset $v; done"
INNER = {
    "plain": "SBATCH",
    "stripped": f"({STRIP}; SBATCH)",
    "copied": "(export HUGGING_FACE_HUB_TOKEN=$TOK; SBATCH)",
    "copied and stripped": f"(export HUGGING_FACE_HUB_TOKEN=$TOK; {STRIP}; SBATCH)",
    "emptied": 'env -i PATH=$PATH SLURM_CONF=$SLURM_CONF KEPT="$TOK" SBATCH',
    "with the user's environment": "SBATCH --get-user-env",
}


@scenario(is_quick=True)
def inner_commands(case):
    """A script that submits further jobs in the ways that scripts do, and runs a step.

    Its srun without SLURM_* is a job of its own."""
    case.push()
    outer, step, stripped, *inner = (case.stages.name() for _ in range(3 + len(INNER)))
    submits = []
    for stage, way in zip(inner, INNER.values(), strict=True):
        (case.site.out / f"{stage}.sh").write_text(f"#!/bin/bash\n./hold {stage}\n")
        submits.append(way.replace("SBATCH", f"sbatch --parsable --hold --output=%A.out {stage}.sh"))
    steps = [f"srun -n1 ./hold {step} &", f"({STRIP}; exec srun -n1 ./hold {stripped}) &"]
    script = [*steps, "{", *submits, f"}} >{outer}.ids", f"./hold {outer}", "wait"]
    job = case.site.sbatch("\n".join(script), "-wn1", *IN_RUN)
    case.stages.reached(step, case.canary)
    case.stages.reached(outer, case.canary)
    another = case.stages.reached(stripped, case.canary)
    yield RUNNING, {case.canary: [job, another]}
    case.stages.release(outer, step, stripped)
    case.site.await_end(job)
    yield EPILOG_ENDED, {case.canary: []}  # slurmctld has the inner jobs on its disk
    jobs = (case.site.out / f"{outer}.ids").read_text().split()
    assert len(jobs) == len(INNER), (case.site.out / f"{job}.err").read_text()
    assert case.site.scontrol("release", ",".join(jobs)).code == 0
    given = [case.stages.reached(stage, case.canary) for stage in inner]
    yield RUNNING, {case.canary: given}
    case.stages.release(*inner)
    yield from case.ended(*jobs)


@scenario(is_quick=True)
def salloc(case):
    """The allocation goes on after its step; salloc's own shell has no value."""
    case.push()
    step, shell = (case.stages.name() for _ in range(2))
    with in_background(case.site, "alice", ["salloc", "-wn1", *IN_RUN, "bash", "-c", f"srun -n1 ./hold {step}; ./hold {shell}"]):
        job = case.stages.reached(step, case.canary)
        yield RUNNING, {case.canary: [job]}
        case.stages.release(step)
        case.stages.reached(shell, None)
        yield TASKS_ENDED, {case.canary: []}
        case.stages.release(shell)
    yield from case.ended(job)


@scenario()
def inner_salloc(case):
    """A script that makes an allocation of its own, on another node, and has a copy of its value."""
    case.push()
    stage = case.stages.name()
    script = f'export COPY="$TOK"; salloc -n1 -wn2 srun -n1 ./hold {stage} & wait'
    job = case.site.sbatch(script, "-wn1", *IN_RUN)
    inner = case.stages.reached(stage, case.canary)
    assert inner != job
    yield RUNNING, {case.canary: [job, inner]}
    case.stages.release(stage)
    yield from case.ended(inner, job)


@scenario()
def stored_secret(case):
    """A user's own secret, which the store keeps sealed."""
    done = case.site.secretctl("set", "TOK", user="alice", input=case.canary.value)
    assert done.code == 0, done.err
    yield COMPLETED, {case.canary: []}  # nothing is held for a job: no value, not even in secret memory
    stage = case.stages.name()
    job = case.site.sbatch(f"srun -n1 ./hold {stage}", "-wn1", "--secret=TOK")
    case.stages.reached(stage, case.canary)
    yield RUNNING, {case.canary: [job]}
    case.stages.release(stage)
    case.site.await_end(job)
    yield COMPLETED, {case.canary: []}
    assert case.site.secretctl("rm", "TOK", user="alice").code == 0
    yield COMPLETED, {case.canary: []}


@scenario()
def page(case):
    """A user's own secret that is set on the page, at a Unix socket: nothing of it is left with the page's process."""
    socket = case.site.out / "web.sock"
    case.site.out.chmod(0o1777)
    command = [BUILD / "secretctl", "--socket", case.site.control_socket, "web", "--unix-socket", socket, "--idle", "60s"]
    process = subprocess.Popen(case.site.command("alice", command), stdout=subprocess.PIPE, text=True)
    try:
        assert "Unix socket" in process.stdout.readline()
        body = json.dumps({"value": case.canary.value})
        done = case.site.as_user("alice", ["curl", "-sS", "--fail", "--unix-socket", socket, "-X", "PUT", "--data-binary", "@-",
                                           "http://localhost/api/v1/secrets/TOK"], input=body)
        assert done.code == 0, done.err
        yield COMPLETED, {case.canary: []}
        done = case.site.as_user("alice", ["curl", "-sS", "--fail", "--unix-socket", socket, "-X", "PUT", "--data-binary", "@-",
                                           "http://localhost/api/import/TOK"], input=json.dumps([{"name": "TOK", "value": case.canary.value}]))
        assert done.code == 0, done.err
        yield COMPLETED, {case.canary: []}
    finally:
        process.terminate()
        process.wait()
    assert case.site.secretctl("rm", "TOK", user="alice").code == 0
    yield COMPLETED, {case.canary: []}


# ---- pushes -----------------------------------------------------------------------------------------


def push_request(run, value, owner="alice", **headers):
    fields = {name.replace("_", "-"): content for name, content in headers.items()}
    return request("PUT", f"/v1/runs/{run}", {"owner": owner, "user": {"TOK": value}}, fields)


def unread_bytes(connection):
    """Returns how much of what was sent the other side has not read."""
    return struct.unpack("i", fcntl.ioctl(connection.socket, termios.TIOCOUTQ, bytes(4)))[0]


def answer_to(case, data):
    with HttpConnection(case.site.control_socket) as connection:
        connection.send(data)
        return connection.answer().status


@scenario(is_quick=True)
def push_refused(case):
    """Pushes that break off halfway, and that the agent refuses at each point at which it can."""
    whole = push_request(RUN, case.canary.value)
    with HttpConnection(case.site.control_socket) as connection:
        connection.send(whole[:-3])
        poll(lambda: unread_bytes(connection) == 0, 10, "the agent has read what was sent")
        yield PUSHING, {case.canary: []}
    yield COMPLETED, {case.canary: []}
    name = json.dumps({"owner": "alice", "user": {"TOK": case.canary.value, "PATH": case.canary.value}}).encode()
    refused = {
        push_request(RUN, case.canary.value, Content_Type="text/plain"): 415,
        push_request(RUN, case.canary.value, Content_Length=None): 411,
        push_request(RUN, case.canary.value, owner="nobody-has-this-name"): 400,
        push_request(RUN, case.canary.value * 2000): 413,
        push_request("not:a:run", case.canary.value): 400,
        whole[:-1] + b"]": 400,
        request("PUT", f"/v1/runs/{RUN}", name): 400,
    }
    assert {data: answer_to(case, data) for data in refused} == refused
    yield COMPLETED, {case.canary: []}


@scenario(is_quick=True)
def pushes_at_once(case):
    """Two hundred runs are pushed at once, one is used, and all are completed at once."""
    runs = [f"{RUN}-{number}" for number in range(200)]
    with ThreadPoolExecutor(max_workers=len(runs)) as threads:
        pushes = [push_request(run, case.canary.value) for run in runs]
        assert set(threads.map(lambda data: answer_to(case, data), pushes)) == {201}
        yield EPILOG_ENDED, {case.canary: []}  # held, and no job has it
        stage = case.stages.name()
        job = case.site.sbatch(f"srun -n1 ./hold {stage}", "-wn1", f"--secrets-run={runs[7]}", "--secret=TOK")
        case.stages.reached(stage, case.canary)
        yield RUNNING, {case.canary: [job]}
        case.stages.release(stage)
        case.site.await_end(job)
        completes = [request("DELETE", f"/v1/runs/{run}") for run in runs]
        assert set(threads.map(lambda data: answer_to(case, data), completes)) == {204}
        yield COMPLETED, {case.canary: []}
