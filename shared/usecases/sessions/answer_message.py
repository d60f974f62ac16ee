"""Answer a message in the request that brought it, under the lease that a worker would hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared.domain.errors import DomainError
from shared.domain.events import start_event
from shared.domain.ids import SessionId, Token
from shared.domain.runs import Run
from shared.domain.sessions import Message, history_of
from shared.ports.task_queue import NodeTask
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.claim_node import hold
from shared.usecases.nodes.engine import Core, Engine
from shared.usecases.nodes.enter_node import read_messages
from shared.usecases.nodes.execute_node import execute_entered
from shared.usecases.nodes.node_context import NodeContext, Target
from shared.usecases.nodes.session_log import SessionLog
from shared.usecases.runs.start_run import RunRequest, StartedRun, start_run
from shared.usecases.sessions.follow_session import follow_session
from shared.usecases.sessions.turn_updates import EventAppended, LiveUpdates, RunWaits, TextShown, Update


@dataclass(slots=True)
class _Told:
    """What was told of a turn so far: the last event's number, the text of each step and try, and whether it is all."""

    last: int
    shown: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    complete: bool = False

    def takes(self, update: Update) -> bool:
        """Note an update that is to be told; False if events before it are missing."""
        if isinstance(update, TextShown):
            self.shown[update.step, update.try_] += len(update.delta)
        elif isinstance(update, EventAppended):
            if update.event.seq != self.last + 1:
                return False
            self.last, self.complete = update.event.seq, update.event.turn_complete
        return True


class Turn:
    """A turn of a session: executed in this process, or, where it waits or has many nodes, followed from the log."""

    def __init__(self, core: Core, started: StartedRun) -> None:
        """Follow a run that somebody else executes."""
        self._core = core
        self._started = started
        self._attempt: Attempt | None = None
        self._work: asyncio.Task[Acknowledgement] | None = None
        self._live = LiveUpdates(started.run.id)

    @property
    def run(self) -> Run:
        """The run, as it was started."""
        return self._started.run

    def execute(self, engine: Engine, attempt: Attempt, history: tuple[str, ...], next_seq: int) -> None:
        """Begin to execute the run's only node here."""
        target = Target(self.run, self._started.graph, self._started.graph.entries[0])
        log = SessionLog(self.run.session_id, next_seq)
        context = NodeContext(target, attempt, log=log, history=history, viewer=self._live)
        self._attempt = attempt
        self._work = asyncio.ensure_future(execute_entered(engine, context))
        self._work.add_done_callback(lambda _: self._live.end())

    async def updates(self) -> AsyncIterator[Update]:
        """What happens, up to the turn's last event: from memory while it is executed here, else from the log."""
        told = _Told(self._started.seq or self._started.after)
        if self._started.waits:
            yield RunWaits(self.run.id)
        if self._started.seq is not None:
            yield EventAppended(start_event(self.run, self._started.seq, self.run.created_at))
        while self._work is not None and (update := await self._live.next()) is not None:
            if not told.takes(update):
                break  # an event whose commit was broken off in the middle is only in the log
            yield update
        if not told.complete:
            async for update in self._rest(told):
                yield update

    async def _rest(self, told: _Told) -> AsyncIterator[Update]:
        """The run's events in the log that were not told, and its live text that was not shown."""
        session_id, run_id = self.run.session_id, self.run.id
        async for update in follow_session(self._core, session_id, after=told.last, until_run=run_id, shown=told.shown):
            about = update.event.run_id if isinstance(update, EventAppended) else update.run_id
            if about == run_id:
                yield update

    def abandon(self) -> None:
        """Stop at once and write nothing more, as a process that dies does."""
        if self._work is not None:
            self._work.cancel()

    async def leave(self, grace_seconds: float) -> None:
        """Nobody reads any more: let the run go on elsewhere.

        The model call in flight has `grace_seconds` to finish and be recorded; then the node gives way in the middle.
        Returns when nothing is left to do in this process.
        """
        if self._work is None or self._attempt is None:
            return
        self._attempt.give_way()
        await asyncio.wait({self._work}, timeout=grace_seconds)
        self._attempt.give_way(at_once=True)
        await asyncio.wait({self._work})


async def answer_message(engine: Engine, request: RunRequest) -> Turn:
    """Start the turn; a single agent's is executed here, beginning now.

    Raises:
        shared.domain.errors.DomainError: as `start_run`.
    """
    token = Token(engine.core.ids.new())
    sent = engine.core.clock.monotonic()
    started, history = await asyncio.gather(
        start_run(engine.core, replace(request, claim=token)), _history(engine.core, request.session_id)
    )
    turn = Turn(engine.core, started)
    if started.claimed and started.seq is not None:
        if len(history) != started.messages:  # an earlier turn ended between the two reads
            history = await _history(engine.core, request.session_id)
        target = Target(started.run, started.graph, started.graph.entries[0])
        attempt = hold(engine, target, 1, token, sent)
        turn.execute(engine, attempt, history_of(history, started.run.turn), started.seq + 1)
        await _watch(engine, target)
    return turn


async def _history(core: Core, session_id: SessionId | None) -> tuple[Message, ...]:
    return () if session_id is None else await read_messages(core.documents, session_id)


async def _watch(engine: Engine, target: Target) -> None:
    """Have the queue look after the node should this process die; without the queue the sweeper does it."""
    after = engine.core.clock.now() + timedelta(seconds=engine.lease_seconds)
    try:
        await engine.core.queue.enqueue([NodeTask(target.run.id, target.instance, "watch", after)])
    except DomainError as error:
        engine.report_defect(error)
