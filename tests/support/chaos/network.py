"""What lies between a process and the store: every call takes time, and may meet a fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Protocol, TypeVar, cast

from shared.domain.errors import DomainError, StoreUnavailable
from shared.domain.writes import Create, Delete, Increment, Merge, Put, Update, Write
from shared.ports.documents import CommitRefused, Committed, OutcomeUnknown, Query, Snapshot
from shared.ports.task_queue import NodeTask
from tests.support.chaos.faults import Effect, Fault
from tests.support.chaos.processes import Process
from tests.support.chaos.store import Store
from tests.support.chaos.virtual_loop import VirtualLoop

T = TypeVar("T")


class Surroundings(Protocol):
    """What the ports of a process need of the world around it."""

    under_way: int
    """Commits that have not arrived at the store."""

    @property
    def loop(self) -> VirtualLoop: ...
    @property
    def random(self) -> Random: ...
    @property
    def store(self) -> Store: ...
    @property
    def lease_seconds(self) -> float: ...
    @property
    def traced(self) -> bool: ...

    def meet(self, effect: Effect, process: Process | None, what: object) -> Fault | None:
        """The fault that an effect meets; a crash before it is carried out here."""
        ...

    def latency(self) -> float:
        """How long a message is under way, in seconds."""
        ...

    def ways(self) -> tuple[float, float]:
        """How long a request is under way, and its answer, in seconds: only one of the two takes any time."""
        ...

    def note(self, who: str, what: str) -> None:
        """Write something into the schedule."""
        ...

    def acknowledged(self, process: Process, writes: Sequence[Write], applied_at: float) -> None:
        """A process learnt that its commit was applied."""
        ...


class NetworkDocuments:
    """`Documents` as one process sees them."""

    def __init__(self, world: Surroundings, process: Process) -> None:
        self._world = world
        self._process = process

    async def get(self, path: str) -> Snapshot:
        return (await self._read(self._world.store.read, [path]))[0]

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        return await self._read(self._world.store.read, paths)

    async def query(self, query: Query) -> list[Snapshot]:
        return await self._read(self._world.store.query, query)

    def _read(self, ask: Callable[[T], list[Snapshot]], what: T) -> asyncio.Future[list[Snapshot]]:
        world, process = self._world, self._process
        fault = world.meet(Effect.READ, process, what)
        departure = process.departure
        answer: asyncio.Future[list[Snapshot]] = asyncio.Future(loop=world.loop)
        if fault is Fault.UNAVAILABLE:
            error = StoreUnavailable("the document store does not answer")
            world.loop.at(departure + world.random.choice((0.1, 10.0)), process.tell, answer, None, error)
            return answer
        there, back = world.ways()
        if fault is Fault.SLOW:
            there += world.random.uniform(1, 9)
        if departure + there > world.loop.now:
            world.loop.at(departure + there, self._answer, ask, what, fault, back, answer)
        else:
            self._answer(ask, what, fault, back, answer)
        return answer

    def _answer(
        self,
        ask: Callable[[T], list[Snapshot]],
        what: T,
        fault: Fault | None,
        back: float,
        answer: asyncio.Future[list[Snapshot]],
    ) -> None:
        process = self._process
        if fault is Fault.CRASH_AFTER:
            process.crash()
        elif back:
            process.loop.at(process.loop.now + back, process.tell, answer, ask(what))
        elif not answer.done():
            process.tell(answer, ask(what))

    def commit(self, writes: Sequence[Write]) -> asyncio.Future[Committed]:
        world, process = self._world, self._process
        fault = world.meet(Effect.COMMIT, process, writes)
        departure = process.departure
        answer: asyncio.Future[Committed] = asyncio.Future(loop=world.loop)
        process.tasks.append(answer)  # nobody breaks off a commit but the end of its process
        patience = world.lease_seconds / 3
        there, back = world.ways()
        arrival = departure + there
        if fault is Fault.ABORTED:
            world.loop.at(arrival + back, process.tell, answer, None, OutcomeUnknown("aborted"))
            return answer
        if fault is Fault.SLOW:
            arrival += world.random.uniform(0.1, patience - 0.5)
        if fault is Fault.LATE:
            error = OutcomeUnknown("no reply in time")
            world.loop.at(departure + patience, process.tell, answer, None, error)
            arrival = departure + patience + world.random.uniform(-patience / 4, 2 * patience)
        world.under_way += 1
        if arrival > world.loop.now:
            world.loop.at(arrival, self._apply, writes, departure, fault, back, answer)
        else:
            self._apply(writes, departure, fault, back, answer)
        return answer

    def _apply(
        self,
        writes: Sequence[Write],
        departure: float,
        fault: Fault | None,
        back: float,
        answer: asyncio.Future[Any],
    ) -> None:
        """What happens at the store: also for a caller that no longer waits, but not for one that died before."""
        world, process = self._world, self._process
        world.under_way -= 1
        if process.died_at < departure:
            return
        committed, error = None, None
        try:
            committed = world.store.commit(writes)
        except (CommitRefused, DomainError) as refusal:
            error = refusal.with_traceback(None)  # which leads to this very frame: nobody but the collector frees it
        if world.traced:
            world.note(process.name, f"  applied {describe(writes)}" if error is None else f"  refused: {error}")
        if fault is Fault.CRASH_AFTER:
            process.crash()
            return
        if fault is Fault.REPLY_LOST:
            error = OutcomeUnknown("reply lost")
            back = world.random.choice((back, world.lease_seconds / 3))
        applied_at = world.loop.now
        if error is None:
            process.when_awake(applied_at + back, self._acknowledge, writes, applied_at, committed, answer)
        else:
            world.loop.at(applied_at + back, process.tell, answer, None, error)

    def _acknowledge(
        self, writes: Sequence[Write], applied_at: float, committed: Committed | None, answer: asyncio.Future[Any]
    ) -> None:
        """The process learns that its commit was applied, and whoever made it, if they still wait."""
        self._world.acknowledged(self._process, writes, applied_at)
        self._process.tell(answer, committed)


def describe(what: object) -> str:
    """An effect in short, for a schedule that a person reads."""
    match what:
        case Query():
            return f"{what.collection} where {[f'{c.field} {c.operator} {c.value}' for c in what.where]}"
        case NodeTask():
            return f"{what.run_id} {what.instance} ({what.cause})"
        case list() | tuple():
            return ", ".join(describe(part) for part in cast("list[object]", what))
        case Create() | Put() | Merge() | Update():
            shown = {name: _plain(what.fields[name]) for name in _SHOWN if name in what.fields}
            return f"{type(what).__name__} {what.path}{f' {shown}' if shown else ''}"
        case Delete():
            return f"Delete {what.path}"
        case _:
            return str(what)


def _plain(value: Any) -> Any:
    return f"+{value.by}" if isinstance(value, Increment) else str(value)


_SHOWN = ("state", "attempt", "run_id", "queue", "next_seq", "resolved", "ok", "added", "cancel_requested")
