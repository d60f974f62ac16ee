"""A simulated deployment: one store, one queue, processes that come and go, and somebody who watches."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar
from weakref import WeakSet

from shared.adapters.cel.conditions import CelConditions
from shared.adapters.memory.ids import MemoryIds
from shared.domain.errors import DomainError
from shared.domain.ids import Instance, RunId
from shared.domain.tools import ToolCall
from shared.domain.writes import Write
from shared.usecases.approvals.expire_approvals import expire_approvals
from shared.usecases.nodes.engine import Core, Engine, Yielding
from shared.usecases.runs.sweep_runs import sweep_runs
from shared.usecases.sessions.delete_session import remove_deleted
from tests.support.chaos.agents import SimulatedRunner, SimulatedTools
from tests.support.chaos.definitions import Definition
from tests.support.chaos.faults import Effect, Fault, FaultPlan
from tests.support.chaos.monitor import Monitor
from tests.support.chaos.network import NetworkDocuments, describe
from tests.support.chaos.processes import Died, Process
from tests.support.chaos.repeats import Repeats
from tests.support.chaos.store import Store
from tests.support.chaos.task_queue import DELIVERED, NetworkQueue, SimulatedQueue
from tests.support.chaos.virtual_loop import VirtualLoop

CONDITIONS = CelConditions()
MOST_REMOVED = 10
"""How many sessions a sweep removes at most."""
T = TypeVar("T")
Site = tuple[Effect, Fault, str]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a schedule's story."""

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:10.3f}  {self.who:<12} {self.what}"


class InOrder(WeakSet[Yielding]):
    """The attempts of a process in the order in which they were made: a set's own order would differ between runs."""

    def __init__(self) -> None:
        super().__init__()
        self._order: list[Yielding] = []

    def add(self, item: Yielding) -> None:
        self._order.append(item)

    def __iter__(self) -> Iterator[Yielding]:
        return iter(self._order)


class World:
    """Everything that one schedule consists of."""

    def __init__(
        self, definition: Definition, faults: FaultPlan, random: Random, *, traced: bool, trusting: bool
    ) -> None:
        self.loop = VirtualLoop()
        self.loop.on_task = Process.adopt
        self.random = random
        self._chance = random.random
        self.faults = faults
        self.definition = definition
        self.lease_seconds = 30.0
        self.violations: list[str] = []
        self.suspicions: list[str] = []
        self.sites: Counter[Site] = Counter()
        self.story: list[Line] | None = [] if traced else None
        repeats = Repeats(definition.graph)
        self.monitor = Monitor(lambda: self.loop.now, self.violation, repeats, self.lease_seconds)
        self.store = Store(Process(self.loop, "store", 0), self.monitor.applied, trusting=trusting)
        self.queue = SimulatedQueue(self)
        self.workers: list[tuple[Process, Engine]] = []
        self.worker_count = 2
        self.only_workers = False
        self.has_forks = False
        """Whether tools change the session's state, and the sweeper looks for what is left of forks, too."""
        self.sweeps = 0
        self.swept_tasks = 0
        self.sweeping = 0
        self.under_way = 0
        self._people: list[asyncio.Task[Any]] = []
        self._ids = MemoryIds(random.getrandbits(32))
        self._processes: list[Process] = []
        self.store.commit(definition.writes)

    # Processes.

    def process(self, kind: str) -> Process:
        """A new process."""
        process = Process(self.loop, kind, len(self._processes) + 1, self.random.uniform(-0.5, 0.5))
        self._processes.append(process)
        return process

    def core(self, process: Process) -> Core:
        """The light ports of a process."""
        documents, queue = NetworkDocuments(self, process), NetworkQueue(self, self.queue, process)
        return Core(documents, queue, process, self._ids, self.definition.plans, wave=self.definition.wave)

    def engine(self, process: Process) -> Engine:
        """The engine of a process."""
        return Engine(
            core=self.core(process),
            runner=SimulatedRunner(self, process),
            toolbox=SimulatedTools(self, process),
            conditions=CONDITIONS,
            report_defect=self._report_defect,
            lease_seconds=self.lease_seconds,
            held=InOrder(),
        )

    def worker(self) -> tuple[Process, Engine]:
        """Any worker that lives; dead ones were replaced."""
        self.workers = [worker for worker in self.workers if worker[0].alive]
        while len(self.workers) < self.worker_count:
            process = self.process("worker")
            self.workers.append((process, self.engine(process)))
        return self.workers[int(self.random.random() * len(self.workers))]

    def sweep(self) -> None:
        """The scheduler calls the sweeper."""
        process = self.process("sweeper")
        work = process.spawn(_sweep(self.core(process), self.lease_seconds, forks=self.has_forks))
        self.sweeping += 1
        work.add_done_callback(self._swept)

    def _swept(self, work: asyncio.Task[Any]) -> None:
        self.sweeping -= 1
        error = None if work.cancelled() else work.exception()
        if not work.cancelled() and error is None:
            self.sweeps += 1
            self.swept_tasks += work.result()
        elif (
            error is not None
            and not isinstance(error, Died)
            and not (isinstance(error, DomainError) and error.retryable)
        ):
            self.violation(f"a sweep ended in {error!r}")

    # What processes meet.

    def latency(self) -> float:
        """How long a message is under way: some milliseconds, seldom a second."""
        chance = self._chance()
        return 0.002 + 0.03 * chance if chance < 0.95 else chance * self._chance()

    def ways(self) -> tuple[float, float]:
        """How long a request is under way, and its answer: one takes all the time, so that there is one event."""
        chance = self._chance()
        latency = 0.002 + 0.06 * chance if chance < 0.95 else 2 * chance * self._chance()
        return (latency, 0.0) if int(chance * 1024) & 1 else (0.0, latency)

    def meet(self, effect: Effect, process: Process | None, what: object) -> Fault | None:
        """The fault that an effect meets."""
        if process is not None and not process.alive:
            raise Died
        spared = self.only_workers and process is not None and process.kind != "worker"
        fault = None if spared else self.faults.decide(effect, self.loop.now)
        if self.story is not None:
            who = "queue" if process is None else process.name
            self.note(who, f"{effect} {describe(what)}{f'  <<< {fault.upper()}' if fault else ''}")
        if fault is None:
            return None
        self.sites[effect, fault, _site()] += 1
        if process is not None:
            if fault is Fault.CRASH_BEFORE:
                process.crash()
                raise Died
            if fault is Fault.STALL:
                process.freeze(self.lease_seconds * self.random.choice((0.3, 1.1, 1.1, 2, 3)))
        return fault

    @property
    def traced(self) -> bool:
        """Whether somebody reads the story."""
        return self.story is not None

    def note(self, who: str, what: str) -> None:
        """Add to the story, if somebody reads it."""
        if self.story is not None:
            self.story.append(Line(self.loop.now, who, what))

    def violation(self, what: str) -> None:
        """A promise was broken."""
        self.note("MONITOR", f"VIOLATION: {what}")
        self.violations.append(what)

    def _report_defect(self, error: BaseException) -> None:
        if not isinstance(error, DomainError):
            self.violation(f"defect: {error!r}")

    # What is watched.

    def acknowledged(self, process: Process, writes: Sequence[Write], applied_at: float) -> None:
        self.monitor.acknowledged(process, writes, applied_at)

    def run_of(self, message: str) -> RunId:
        return DELIVERED.get() or self.monitor.run_of_message[message]

    def model_called(self, process: Process, run_id: RunId, instance: Instance, step: int) -> None:
        self.monitor.model_called(process, run_id, instance, step)

    def tool_called(self, process: Process, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        self.monitor.tool_called(process, run_id, instance, call)

    def tool_ended(self, process: Process, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        self.monitor.tool_ended(process, run_id, instance, call)

    def tool_took_effect(self, run_id: RunId, instance: Instance, call: ToolCall) -> None:
        self.monitor.tool_took_effect(run_id, instance, call)

    def history_given(self, run_id: RunId, history: Sequence[str]) -> None:
        self.monitor.history_given(run_id, history)

    # Running.

    @property
    def is_quiet(self) -> bool:
        """Whether every run has ended and nothing is under way."""
        if self.monitor.open_runs > 0 or self.queue.outstanding:
            return False
        if self.sweeping or self.under_way or self.monitor.leases or self.monitor.forks.half_made:
            return False
        # A request that was refused may still be at work: of two things that it did at once only one had failed.
        return all(task.done() for process in self._processes if process.alive for task in process.tasks)

    def close(self) -> None:
        """End whatever still runs, so that nothing is left for the collector to find."""
        for process in self._processes:
            process.crash()
        for person in self._people:
            person.cancel()
        self.loop.run(until=lambda: True, deadline=0.0)
        for process in self._processes:
            process.tasks.clear()
        self._people.clear()

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run something that belongs to no process, such as a person."""
        person = self.loop.create_task(work)
        self._people.append(person)
        return person


async def _sweep(core: Core, lease_seconds: float, *, forks: bool) -> int:
    """What the sweeper does at each call; how many tasks it enqueued."""
    swept = await sweep_runs(core, lease_seconds)
    await expire_approvals(core)
    if forks:
        await remove_deleted(core, MOST_REMOVED)
    return swept.tasks


def _site() -> str:
    """The use case in whose code the present effect is."""
    frame = inspect.currentframe()
    while frame is not None and "/usecases/" not in frame.f_code.co_filename:
        frame = frame.f_back
    if frame is None:
        return "-"
    return f"{frame.f_code.co_filename.rpartition('/')[2].removesuffix('.py')}.{frame.f_code.co_name}"
