"""Claim a node: become the one attempt that may write for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.domain.ids import Token
from shared.domain.nodes import NodeRun, lease_fields, lease_path, node_path
from shared.domain.records import parse, render
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Create, Delete, ServerTime, Update, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import Target


@dataclass(frozen=True, slots=True)
class Finished:
    """The node has ended, or waits for a person."""

    node: NodeRun


@dataclass(frozen=True, slots=True)
class Busy:
    """Another attempt holds the node, or it must not start yet."""


async def claim_node(engine: Engine, target: Target) -> Attempt | Finished | Busy:
    """Take a node: for the first time, after a release, or from an attempt that fell silent."""
    token = Token(engine.core.ids.new())
    sent = engine.core.clock.monotonic()
    number: int | Finished | Busy = 0
    while number == 0:
        number = await _claim(engine, target, token)
    return hold(engine, target, number, token, sent) if isinstance(number, int) else number


def hold(engine: Engine, target: Target, number: int, token: Token, sent: float) -> Attempt:
    """The attempt whose claim was sent at monotonic time `sent`."""
    attempt = Attempt(
        engine.core,
        run_id=target.run.id,
        instance=target.instance,
        number=number,
        token=token,
        lease_seconds=engine.lease_seconds,
        sent=sent,
    )
    engine.held.add(attempt)
    return attempt


async def _claim(engine: Engine, target: Target, token: Token) -> int | Finished | Busy:
    """Try to become an attempt: its number, or 0 when the node changed meanwhile."""
    try:
        await engine.core.documents.commit(claim_writes(target, token, engine.core.clock.now()))
    except (CommitRefused, OutcomeUnknown):
        snapshot = await engine.core.documents.get(node_path(target.run.id, target.instance))
        if snapshot.fields is None:
            return 0
        node = parse(NodeRun, snapshot.fields)
        if node.token == token and node.state is NodeState.RUNNING:
            return node.attempt
        return await _claim_again(engine, snapshot, node, token)
    return 1


def claim_writes(target: Target, token: Token, now: datetime) -> list[Write]:
    """The commit of a first claim; that of the only node which waits for nothing starts the run.

    Where the run may have been started or have ended before the node is claimed, its state must be read first
    (`enter_node`): what counts the run's time is when it started.
    """
    run = target.run
    node = NodeRun(
        owner_uid=run.owner_uid,
        run_id=run.id,
        instance=target.instance,
        node=target.node.id,
        kind=target.work.kind,
        state=NodeState.RUNNING,
        attempt=1,
        token=token,
        created_at=now,
        started_at=now,
        index=None if target.item is None else target.item.index,
        item=target.label,
    )
    writes: list[Write] = [Create(node_path(run.id, node.instance), render(node)), _lease(node, 1, token)]
    if not target.node.after and target.item is None and target.graph.starts_with_its_claim:
        writes.append(Update(run.path, {"state": RunState.RUNNING, "started_at": now}))
    return writes


async def _claim_again(engine: Engine, snapshot: Snapshot, node: NodeRun, token: Token) -> int | Finished | Busy:
    """Try to become the next attempt: its number, or 0 when the node changed meanwhile."""
    if is_terminal(node.state) or node.state is NodeState.WAITING:
        return Finished(node)
    now = engine.core.clock.now()
    number = node.attempt + 1
    taken = {"state": NodeState.RUNNING, "attempt": number, "token": token, "not_before": None}
    writes: list[Write] = [Update(snapshot.path, taken, seen=snapshot.update_time), _lease(node, number, token)]
    if node.state is NodeState.RUNNING:
        path = lease_path(node.run_id, node.instance, node.attempt)
        lease = await engine.core.documents.get(path)
        if lease.update_time is None:
            return 0
        if lease.read_time - lease.update_time <= timedelta(seconds=engine.lease_seconds):
            return Busy()
        writes = [Update(snapshot.path, taken), _lease(node, number, token), Delete(path, seen=lease.update_time)]
    elif node.not_before is not None and node.not_before > now:
        return Busy()
    try:
        await engine.core.documents.commit(writes)
    except (CommitRefused, OutcomeUnknown):
        return 0
    return number


def _lease(node: NodeRun, attempt: int, token: Token) -> Create:
    fields = lease_fields(node.run_id, node.instance, token) | {"beat": ServerTime()}
    return Create(lease_path(node.run_id, node.instance, attempt), fields)
