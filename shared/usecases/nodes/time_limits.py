"""How long a node may work: as long as it says itself, and as definitions say of the run and of kept agents in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from shared.domain.errors import DeadlineExceeded, DomainError, LimitReached
from shared.domain.ids import instance_of
from shared.domain.nodes import node_path
from shared.domain.plans import Part, below
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext

T = TypeVar("T")


async def in_time(engine: Engine, context: NodeContext, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `work` comes to, within the time that the node has.

    Raises:
        DeadlineExceeded: it took longer than one attempt may; it was stopped.
        LimitReached: the run's time is over, or that of a kept agent; the work was stopped, or not begun.
    """
    seconds, error = _shortest(engine, context, await _left_of_parts(engine, context))
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


async def _left_of_parts(engine: Engine, context: NodeContext) -> list[tuple[float, DomainError]]:
    """What is left to the kept agents that the node is within, of the time that each has from its start."""
    target, found = context.target, list[tuple[float, DomainError]]()
    for part in target.graph.plan.parts_of(target.node):
        if part.seconds is not None:
            error = LimitReached(f"the limit of {part.seconds:g} s of the agent that is {target.part(part)} is reached")
            found.append((part.seconds - max(await _spent(engine, context, part), 0.0), error))
    return found


async def _spent(engine: Engine, context: NodeContext, part: Part) -> float:
    """The seconds since a part began, without those in which the run stood still since then.

    A part of one node that has waited, for people or a budget, has its time anew, as nobody noted how long that was.
    """
    now = engine.core.clock.now()
    if part.vertex == context.target.node.id:
        began = None if context.stored is None or context.waits else context.stored
        started = None if began is None else (began.fields or {}).get("started_at")
        return (now - (started or now)).total_seconds()
    first = instance_of(below(part.vertex, "input"), context.run.epoch)
    found = await engine.core.documents.get(node_path(context.run_id, first))
    passed, before = context.run.seconds_by(now), (found.fields or {}).get("run_seconds")
    return 0.0 if before is None else passed - before


def _shortest(
    engine: Engine, context: NodeContext, limits: list[tuple[float, DomainError]]
) -> tuple[float, DomainError | None]:
    """The seconds that the work may take, and what it is to take longer; None if it may take any time."""
    own, whole = context.target.node.timeout_seconds, context.target.graph.plan.seconds
    if own is not None:
        limits.append((own, DeadlineExceeded(f"the node took longer than {own:g} s")))
    if whole is not None:
        spent = context.run.seconds_by(engine.core.clock.now())
        limits.append((whole - spent, LimitReached(f"the run's limit of {whole:g} s is reached")))
    return min(limits, key=lambda limit: limit[0], default=(0, None))
