# SPDX-License-Identifier: Apache-2.0
"""Sweeps over all places, and checks that each value is exactly where the table allows it at the moment."""

import os
import time

import files
import journal
import processes
import table
from finds import ENVIRONMENT, MEMORY

SETTLING = 3  # seconds in which what has just ended may leave memory: freed pages, a process that ends


def folders():
    """Returns all folders that can be written (tests/hunt/alone)."""
    return os.environ["HUNT_FOLDERS"].split()


class Hunt:
    """Hunts on one site."""

    def __init__(self, canaries, captures, agents, jobs_folders, further_folders=(), journals=(journal.FOLDER,)):
        self._canaries = canaries
        self._captures = captures
        self._agents = agents  # a function that returns the pid and the site of each agent
        self._jobs_folders = jobs_folders
        self._folders = [*folders(), *further_folders]
        self._journals = journals
        self._table = table.read()
        self._given_up = set()
        self.seen = set()  # the cells in which a value was found
        self.sweeps = 0
        self.seconds = 0

    def sweep(self):
        """Searches everything; returns the finds and the processes that there were."""
        begin = time.monotonic()
        found = files.search_folders(self._canaries, self._folders)
        for folder in self._journals:
            found += journal.search(self._canaries, folder)
        all_processes, searched = processes.Processes(), processes.Searched()
        for process in all_processes:
            found += processes.search_process(self._canaries, process, searched)
        for capture in self._captures:
            found += capture.search()
        self.sweeps += 1
        self.seconds += time.monotonic() - begin
        return found, all_processes

    def give_up(self, canaries):
        """Ignores values of a scenario that failed: the next scenario is judged by its own."""
        self._given_up |= set(canaries)

    def check(self, moment, holders):
        """Checks the table at a moment of the values in `holders`, which has for each the jobs that were given it.

        Every other value's run is complete, so that it may be nowhere."""
        end = time.monotonic() + SETTLING
        while wrong := self._wrong(moment, holders):
            is_lasting = any(find.kind not in (MEMORY, ENVIRONMENT) for find in wrong)
            assert not is_lasting and time.monotonic() < end, \
                f"{moment}, a value is where docs/security.md allows none:\n" + "\n".join(sorted(set(map(str, wrong))))
        self._check_secret_memory(moment)

    def _wrong(self, moment, holders):
        found, all_processes = self.sweep()
        every_holder = sorted({job for jobs in holders.values() for job in jobs})
        wrong, seen = [], set()
        for find in (find for find in found if find.canary not in self._given_up):
            jobs = every_holder if find.canary is None else holders.get(find.canary, ())
            row = table.row_of(find, all_processes, jobs, self._agents(), self._jobs_folders)
            is_current = find.canary is None or find.canary in holders
            if is_current and self._table[row, moment]:
                seen.add((row, moment))
            else:
                wrong.append(find)
        self.seen |= seen
        return wrong

    def _check_secret_memory(self, moment):
        for pid, site in self._agents().items():
            status = site.status()
            assert status["memory"] == "memfd_secret", "this kernel gives no memfd_secret: root can read what an agent holds"
            if held := status["secret_bytes"]:
                assert self._table[table.SECRET_MEMORY, moment], f"{moment}, an agent still has {held} bytes of secrets"
                assert processes.unreadable_secret_memory(pid), "an agent holds secrets elsewhere than in memfd_secret"
                self.seen.add((table.SECRET_MEMORY, moment))

    def unseen(self):
        """Returns the cells that allow a value where none was found: the table says too much, or the hunt is blind."""
        return {cell for cell, is_allowed in self._table.items() if is_allowed} - self.seen
