# SPDX-License-Identifier: Apache-2.0
"""Starts the clusters on which the hunt goes: one as usual, and one that logs and stores all that Slurm can."""

import json

from harness import Cluster

DEBUG_FLAGS = ("Accrue,Agent,Backfill,BurstBuffer,Cgroup,CPU_Bind,Data,Dependency,Energy,Federation,Gres,Hetjob,"
               "JobAccountGather,JobContainer,License,Network,NetworkRaw,NodeFeatures,Power,Priority,Profile,Protocol,"
               "Reservation,Route,Script,SelectType,Steps,Switch,TraceJobs,Triggers,WorkQueue")
TASK_PROLOG = "#!/bin/sh\necho export HUNT_PROLOG=$SLURM_PROCID\necho print the prolog of task $SLURM_PROCID\n"


class HuntedCluster(Cluster):
    """A cluster with a store, and an audit file and a journal that have all of the agent's events."""

    def __init__(self, *options):
        super().__init__("--store", "--without-agent", *options)

    def up(self):
        super().up()
        config = self.dir / "agentd.yaml"
        log = "log: { level: debug, to: stderr }"
        text = config.read_text()
        assert log in text
        config.write_text(text.replace(log, "log: { level: debug, to: journal }") +
                          f"audit: {json.dumps({'file': str(self.dir / 'log' / 'audit.jsonl')})}\n")
        self.agent_start()

    def agents(self):
        return {self.agent_pid: self}


class LoggingCluster(HuntedCluster):
    """A cluster whose slurmdbd keeps scripts and environments of jobs, with every flag that makes Slurm log more."""

    def __init__(self):
        super().__init__("--accounting")
        prolog = self.dir / "task-prolog"
        prolog.write_text(TASK_PROLOG)
        prolog.chmod(0o755)
        for line in (f"DebugFlags={DEBUG_FLAGS}", "AccountingStoreFlags=job_comment,job_env,job_script", f"TaskProlog={prolog}",
                     "JobCompType=jobcomp/filetxt", f"JobCompLoc={self.dir}/log/jobcomp.log"):
            self.options += ("--slurm-conf", line)
        for line in ("DebugLevel=debug5", "DebugFlags=DB_ARCHIVE,DB_ASSOC,DB_EVENT,DB_JOB,DB_QUERY,DB_STEP,DB_USAGE,Network"):
            self.options += ("--slurmdbd-conf", line)

    def up(self):
        super().up()
        for arguments in (["add", "account", "lab"], ["add", "user", "alice,bob", "account=lab"]):
            done = self.as_user("root", ["sacctmgr", "--immediate", *arguments])
            assert done.code == 0, done.out + done.err


KINDS = {"usual": HuntedCluster, "logging": LoggingCluster}
