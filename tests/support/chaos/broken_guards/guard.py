"""What a guard is that can be taken away, and how."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from shared.domain.writes import Write
from shared.ports.documents import Documents, OutcomeUnknown
from tests.support.chaos.handmade import DELEGATION
from tests.support.chaos.rules import EVERYTHING, Rules
from tests.support.chaos.scenario import Cancel, Message, Scenario


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that can be taken away.

    Args:
        promise: what it is for.
        broken: takes it away for a while.
        notices: what is noticed of a schedule that breaks this promise, and not just any other: a pattern.
        rules: under which schedules that shows.
    """

    promise: str
    broken: Callable[[], AbstractContextManager[object]]
    notices: str
    rules: Rules = EVERYTHING

    def noticed(self, violations: Sequence[str]) -> str | None:
        """The violation that the promise predicts, if it is among these."""
        return next((violation for violation in violations if re.search(self.notices, violation)), None)


def replaced(owner: object, **by: Any) -> Callable[[], AbstractContextManager[object]]:
    """Puts others in the place of an owner's attributes."""

    @contextmanager
    def replacing() -> Generator[None, None, None]:
        with ExitStack() as stack:
            for name, value in by.items():
                stack.enter_context(patch.object(owner, name, value))
            yield

    return replacing


@contextmanager
def all_of(*parts: Callable[[], AbstractContextManager[object]]) -> Generator[None, None, None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part())
        yield


async def nothing(*_: Any) -> None:
    """In the place of what is left out."""


async def commit_at_last(documents: Documents, writes: list[Write]) -> None:
    """Commit, again and again until it is known."""
    while True:
        try:
            await documents.commit(writes)
        except OutcomeUnknown:
            continue
        return


STOPPED = Scenario(
    DELEGATION,
    items=0,
    shard_above=50,
    workers=1,
    actions=(Message(0.0, "m0", chat=False, session=True, if_busy="reject", has_key=True), Cancel(1.2, "m0")),
)
"""Delegates at work when their asker is cancelled."""
ALONE = replace(STOPPED, actions=STOPPED.actions[:1])
"""One run that nobody cancels."""
