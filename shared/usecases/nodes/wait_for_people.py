"""Let a node wait for people: ask them in the commit that gives the node up, so that no process is needed any more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shared.domain.approvals import Approval, ApprovalState, Request
from shared.domain.events import Event
from shared.domain.ids import ApprovalId, RunId, hashed_id
from shared.domain.nodes import Outcome
from shared.domain.records import parse, render, to_json
from shared.domain.runs import SWEEP_AFTER, Run, run_path
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Snapshot
from shared.usecases.nodes.engine import Core, Engine
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import NodeRecorder
from shared.usecases.nodes.release_waiting import release_waiting, withdraw_unheld


async def wait_for_people(engine: Engine, context: NodeContext, outcome: Outcome, recorder: NodeRecorder) -> None:
    """Commit what is asked, and that the node waits for it; a run of one node waits too.

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
    await look_again(core, context.run_id)


async def _run_waits(core: Core, context: NodeContext) -> Write:
    """A run of one node waits with it; one that was paused meanwhile stays so."""
    snapshot = await core.documents.get(context.run.path)
    paused = parse(Run, snapshot.fields or {}).paused_at is not None
    now = core.clock.now()
    state = RunState.PAUSED if paused else RunState.WAITING
    fields = {"state": state, "waiting_since": now, "next_sweep_at": now + SWEEP_AFTER}
    return Update(snapshot.path, fields, seen=snapshot.update_time)


async def look_again(core: Core, run_id: RunId) -> None:
    """See whether the run of a node that waits, or is to be tried later, was cancelled or has ended meanwhile.

    Who cancels or ends the run writes that first and looks for such nodes then: one of the two sees the other.
    """
    run = parse(Run, (await core.documents.get(run_path(run_id))).fields or {})
    if is_terminal(run.state):
        await withdraw_unheld(core, run_id)
    elif run.cancel_requested:
        await release_waiting(core, run_id)


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
