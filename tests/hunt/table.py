# SPDX-License-Identifier: Apache-2.0
"""Reads the table of docs/security.md that says where a value may be, and holds finds against it."""

import re

from finds import COMMAND_LINE, FILE, JOURNAL, MEMORY, NAMELESS_FILE, PACKET
from harness import PROJECT

DOCUMENT = PROJECT / "docs" / "security.md"
PUSHING, RUNNING, TASKS_ENDED, EPILOG_ENDED, COMPLETED = MOMENTS = (
    "while it is pushed", "while the job runs", "its tasks have ended", "its epilog has ended", "its run is complete")

JOB, REQUESTED_FILE, BODY, SECRET_MEMORY = (
    "environment and memory of the job's processes", "the file of a step that requested one",
    "the agent's buffer for a body", "the agent's `memfd_secret` memory")
OTHER_MEMORY, OTHER_COMMAND_LINE, OTHER_FILE, OTHER_JOURNAL, OTHER_PACKET = (
    "other memory and environments", "command lines", "other files", "the journal", "packets")
ROWS = (JOB, REQUESTED_FILE, BODY, SECRET_MEMORY, OTHER_MEMORY, OTHER_COMMAND_LINE, OTHER_FILE, OTHER_JOURNAL, OTHER_PACKET)
_OTHER = {COMMAND_LINE: OTHER_COMMAND_LINE, FILE: OTHER_FILE, NAMELESS_FILE: OTHER_FILE, JOURNAL: OTHER_JOURNAL,
          PACKET: OTHER_PACKET}


def parse(text):
    """Returns {(row, moment): whether a value may be there}, of the only table that has these moments as columns."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    head = next(index for index, cells in enumerate(lines) if tuple(cells[1:]) == MOMENTS)
    table = {}
    for name, *cells in lines[head + 2:]:
        if len(cells) != len(MOMENTS):
            break
        row = next(row for row in ROWS if name.startswith(row))
        for moment, cell in zip(MOMENTS, cells, strict=True):
            table[row, moment] = {"yes": True, "no": False}[cell]
    assert {row for row, _ in table} == set(ROWS), "the table lacks a row"
    return table


def read():
    return parse(DOCUMENT.read_text(encoding="utf-8"))


def row_of(find, processes, holders, agents, jobs_folders):
    """Returns the row of a find.

    `holders` has the jobs, or steps as JOB.STEP, that were given the value: no process of another one may have it."""
    process = find.process
    if process is not None and process.pid in agents and find.kind == MEMORY:
        return BODY
    if process is not None and find.kind not in (COMMAND_LINE, NAMELESS_FILE) and process.uid != 0 and \
            {processes.job_of(process), processes.step_of(process)} & set(holders):
        return JOB
    if find.kind == FILE and any(re.match(f"{re.escape(str(folder))}/({'|'.join(holders)})/", find.where)
                                 for folder in jobs_folders if holders):
        return REQUESTED_FILE
    return _OTHER.get(find.kind, OTHER_MEMORY)
