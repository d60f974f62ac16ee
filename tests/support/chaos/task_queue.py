"""The simulated queue: at least once, in no order, each task with a back-off of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Protocol

from shared.domain.errors import DomainError, Unavailable
from shared.domain.ids import RunId
from shared.ports.task_queue import NodeTask
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.execute_node import execute_node
from tests.support.chaos.faults import Effect, Fault
from tests.support.chaos.network import Surroundings
from tests.support.chaos.processes import START, Died, Process

MOST_DELIVERIES = 100
MOST_BACK_OFF_SECONDS = 30.0
BACK_OFF_FACTOR = 4
"""More than a real queue's: what comes while a node is held shows nothing that the delivery before it did not."""
DELIVERED: ContextVar[RunId | None] = ContextVar("DELIVERED", default=None)
"""Whose node is executed by whoever asks; None outside of deliveries."""


class Workers(Surroundings, Protocol):
    """What the queue needs: somebody to deliver to, and somebody to complain to."""

    def worker(self) -> tuple[Process, Engine]:
        """A worker that accepts deliveries."""
        ...

    def violation(self, what: str) -> None:
        """Something happened that must not."""
        ...


class SimulatedQueue:
    """The queue itself; processes reach it through `NetworkQueue`."""

    def __init__(self, world: Workers) -> None:
        self._world = world
        self._names: set[str] = set()
        self.outstanding = 0
        """Deliveries under way or to come."""
        self.accepted: list[NodeTask] = []
        self.deliveries = 0

    def accept(self, task: NodeTask) -> None:
        """Take a task; a name that was used before changes nothing."""
        name = task.name
        if name in self._names:
            return
        self._names.add(name)
        self.accepted.append(task)
        fault = self._world.meet(Effect.DELIVERY, None, task)
        if fault is not Fault.LOST:
            self.schedule(task, self._world.random.uniform(1, 90) if fault is Fault.DELAYED else 0.0)
        if fault is Fault.DUPLICATE:
            self.schedule(task, self._world.random.uniform(0, 1) * self._world.random.choice((0.1, 60)))

    def schedule(self, task: NodeTask, delay: float = 0.0) -> None:
        """Deliver a task."""
        world = self._world
        due = world.loop.now + world.latency() + delay
        if task.not_before is not None and world.random.random() < 0.8:  # the rest is early, as on the emulator
            due = max(due, (task.not_before - START).total_seconds())
        self.outstanding += 1
        world.loop.at(due, self._deliver, task, 1)

    def _deliver(self, task: NodeTask, tries: int) -> None:
        self.deliveries += 1
        worker, engine = self._world.worker()
        if self._world.traced:
            self._world.note(worker.name, f"delivery {tries} of {task.run_id} {task.instance} ({task.cause})")
        work = worker.spawn(_execute(engine, task))
        work.add_done_callback(lambda done: self._settle(task, tries, worker, done))

    def _settle(self, task: NodeTask, tries: int, worker: Process, work: asyncio.Task[Acknowledgement]) -> None:
        done = self._is_acknowledged(task, work)
        if self._world.traced:
            self._world.note(worker.name, f"answers {task.instance} ({task.cause}): {'done' if done else 'again'}")
        if done and self._world.meet(Effect.ACKNOWLEDGEMENT, None, task) is not Fault.REPLY_LOST:
            self.outstanding -= 1
        elif tries >= MOST_DELIVERIES:
            self.outstanding -= 1
            self._world.note("queue", f"gives up {task.instance}")
        else:
            back_off = min(0.1 * BACK_OFF_FACTOR ** min(tries, 10), MOST_BACK_OFF_SECONDS)
            self._world.loop.at(self._world.loop.now + back_off, self._deliver, task, tries + 1)

    def _is_acknowledged(self, task: NodeTask, work: asyncio.Task[Acknowledgement]) -> bool:
        """As the edge answers: what may succeed later is delivered again."""
        if work.cancelled():
            return False
        error = work.exception()
        match error:
            case None:
                return work.result() is Acknowledgement.DONE
            case Died():
                return False
            case DomainError() if error.retryable:
                return False
            case _:
                self._world.violation(f"the task {task.instance} ({task.cause}) ended in {error!r}")
                return True


async def _execute(engine: Engine, task: NodeTask) -> Acknowledgement:
    DELIVERED.set(task.run_id)
    return await execute_node(engine, task.run_id, task.instance)


class NetworkQueue:
    """`TaskQueue` as one process sees it."""

    def __init__(self, world: Surroundings, queue: SimulatedQueue, process: Process) -> None:
        self._world = world
        self._queue = queue
        self._process = process

    async def enqueue(self, tasks: Sequence[NodeTask]) -> None:
        world, process = self._world, self._process
        fault = world.meet(Effect.ENQUEUE, process, tasks)
        departure = process.departure
        answer: asyncio.Future[None] = asyncio.Future(loop=world.loop)
        world.loop.at(departure + world.latency(), self._arrive, list(tasks), departure, fault, answer)
        await answer

    def _arrive(
        self, tasks: list[NodeTask], departure: float, fault: Fault | None, answer: asyncio.Future[None]
    ) -> None:
        world, process = self._world, self._process
        if process.died_at < departure:
            return
        error = Unavailable("the queue did not accept every task") if fault in _FAILURES else None
        for task in tasks:
            dropped = fault in _DROPS and world.random.random() < 0.5
            if fault is not Fault.UNAVAILABLE and not dropped:
                self._queue.accept(task)
        if fault is Fault.CRASH_AFTER:
            process.crash()
            return
        world.loop.at(world.loop.now + world.latency(), process.tell, answer, None, error)


_DROPS = frozenset({Fault.PARTLY, Fault.CRASH_AFTER})
_FAILURES = frozenset({Fault.UNAVAILABLE, Fault.PARTLY, Fault.REPLY_LOST})
