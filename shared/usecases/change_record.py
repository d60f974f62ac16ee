"""Change one record on what is there: a compare-and-set that is asked again until it holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from shared.domain.errors import Aborted, StoreUnavailable
from shared.domain.writes import Delete, Write
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot

T = TypeVar("T")
TRIES = 20
PAUSE_SECONDS = 0.02
"""How much longer each wait for others is than the one before, up to `MOST_SECONDS`; the first is none."""
MOST_SECONDS = 0.1
_MAX_LOST_REPLIES = 3


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """A change of a record as it was read.

    Args:
        result: what it comes to.
        writes: the commit, which holds the record's update time against others' changes; none where all is well.
        before: commits that go first, in order, of what nothing refers to without the change.
    """

    result: T
    writes: Sequence[Write] = ()
    before: Sequence[Sequence[Write]] = ()


Decide: TypeAlias = Callable[[Snapshot], Awaitable[Change[T]]]
"""What is to become of a record as it was read; it may read more, and raise to leave all as it is."""


async def change_record(documents: Documents, clock: Clock, path: str, decide: Decide[T]) -> T:
    """Change the record at `path` as `decide` says, on what is there; what that comes to.

    `decide` is asked again after every refusal or unknown outcome, and so may find its own change, after which nothing
    is left to write.

    Raises:
        Aborted: others change the record all the time.
        Unavailable: the store does not answer, or does not say what became of the change.
    """
    lost_replies = 0
    for attempt in range(TRIES):
        change = await decide(await documents.get(path))
        if not change.writes:
            return change.result
        try:
            for writes in (*change.before, change.writes):
                await documents.commit(writes)
        except CommitRefused:
            await clock.sleep(min(PAUSE_SECONDS * attempt, MOST_SECONDS))
        except OutcomeUnknown as error:
            lost_replies += 1
            if lost_replies == _MAX_LOST_REPLIES:
                raise StoreUnavailable("The document store does not say whether the change was made.") from error
        else:
            return change.result
    raise Aborted("Others keep changing the same.", retry_after_seconds=1)


async def delete_record(documents: Documents, clock: Clock, path: str) -> None:
    """Delete the record at `path`, if it is there.

    Raises:
        Unavailable: the store does not answer, or does not say whether it was deleted.
    """

    async def decide(snapshot: Snapshot) -> Change[None]:
        return Change(None, [Delete(path)] if snapshot.exists else ())

    await change_record(documents, clock, path, decide)
