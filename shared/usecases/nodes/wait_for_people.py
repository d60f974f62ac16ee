"""Let a node wait for people: ask them in the commit that gives the node up, so that no process is needed any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.domain.approvals import Approval, ApprovalState, Request
from shared.domain.events import Event
from shared.domain.ids import ApprovalId, hashed_id
from shared.domain.nodes import Outcome
from shared.domain.records import parse, render, to_json
from shared.domain.runs import Run
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Snapshot
from shared.usecases.nodes.engine import Core, Engine
from shared.usecases.nodes.find_lost import find_lost
from shared.usecases.nodes.node_context import NodeContext, Target
from shared.usecases.nodes.node_recorder import NodeRecorder
from shared.usecases.nodes.release_waiting import release_waiting, withdraw_unheld
from shared.usecases.try_commit import try_commit

MOST_NODES = 100
"""Of a graph with more, the sweeper sees that it only waits: each of its nodes that wait would read all the others."""


async def wait_for_people(engine: Engine, context: NodeContext, outcome: Outcome, recorder: NodeRecorder) -> None:
    """Commit what is asked, and that the node waits for it; its run waits too, once nothing else of it is to be done.

    Raises:
        Superseded: another attempt has the node.
    """
    core, attempt = engine.core, context.attempt
    approvals = _approvals(core, context, recorder)
    events = [_event(context, approval) for approval in approvals]
    node: dict[str, Any] = {
        "state": NodeState.WAITING,
        "waits": context.waits + 1,
        "waits_for": [approval.id for approval in approvals],
        "usage": render(outcome.usage),
        "text": recorder.said,
    }
    writes: list[Write] = [
        *(Create(approval.path, render(approval)) for approval in approvals),
        *recorder.waiting_writes(),
    ]
    log = context.log

    async def make() -> Sequence[Write]:
        given_up = [*await context.purse.closing(node), *writes]
        return given_up if log is None else [*given_up, await _run_waits(core, context), *log.writes(*events)]

    async def applied(node: Snapshot) -> bool:
        return node.fields is not None and node.fields["state"] != NodeState.RUNNING

    await attempt.commit(make, applied, last=True)
    if log is not None and context.viewer is not None:
        for event in events:
            context.viewer.event(log.appended(event))
    run = await look_again(core, context.target)
    if log is None and (await find_lost(core, context.run_id, core.clock.now(), MOST_NODES)).only_waits:
        await let_run_wait(core, run)


async def _run_waits(core: Core, context: NodeContext) -> Write:
    """A run of one node waits with it."""
    snapshot = await core.documents.get(context.run.path)
    return Update(snapshot.path, parse(Run, snapshot.fields or {}).waiting(core.clock.now()), seen=snapshot.update_time)


async def let_run_wait(core: Core, seen: Snapshot) -> None:
    """Set a run to waiting whose nodes were looked at after it was `seen`, and wait for nothing but people.

    Whoever lets a node go on changes the run in the same commit: then this one is refused, and the sweeper looks again.
    """
    run = parse(Run, seen.fields or {})
    if run.state is RunState.RUNNING and not run.cancel_requested and run.paused_at is None:
        waiting = Update(run.path, run.waiting(core.clock.now()), seen=seen.update_time)
        await try_commit(core.documents, [waiting])


async def look_again(core: Core, target: Target) -> Snapshot:
    """See whether the run of a node that waits, or is to be tried later, was cancelled or has ended meanwhile.

    Who cancels or ends the run writes that first and looks for such nodes then: one of the two sees the other.

    Returns:
        The run as it was read.
    """
    snapshot = await core.documents.get(target.run.path)
    run = parse(Run, snapshot.fields or {})
    if is_terminal(run.state):
        await withdraw_unheld(core, target)
    elif run.cancel_requested:
        await release_waiting(core, target.run.id)
    return snapshot


def _approvals(core: Core, context: NodeContext, recorder: NodeRecorder) -> list[Approval]:
    return [_approval(core, context, instance, request) for instance, request in recorder.requests()]


def _approval(core: Core, context: NodeContext, instance: Any, request: Request) -> Approval:
    now, run, terms = core.clock.now(), context.run, request.terms
    return Approval(
        id=ApprovalId(hashed_id("approval", run.id, instance, request.entry)),
        owner_uid=run.owner_uid,
        asked=terms.asked or (run.owner_uid,),
        run_id=run.id,
        session_id=run.session_id,
        agent_id=run.agent_id,
        instance=instance,
        holder=context.instance,
        entry=request.entry,
        kind=request.kind,
        message=request.message,
        state=ApprovalState.PENDING,
        created_at=now,
        expires_at=now + terms.expires_after,
        default=terms.default,
        default_answer_json=to_json(terms.default_answer) if terms.default == "answer" else None,
        tool=request.tool,
        call_id=request.call_id,
        arguments_json=None if request.arguments is None else to_json(request.arguments),
        arguments_schema_json=None if request.schema is None else to_json(request.schema),
    )


def _event(context: NodeContext, approval: Approval) -> Event:
    return Event(
        owner_uid=approval.owner_uid,
        seq=0,
        run_id=approval.run_id,
        author="system",
        created_at=approval.created_at,
        content={"text": approval.message, "approval": approval.summary},
        metadata={"instance": context.instance},
        actions={"approval_id": approval.id},
    )
