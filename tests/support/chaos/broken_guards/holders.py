"""Guards of who may write: one holder of a node, and one outcome."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from shared.domain.errors import DomainError
from shared.domain.segments import Segment
from shared.domain.writes import Delete, Increment, Merge, Put, ServerTime, Write
from shared.usecases.nodes import ask_delegate, attempt, claim_node, execute_node
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.segment_writer import SegmentWriter
from tests.support.chaos.broken_guards.guard import ALONE, STOPPED, Guard, all_of, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import SINGLE
from tests.support.chaos.rules import Rules


def _unconditional(self: Attempt) -> Merge:
    return Merge(f"unfenced/{self.token}", {"beat": ServerTime(), "cancel": Increment(0)})


def _forgiving(path: str, *, must_exist: bool = False, seen: Any = None) -> Delete:
    del must_exist
    return Delete(path, seen=seen)


def _no_fencing() -> AbstractContextManager[object]:
    return all_of(replaced(Attempt, fence=_unconditional), replaced(attempt, Delete=_forgiving))


def _unchecked(_: Attempt) -> None:
    return None


async def _send_broken_off(self: Attempt, batch: Sequence[Write]) -> Any:
    return await self._core.documents.commit(batch)  # pyright: ignore[reportPrivateUsage] # as it was


def _unseen(self: SegmentWriter, segment: Segment) -> Write:
    return self._put(segment)  # pyright: ignore[reportPrivateUsage] # the write without its condition


class _Never(DomainError):
    """What no store says."""


def _ended_again() -> AbstractContextManager[object]:
    close = ask_delegate._close  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    async def regardless(engine: Any, child: Any, recorder: Any, ended: Any, opened: Any) -> None:
        del opened
        await close(engine, child, recorder, ended, None)

    return replaced(ask_delegate, _close=regardless)()


LATE_ALONE = Rules(kinds=frozenset({Fault.LATE}), only_workers=True, scenario=ALONE)
"""Commits are given up and applied after all, and nothing else goes wrong."""
FREEZES = Rules(
    kinds=frozenset({Fault.STALL, Fault.DUPLICATE}),
    only_workers=True,
    scenario=replace(ALONE, definition=SINGLE, workers=2),
)
"""Holders freeze, others take their nodes over, and the first wake up."""
HOLDERS = {
    "fencing": Guard("a node has one outcome", _no_fencing, r"/nodes/.* goes from (succeeded|failed|cancelled) to "),
    "own expiry": Guard(
        "no recorded step runs again",
        replaced(Attempt, check=_unchecked),
        r" asks the model .* is recorded$|, whose result is recorded$",
        FREEZES,
    ),
    "no outcome of a store": Guard(
        "a store that does not answer fails no node",
        replaced(execute_node, StoreUnavailable=_Never),
        r": failed with Failure\(code='store_unavailable'",
    ),
    "create on claim": Guard("a node has one holder", replaced(claim_node, Create=Put), r"/nodes/.* to running$"),
    "whole commits": Guard(
        "a delegate ends with its asker",
        replaced(Attempt, _send=_send_broken_off),
        r": main\.writer\S+: is running$",
        Rules(scenario=STOPPED),
    ),
    "ended as it was opened": Guard(
        "a delegate ends once", _ended_again, r"/nodes/main\.writer.* has two outcomes$", LATE_ALONE
    ),
    "shown as it was seen": Guard(
        "what was said is kept", replaced(SegmentWriter, _preview=_unseen), r"shows \d+ characters of \d+$", LATE_ALONE
    ),
}
