"""The kinds of identifiers: opaque, unordered text, one type for each thing it names."""

from __future__ import annotations

import hashlib
from typing import NewType

Uid = NewType("Uid", str)
AgentId = NewType("AgentId", str)
SessionId = NewType("SessionId", str)
RunId = NewType("RunId", str)
NodeId = NewType("NodeId", str)
"""A node's path in the plan, such as `review` or `$end`."""
Instance = NewType("Instance", str)
"""One execution of a node in a run: `review[3]~0` is item 3 of the map `review` in epoch 0."""
ApprovalId = NewType("ApprovalId", str)
DeliveryId = NewType("DeliveryId", str)
"""One fact on its way to one webhook."""
Token = NewType("Token", str)
"""The random mark of one attempt at a node; only its holder writes for that node."""


def instance_of(node: NodeId, epoch: int, index: int | None = None) -> Instance:
    """Name the instance of `node` in `epoch`; `index` is the item's position in a map, from 0."""
    item = "" if index is None else f"[{index}]"
    return Instance(f"{node}{item}~{epoch}")


def parse_instance(instance: Instance) -> tuple[NodeId, int, int | None]:
    """Split an instance into node, epoch and item index.

    Raises:
        ValueError: the text does not have the form of an instance.
    """
    path, mark, epoch = instance.rpartition("~")
    if not mark or not epoch.isdigit():
        raise ValueError(f"{instance!r} is not an instance: it lacks '~epoch'")
    if not path.endswith("]"):
        return NodeId(path), int(epoch), None
    node, _, index = path[:-1].rpartition("[")
    return NodeId(node), int(epoch), int(index)


def hashed_id(*parts: str) -> str:
    """Derive an opaque id from parts: the same parts give the same id, in 40 hex digits."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:40]


def share_of(*parts: str) -> float:
    """A number from 0 to below 1 that parts decide on: others give another, and the same always the same."""
    return int(hashed_id(*parts)[:8], 16) / 2**32
