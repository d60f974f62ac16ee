"""An attempt: the right to write for one node run, for as long as its lease exists."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

from shared.domain.ids import Instance, RunId, Token
from shared.domain.nodes import lease_path, node_path
from shared.domain.writes import Delete, Fields, Increment, ServerTime, Update, Write
from shared.ports.documents import CommitRefused, Committed, OutcomeUnknown, Snapshot
from shared.usecases.nodes.engine import Core

T = TypeVar("T")
MOST_BEAT_SECONDS = 5.0
RESEND_SECONDS = 0.05
YIELD_AFTER_SECONDS = 25 * 60
"""Cloud Tasks ends a request after 30 minutes. Source: https://cloud.google.com/tasks/docs/dual-overview"""
_BEAT: Fields = {"beat": ServerTime(), "cancel": Increment(0), "pause": Increment(0)}


class Superseded(Exception):
    """Another attempt has the node, or this one was silent for too long; nothing more may be written."""


class StopRequested(Exception):
    """The run is to be cancelled."""


class YieldRequested(Exception):
    """The node is to go on in another request, after a pause; everything so far is recorded."""

    def __init__(self, pause: timedelta = timedelta()) -> None:
        """Go on after `pause`."""
        super().__init__()
        self.pause = pause


def _no_result() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


async def _ended(work: asyncio.Future[Any]) -> None:
    """Wait until work ends, whoever wants to stop meanwhile."""
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({work})


@dataclass(slots=True)
class _Holding:
    """What is known of a lease that is held, for all who write under it."""

    last_beat: float
    began: float
    stops: bool = False
    yields: bool = False
    yields_at_once: bool = False
    undivided: int = 0
    in_doubt: bool = False
    interrupted: asyncio.Future[None] = field(default_factory=_no_result)

    def interrupt(self) -> None:
        """Stop who works under the lease."""
        if not self.interrupted.done():
            self.interrupted.set_result(None)


class Attempt:
    """The holder of a node's lease.

    Every commit of an attempt contains its lease, which a takeover deletes: so a late writer is refused. The commit's
    result tells whether cancelling was requested, so nothing is polled.
    """

    def __init__(  # noqa: PLR0913 - it is all that tells one attempt from another
        self,
        core: Core,
        *,
        run_id: RunId,
        instance: Instance,
        number: int,
        token: Token,
        lease_seconds: float,
        sent: float,
    ) -> None:
        """Take up an attempt whose lease was committed; `sent` is the monotonic time at which that commit was sent."""
        self.run_id = run_id
        self.instance = instance
        self.number = number
        self.token = token
        self._core = core
        self._lease = lease_path(run_id, instance, number)
        self._lease_seconds = lease_seconds
        self._holder = node_path(run_id, instance)
        self._holding = _Holding(last_beat=sent, began=sent)

    def below(self, instance: Instance) -> Attempt:
        """The right to write for a child node, which is executed under the same lease."""
        child = copy(self)
        child.instance = instance
        return child

    @property
    def path(self) -> str:
        """Path of the node run."""
        return node_path(self.run_id, self.instance)

    @property
    def is_in_doubt(self) -> bool:
        """Whether work was stopped in a commit of which nobody knows: it may be applied while the lease exists."""
        return self._holding.in_doubt

    def stop(self) -> None:
        """Note that cancelling was requested."""
        self._holding.stops = True
        self._holding.interrupt()

    @property
    def is_yielding(self) -> bool:
        """Whether the node should go on in another request: asked for, or because this one runs for too long."""
        return self._holding.yields or self._core.clock.monotonic() - self._holding.began > YIELD_AFTER_SECONDS

    def give_way(self, *, at_once: bool = False) -> None:
        """Ask the node to go on in another request: from its next step, or at once, in the middle of a model call.

        A tool call whose effect happens once is let to its end.
        """
        self._holding.yields = True
        self._holding.yields_at_once = self._holding.yields_at_once or at_once
        self._interrupt_if_asked()

    @contextmanager
    def undivided(self) -> Generator[None, None, None]:
        """What runs inside is not broken off to give way, because nobody could tell how far it came."""
        self._holding.undivided += 1
        try:
            yield
        finally:
            self._holding.undivided -= 1
            self._interrupt_if_asked()

    def _interrupt_if_asked(self) -> None:
        if self._holding.yields_at_once and not self._holding.undivided:
            self._holding.interrupt()

    def check(self) -> None:
        """Ask whether something may begin that costs money or has an effect, such as a model call.

        Raises:
            Superseded: this attempt was silent for so long that another may have the node.
            StopRequested: cancelling was requested.
        """
        if self.beat_age() > self._lease_seconds:
            raise Superseded
        if self._holding.stops:
            raise StopRequested

    def beat_age(self) -> float:
        """Seconds since the last good beat was sent."""
        return self._core.clock.monotonic() - self._holding.last_beat

    def fence(self) -> Update:
        """The write that proves that the lease is held, and prolongs it."""
        return Update(self._lease, _BEAT)

    def note_beat(self, sent: float, sums: Mapping[str, int]) -> None:
        """Take note of an applied `fence` that was sent at monotonic time `sent`."""
        self._holding.last_beat = max(self._holding.last_beat, sent)
        if sums.get("cancel", 0) > 0:
            self.stop()
        if sums.get("pause", 0) > 0:
            self.give_way()

    async def commit(
        self,
        writes: Callable[[], Awaitable[Sequence[Write]]],
        applied: Callable[[Snapshot], Awaitable[bool]],
        *,
        last: bool = False,
    ) -> Committed | None:
        """Commit under the lease, and find out what became of it when the store does not say.

        Args:
            writes: makes the commit's writes; called again before each try, for those that depend on what is stored.
            applied: whether the commit took effect, given the node as it is now.
            last: give the lease up with this commit.

        Returns:
            The sums of the writes, or None when the commit took effect but its result was lost.

        Raises:
            Superseded: the right to write is gone; nothing was written.
        """
        lease: Write = Delete(self._lease, must_exist=True) if last else self.fence()
        is_known = True
        try:
            while True:
                if self.beat_age() > self._lease_seconds:
                    raise Superseded
                batch = [lease, *await writes()]
                sent = self._core.clock.monotonic()
                try:
                    committed = await self._send(batch)
                except (CommitRefused, OutcomeUnknown) as error:
                    is_known = is_known and isinstance(error, CommitRefused)
                    if await self._took_effect(applied):
                        return None
                    await self._core.clock.sleep(RESEND_SECONDS)
                    continue
                self.note_beat(sent, committed.sums[0])
                return Committed(committed.sums[1:], committed.update_time)
        except asyncio.CancelledError:
            self._holding.in_doubt = self._holding.in_doubt or not is_known
            raise

    async def _send(self, batch: Sequence[Write]) -> Committed:
        """Commit; what is under way is not broken off, because nobody could tell whether it was applied."""
        sending = asyncio.ensure_future(self._core.documents.commit(batch))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            if not sending.cancelled():
                await _ended(sending)
                self._holding.in_doubt = self._holding.in_doubt or isinstance(sending.exception(), OutcomeUnknown)
            raise
        finally:
            del sending  # it holds the exception whose frames hold it

    async def _took_effect(self, applied: Callable[[Snapshot], Awaitable[bool]]) -> bool:
        node = await self._core.documents.get(self._holder)
        if node.fields is None or node.fields["token"] != self.token:
            raise Superseded
        return await applied(node)

    async def beat(self) -> None:
        """Prolong the lease.

        Raises:
            Superseded: the right to write is gone.
        """

        async def nothing_else() -> Sequence[Write]:
            return ()

        async def unknown(_: Snapshot) -> bool:
            return False

        await self.commit(nothing_else, unknown)

    async def hold(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` while beating; stop it when the run is cancelled, must give way, or has lost its lease.

        Raises:
            StopRequested: cancelling was requested; the work was stopped.
            YieldRequested: the node must give way at once; the work was stopped.
            Superseded: the lease is lost; the work was stopped.
        """
        interrupted = self._holding.interrupted
        if interrupted.done():
            work.close()
            self._raise_interrupt()
        task = asyncio.ensure_future(work)
        guard = asyncio.ensure_future(self._beat_on())
        try:
            await asyncio.wait({task, guard, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return await task
            if interrupted.done():
                self._raise_interrupt()
            return await guard
        finally:
            for running in (task, guard):
                running.cancel()
            await asyncio.gather(task, guard, return_exceptions=True)

    def _raise_interrupt(self) -> NoReturn:
        raise StopRequested if self._holding.stops else YieldRequested

    async def _beat_on(self) -> NoReturn:
        pause = min(self._lease_seconds / 3, MOST_BEAT_SECONDS)
        while True:
            await self._core.clock.sleep(pause)
            if self.beat_age() >= pause:
                await self.beat()
