"""Many schedules, on every core."""

from __future__ import annotations

import gc
import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from tests.support.chaos.faults import Effect, Fault
from tests.support.chaos.replays import replay_command
from tests.support.chaos.rules import EVERYTHING, Rules
from tests.support.chaos.schedules import play
from tests.support.chaos.world import Site

CHUNK = 200
"""Schedules that a process plays before it reports."""

COLLECTED_EVERY = 8
"""After so many schedules a process collects what they left."""


@dataclass(frozen=True, slots=True)
class Job:
    """A schedule to play."""

    seed: int
    rules: Rules = EVERYTHING


@dataclass(frozen=True, slots=True)
class Broken:
    """A schedule that broke a promise."""

    job: Job
    violations: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.violations[0]} ({replay_command(self.job.seed, self.job.rules)})"


@dataclass(slots=True)
class Tally:
    """What schedules came to, added up."""

    schedules: int = 0
    runs: int = 0
    nodes: int = 0
    virtual_seconds: float = 0.0
    cpu_seconds: float = 0.0
    swept: int = 0
    met: Counter[Effect] = field(default_factory=Counter[Effect])
    done: Counter[tuple[Effect, Fault]] = field(default_factory=Counter[tuple[Effect, Fault]])
    sites: Counter[Site] = field(default_factory=Counter[Site])
    broken: list[Broken] = field(default_factory=list["Broken"])

    def add(self, other: Tally) -> None:
        """Add what other schedules came to."""
        self.schedules += other.schedules
        self.runs += other.runs
        self.nodes += other.nodes
        self.virtual_seconds += other.virtual_seconds
        self.cpu_seconds += other.cpu_seconds
        self.swept += other.swept
        self.met.update(other.met)  # not +=, which looks at everything that was added before
        self.done.update(other.done)
        self.sites.update(other.sites)
        self.broken += other.broken

    @property
    def per_core_second(self) -> float:
        """Schedules per second and core."""
        return self.schedules / self.cpu_seconds if self.cpu_seconds else 0.0

    def lines(self) -> list[str]:
        """What a person wants to know of it."""
        faults = Counter[str]()
        for (effect, fault), count in self.done.items():
            faults[f"{effect}: {fault}"] += count
        return [
            f"{self.schedules:,} schedules, {self.runs:,} runs, {self.nodes:,} node runs",
            f"{self.virtual_seconds / 3600:,.0f} hours of virtual time; the sweeper handed on {self.swept:,} tasks",
            f"{self.per_core_second:,.0f} schedules per second and core ({self.cpu_seconds:,.0f} s of processor time)",
            f"{self.met.total():,} effects met {self.done.total():,} faults at {len(self.sites)} kinds of places",
            ", ".join(f"{name} {count:,}" for name, count in sorted(faults.items())),
            f"broken: {'; '.join(map(str, self.broken)) or 'none'}",
        ]


def play_all(jobs: Iterable[Job]) -> Tally:
    """Play schedules one after another in this process."""
    tally = Tally()
    gc.disable()
    began = time.process_time()
    try:
        for number, job in enumerate(jobs):
            result = play(job.seed, job.rules)
            if number % COLLECTED_EVERY == 0:
                gc.collect(0)  # just what these schedules left, while it is still in the processor's cache
            tally.schedules += 1
            tally.runs += result.runs
            tally.nodes += result.nodes
            tally.virtual_seconds += result.seconds
            tally.swept += result.swept_tasks
            tally.met.update(result.met)
            tally.done.update(result.done)
            tally.sites.update(result.sites)
            if result.violations:
                tally.broken.append(Broken(job, tuple(result.violations[:3])))
    finally:
        gc.enable()
    tally.cpu_seconds = time.process_time() - began
    return tally


def play_everywhere(jobs: Sequence[Job], processes: int | None = None) -> Tally:
    """Play schedules on every core."""
    tally = Tally()
    chunks = [jobs[start : start + CHUNK] for start in range(0, len(jobs), CHUNK)]
    with ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(play_all, chunks):
            tally.add(part)
    return tally


def play_until_broken(seeds: Iterable[int], rules: Rules) -> Broken | None:
    """The first schedule that breaks a promise."""
    for seed in seeds:
        violations = play(seed, rules).violations
        if violations:
            return Broken(Job(seed, rules), tuple(violations))
    return None
