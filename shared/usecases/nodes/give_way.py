"""Give way: hand every node that this process executes back to the queue, because the process is to stop."""

from __future__ import annotations

from shared.usecases.nodes.engine import Engine


async def give_way(engine: Engine, grace_seconds: float) -> None:
    """Let each model call in flight finish within `grace_seconds`; what then still runs stops in the middle."""
    held = list(engine.held)
    for attempt in held:
        attempt.give_way()
    await engine.core.clock.sleep(grace_seconds)
    for attempt in held:
        attempt.give_way(at_once=True)
