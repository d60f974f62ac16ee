"""Tell of a run's end at once, instead of at the next sweep."""

from __future__ import annotations

from contextlib import suppress

from shared.domain.errors import DomainError
from shared.domain.facts import run_end_id
from shared.domain.runs import Run
from shared.usecases.nodes.engine import Core


async def tell_run_end(core: Core, run: Run) -> None:
    """Publish the fact that the commit of the run's end has recorded; where that fails, the sweeper does it."""
    if core.topic is not None:
        with suppress(DomainError):
            await core.topic.publish([run_end_id(run)])
