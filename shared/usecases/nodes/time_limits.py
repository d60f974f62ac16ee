"""How long a node may work: as long as it says itself, and as the definition says of the whole run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from shared.domain.errors import DeadlineExceeded, DomainError, LimitReached
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext

T = TypeVar("T")


async def in_time(engine: Engine, context: NodeContext, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `work` comes to, within the time that the node has.

    Raises:
        DeadlineExceeded: it took longer than one attempt may; it was stopped.
        LimitReached: the run's time is over; the work was stopped, or not begun.
    """
    seconds, error = _shortest(engine, context)
    if error is None:
        return await work()
    if seconds <= 0:
        raise error
    working = asyncio.ensure_future(work())
    waiting = asyncio.ensure_future(engine.core.clock.sleep(seconds))
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise error
    finally:
        waiting.cancel()
        working.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)


def _shortest(engine: Engine, context: NodeContext) -> tuple[float, DomainError | None]:
    """The seconds that the work may take, and what it is to take longer; None if it may take any time."""
    limits: list[tuple[float, DomainError]] = []
    own, whole = context.target.node.timeout_seconds, context.target.graph.plan.seconds
    if own is not None:
        limits.append((own, DeadlineExceeded(f"the node took longer than {own:g} s")))
    if whole is not None:
        now = engine.core.clock.now()
        spent = (now - (context.run.started_at or now)).total_seconds() - context.run.waited_seconds
        limits.append((whole - spent, LimitReached(f"the run's limit of {whole:g} s is reached")))
    return min(limits, key=lambda limit: limit[0], default=(0, None))
