"""Release the nodes of a run that wait, for people or for their next try: nobody holds them, so nobody ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from shared.domain.approvals import ApprovalState, approval_path
from shared.domain.ids import RunId
from shared.domain.nodes import NodeRun, nodes_path
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import AgentWork, LoopWork, MapWork
from shared.domain.records import parse, render
from shared.domain.runs import SWEEP_AFTER, Failure, Run, run_path
from shared.domain.states import NodeState, is_terminal
from shared.domain.writes import Update, Write
from shared.ports.documents import CommitRefused, Filter, OutcomeUnknown, Query, Snapshot
from shared.ports.task_queue import NodeTask
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.node_context import Target

TRIES = 10
_UNHELD = (NodeState.WAITING, NodeState.READY)


async def release_waiting(core: Core, run_id: RunId) -> None:
    """Hand the waiting nodes of a cancelled run to the queue, where they end.

    What they asked is withdrawn in the same commit; those that were to be tried again later may start at once.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    await _hand_over(core, run_id, await _nodes_in(core, run_id, *_UNHELD))


async def _hand_over(core: Core, run_id: RunId, unheld: Sequence[Snapshot]) -> None:
    by_state = {state: [one for one in unheld if one.fields and one.fields["state"] == state] for state in _UNHELD}
    for snapshot in by_state[NodeState.WAITING]:
        await _release(core, run_id, snapshot)
    ready = await asyncio.gather(*(_hurry(core, snapshot) for snapshot in by_state[NodeState.READY]))
    tasks = [NodeTask(run_id, node.instance, _cause(node)) for node in ready if node is not None]
    if tasks:
        await core.queue.enqueue(tasks)


async def withdraw_unheld(core: Core, end: Target) -> None:
    """End the nodes that nobody holds, of a run that ended without them: they wait, or were to be tried again.

    Who may ask delegates goes to the queue as in a cancelled run: whoever takes it ends the open ones in its commit.

    Raises:
        Unavailable: the store or the queue does not answer.
    """
    unheld = await _nodes_in(core, end.run.id, *_UNHELD)
    nodes = {snapshot.path: parse(NodeRun, snapshot.fields or {}) for snapshot in unheld}
    own = [snapshot for snapshot in unheld if nodes[snapshot.path].parent is None]
    askers = [snapshot for snapshot in own if may_ask_delegates(end.graph, nodes[snapshot.path])]
    for snapshot in own:
        if snapshot not in askers:
            await _withdraw(core, snapshot)
    await _hand_over(core, end.run.id, askers)


def may_ask_delegates(graph: PlanGraph, node: NodeRun) -> bool:
    """Whether there may be nodes below this one; by the plan, so that nobody needs to look for them."""
    work = graph.by_id[node.node].work
    if isinstance(work, MapWork | LoopWork) and node.index is not None:
        work = work.body
    return isinstance(work, AgentWork) and bool(work.agent.delegates)


async def _withdraw(core: Core, snapshot: Snapshot) -> None:
    for _ in range(TRIES):
        if snapshot.fields is None or snapshot.fields["state"] not in _UNHELD:
            return
        try:
            await core.documents.commit(withdrawal(core, snapshot))
        except (CommitRefused, OutcomeUnknown):
            snapshot = await core.documents.get(snapshot.path)
            continue
        return


async def waiting_nodes(core: Core, run_id: RunId) -> list[Snapshot]:
    """The nodes of a run that wait for people."""
    return await _nodes_in(core, run_id, NodeState.WAITING)


async def _nodes_in(core: Core, run_id: RunId, *states: NodeState) -> list[Snapshot]:
    return await core.documents.query(Query(nodes_path(run_id), (Filter("state", "in", [*map(str, states)]),)))


def withdrawal(core: Core, snapshot: Snapshot, error: Failure | None = None) -> list[Write]:
    """The writes that end a node which nobody holds, as it was seen, and withdraw what it asks; it may say why."""
    now = core.clock.now()
    node = parse(NodeRun, snapshot.fields or {})
    ended: dict[str, Any] = {"state": NodeState.CANCELLED, "waits_for": [], "completed_at": now}
    ended |= {} if error is None else {"error": render(error)}
    withdrawn = {"state": ApprovalState.WITHDRAWN, "decided_at": now}
    return [
        Update(snapshot.path, ended, seen=snapshot.update_time),
        *(Update(approval_path(approval), withdrawn) for approval in node.waits_for),
    ]


async def _release(core: Core, run_id: RunId, snapshot: Snapshot) -> None:
    for _ in range(TRIES):
        if snapshot.fields is None or snapshot.fields["state"] not in {NodeState.WAITING, NodeState.READY}:
            return
        node = parse(NodeRun, snapshot.fields)
        try:
            if node.state is NodeState.WAITING:  # else it was released, perhaps by the commit whose reply was lost
                await core.documents.commit(await _writes(core, node, snapshot))
        except (CommitRefused, OutcomeUnknown):
            snapshot = await core.documents.get(snapshot.path)
            continue
        if node.parent is None:
            await core.queue.enqueue([NodeTask(run_id, node.instance, _cause(node))])
        return


async def _hurry(core: Core, snapshot: Snapshot) -> NodeRun | None:
    """Let a ready node start at once; None if somebody has it, who read the run after the claim, or if it has ended."""
    for _ in range(TRIES):
        if snapshot.fields is None or snapshot.fields["state"] != NodeState.READY:
            return None
        node = parse(NodeRun, snapshot.fields)
        if node.not_before is None:  # perhaps by a commit whose reply was lost, or whose maker died then
            return node
        try:
            await core.documents.commit([Update(snapshot.path, {"not_before": None}, seen=snapshot.update_time)])
        except (CommitRefused, OutcomeUnknown):
            snapshot = await core.documents.get(snapshot.path)
            continue
        return node
    return None


def _cause(node: NodeRun) -> str:
    return f"cancel {node.attempt}"


async def _writes(core: Core, node: NodeRun, snapshot: Snapshot) -> list[Write]:
    """The commit that ends a node's waiting; a delegate has no lease of its own, so it ends with it."""
    if node.parent is not None:
        return withdrawal(core, snapshot)
    now = core.clock.now()
    ready: dict[str, Any] = {"state": NodeState.READY, "waits_for": []}
    withdrawn = {"state": ApprovalState.WITHDRAWN, "decided_at": now}
    return [
        Update(snapshot.path, ready, seen=snapshot.update_time),
        *(Update(approval_path(approval), withdrawn) for approval in node.waits_for),
        *await stop_waiting(core, node.run_id),
    ]


async def stop_waiting(core: Core, run_id: RunId) -> list[Write]:
    """The writes by which a run goes on, and is looked after again; none for one that has ended.

    One that does not wait is changed, too: so nobody sets it to waiting who has seen its nodes before.
    """
    snapshot = await core.documents.get(run_path(run_id))
    run = parse(Run, snapshot.fields or {})
    now = core.clock.now()
    if is_terminal(run.state):
        return []
    fields = {"next_sweep_at": now + SWEEP_AFTER} if run.waiting_since is None else run.answered(now)
    return [Update(run.path, fields, seen=snapshot.update_time)]
