"""Take a turn: what the item of a map, or the round of a loop, sees whose body is a graph; or that there is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.ids import NodeId, instance_of
from shared.domain.nodes import node_path
from shared.domain.plans import Turn, below
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.gather_inputs import read_outputs
from shared.usecases.nodes.node_context import Target


async def take_turn(engine: Engine, target: Target, turn: Turn, scope: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the templates of the body see; None where the list is shorter, or the loop has ended.

    Raises:
        FailedPrecondition: the loop's condition cannot be judged.
    """
    return await (_item if turn.until is None else _round)(engine, target, turn, scope)


async def _item(engine: Engine, target: Target, turn: Turn, scope: Mapping[str, Any]) -> dict[str, Any] | None:
    name, run = below(turn.of, "items"), target.run

    async def read() -> list[Any]:
        return (await read_outputs(engine.core.documents, target, [name]))[name]

    picked = await engine.lists.pick(node_path(run.id, instance_of(name, run.epoch)), turn.index, read)
    return None if picked is None else {**scope, "item": picked.value, "index": turn.index}


async def _round(engine: Engine, target: Target, turn: Turn, scope: Mapping[str, Any]) -> dict[str, Any] | None:
    """A round sees what the one before came to, unless that one was the last."""
    if turn.index == 0:
        return {**scope, "item": None, "index": 0}
    names = [NodeId(below(turn.of, str(index))) for index in range(max(turn.index - 2, 0), turn.index)]
    outputs = await read_outputs(engine.core.documents, target, names)
    output, item = outputs.get(names[-1]), outputs.get(names[0]) if len(names) > 1 else None
    judged = {**scope, "output": output, "item": item, "index": turn.index - 1}
    if await engine.conditions.holds(turn.until or "", judged):
        return None
    return {**scope, "item": output, "index": turn.index}
