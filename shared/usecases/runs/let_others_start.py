"""Let those who were faster start their runs first: many who start at once contend for what counts them."""

from __future__ import annotations

from shared.domain.errors import TooManyRuns, Unavailable
from shared.domain.ids import RunId, share_of
from shared.domain.quotas import BUSY_SECONDS
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, OutcomeUnknown

WITHIN_SECONDS = 10.0
"""For how long a start is tried again: who reads anew what others have changed is started, or told what is full."""
PAUSE_SECONDS = 0.02
"""The second wait, at most; each is about twice as long as the one before, up to `MOST_SECONDS`; the first is none."""
MOST_SECONDS = 1.0


async def let_others_start(
    clock: Clock, run_id: RunId, attempt: int, until: float, refusal: CommitRefused | OutcomeUnknown
) -> None:
    """Wait before the next attempt, each run for a time of its own, so that those who met part.

    Args:
        clock: whose time it is.
        run_id: the run that is to be started.
        attempt: how many there were before the one that was refused.
        until: monotonic seconds, after which it is given up.
        refusal: why the commit failed.

    Raises:
        TooManyRuns: others were faster until then.
        Unavailable: the store did not say until then whether the run is started.
    """
    longest = min(PAUSE_SECONDS * (2**attempt - 1), MOST_SECONDS)
    pause = longest * (1 + share_of(run_id, str(attempt))) / 2
    if clock.monotonic() + pause < until:
        return await clock.sleep(pause)
    if isinstance(refusal, OutcomeUnknown):
        raise Unavailable("The document store does not say whether the run was started.", retry_after_seconds=1)
    raise TooManyRuns("More runs are being started than can be counted; try again.", retry_after_seconds=BUSY_SECONDS)
