"""A node run: one execution of one vertex of a plan, and the lease that gives the right to write for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias, cast

from shared.domain.budgets import Held
from shared.domain.ids import ApprovalId, Instance, NodeId, RunId, Token, Uid
from shared.domain.large_values import ValueFile
from shared.domain.records import from_json
from shared.domain.runs import Failure
from shared.domain.states import NodeState
from shared.domain.usage import NO_USAGE, Usage

LABEL_CHARACTERS = 120
FAILED_CASE = "failed"
"""The case of an edge that a failure takes."""


@dataclass(frozen=True, slots=True)
class NodeRun:
    """The document `runs/{run}/nodes/{instance}`, created by the claim.

    Args:
        node: the vertex in the plan.
        index: the item's position, for an instance of a map.
        parent: the node instance whose agent asked for this one, for a delegate.
        item: a short label of the item, for people.
        attempt: counts deliveries that took the node, from 1; 0 where the run ended before anybody did.
        token: the present attempt's mark; empty without one.
        output_file: where the output is kept that is too large for this document; `output_json` is null then.
        text: what it had said by then, where it failed, was cancelled, waits or is to be tried again; the beginning of
            what is too large.
        items_json: the list that a map expanded into instances; a loop's has one entry.
        items_file: where that list is kept if it is too large.
        chosen: the case that a branch took.
        next_index: the round of a loop that follows this one.
        failures: how many attempts ended in a retryable error.
        waits: how many attempts ended in waiting, for people or for a budget that other nodes hold.
        waits_for: the approvals that are still to be decided.
        not_before: a ready node must not start before.
        run_seconds: how much of its run's time had passed when it began, for the first node of a part.
        held: what it has drawn of budgets and not accounted for.
    """

    owner_uid: Uid
    run_id: RunId
    instance: Instance
    node: NodeId
    kind: str
    state: NodeState
    attempt: int
    token: Token
    created_at: datetime
    index: int | None = None
    parent: Instance | None = None
    item: str | None = None
    output_json: str | None = None
    output_file: ValueFile | None = None
    text: str | None = None
    items_json: str | None = None
    items_file: ValueFile | None = None
    chosen: str | None = None
    next_index: int | None = None
    error: Failure | None = None
    usage: Usage = NO_USAGE
    failures: int = 0
    waits: int = 0
    waits_for: tuple[ApprovalId, ...] = ()
    not_before: datetime | None = None
    run_seconds: float | None = None
    held: Held | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


Pending: TypeAlias = Literal["retry", "yield", "unavailable"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing a node came to.

    Args:
        state: a terminal state; `ready`, to be tried again at `not_before`; or `waiting`, for people.
        output: any JSON value.
        output_file: where it is kept, if it is too large for the node's document.
        items: the list that a map expands to; a loop begins with one.
        items_file: where that is kept, likewise.
        chosen: the case that a branch took.
        next_index: the round of a loop that is to follow; the loop's edges stay unresolved.
        messages: the turn's model messages (JSON texts), for the session's history.
        text: what a person reads of it: the whole answer, or what there was when it stopped.
        said: what the node keeps of it where it did not succeed: the text of all its steps.
        position: step and try of the live text that this replaces.
        cause: why a ready node is to be tried again: it failed, it gives way, or a store of our own did not answer.
    """

    state: NodeState
    output: Any = None
    output_file: ValueFile | None = None
    items: list[Any] | None = None
    items_file: ValueFile | None = None
    chosen: str | None = None
    next_index: int | None = None
    error: Failure | None = None
    usage: Usage = NO_USAGE
    messages: tuple[str, ...] = ()
    text: str = ""
    said: str | None = None
    not_before: datetime | None = None
    position: dict[str, Any] = field(default_factory=dict[str, Any])
    cause: Pending = "retry"


def passes(state: NodeState, chosen: str | None, case: str | None) -> bool:
    """Whether an edge lets its successor run: its predecessor succeeded, or ended the way that the edge asks for."""
    if case == FAILED_CASE:
        return state is NodeState.FAILED
    return state is NodeState.SUCCEEDED and case in {None, chosen}


def spawned(count: int | None, next_index: int | None) -> range:
    """The item indices that an ended node sets off: all of a map, or a loop's next round."""
    return range(count or 0) if next_index is None else range(next_index, next_index + 1)


def count_of(node: NodeRun) -> int | None:
    """How many items a stored node has expanded into; None if it does not expand."""
    if node.items_file is not None:
        return from_json(node.output_json)["count"]
    return None if node.items_json is None else len(from_json(node.items_json))


def indices_of(node: NodeRun) -> range:
    """The item indices that a stored node has set off."""
    return spawned(count_of(node), node.next_index)


def node_path(run_id: RunId, instance: Instance) -> str:
    """Where a node run is stored."""
    return f"runs/{run_id}/nodes/{instance}"


def nodes_path(run_id: RunId) -> str:
    """The collection of a run's node runs."""
    return f"runs/{run_id}/nodes"


def lease_path(run_id: RunId, instance: Instance, attempt: int) -> str:
    """Where the lease of an attempt is stored."""
    return f"leases/{run_id}~{instance}~{attempt}"


def lease_fields(run_id: RunId, instance: Instance, token: Token) -> dict[str, Any]:
    """A fresh lease's fields, save for its `beat`."""
    return {"run_id": run_id, "instance": instance, "token": token, "cancel": 0}


def item_label(item: Any) -> str:
    """At most 120 characters that tell a person which item of a map this is."""
    fields = cast(dict[str, Any], item) if isinstance(item, dict) else {}
    text = str(next((fields[key] for key in ("path", "name", "id", "title") if key in fields), item))  # pyright: ignore[reportUnknownArgumentType] # any JSON
    return text if len(text) <= LABEL_CHARACTERS else text[: LABEL_CHARACTERS - 1] + "…"
