"""The states of runs and nodes, and the only transitions between them.

Nobody asks the tables before a write: each is a commit that depends on what was there. The simulator holds the engine
to them at every commit (`tests/support/chaos/monitor.py`).
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class NodeState(StrEnum):
    """Where a node's execution stands; `pending` is the absence of its document."""

    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


_RUN_ENDS = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED})

RUN_TRANSITIONS: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.PAUSED, RunState.CANCELLED, RunState.FAILED}),
    RunState.RUNNING: frozenset({RunState.WAITING, RunState.PAUSED}) | _RUN_ENDS,
    RunState.WAITING: frozenset({RunState.RUNNING, RunState.PAUSED, RunState.FAILED, RunState.CANCELLED}),
    RunState.PAUSED: frozenset({RunState.QUEUED, RunState.RUNNING, RunState.WAITING}) | _RUN_ENDS,
    RunState.SUCCEEDED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.CANCELLED: frozenset(),
}

_ENDS = frozenset({NodeState.SUCCEEDED, NodeState.FAILED, NodeState.SKIPPED, NodeState.CANCELLED})

NODE_TRANSITIONS: dict[NodeState, frozenset[NodeState]] = {
    NodeState.PENDING: frozenset({NodeState.READY, NodeState.RUNNING}),
    NodeState.READY: frozenset({NodeState.RUNNING, NodeState.CANCELLED}),
    NodeState.RUNNING: frozenset({NodeState.READY, NodeState.RUNNING, NodeState.WAITING}) | _ENDS,
    NodeState.WAITING: frozenset({NodeState.READY, NodeState.RUNNING, NodeState.FAILED, NodeState.CANCELLED}),
    NodeState.SUCCEEDED: frozenset(),
    NodeState.FAILED: frozenset(),
    NodeState.SKIPPED: frozenset(),
    NodeState.CANCELLED: frozenset(),
}


def is_terminal(state: RunState | NodeState) -> bool:
    """Whether nothing comes after `state`."""
    table = RUN_TRANSITIONS if isinstance(state, RunState) else NODE_TRANSITIONS
    return not table[state]  # type: ignore[index] # the table is chosen by the state's own type
