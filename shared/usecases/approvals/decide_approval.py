"""Decide an approval: record what was said, and wake the node once nothing else is asked of anybody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.domain.approvals import (
    Approval,
    ApprovalState,
    approval_path,
    check_decision,
    check_repeated,
    decided_fields,
    record_decision,
)
from shared.domain.decisions import Decision
from shared.domain.errors import AlreadyDecided
from shared.domain.ids import ApprovalId, Uid
from shared.domain.journal import journal_path
from shared.domain.nodes import NodeRun, node_path
from shared.domain.records import parse
from shared.domain.states import NodeState
from shared.domain.writes import Update, Write
from shared.ports.documents import Snapshot
from shared.ports.task_queue import NodeTask
from shared.usecases.approvals.get_approval import read_asked
from shared.usecases.change_record import Change, change_record
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.release_waiting import stop_waiting


async def decide_approval(core: Core, caller: Uid, approval_id: ApprovalId, decision: Decision) -> Approval:
    """Say yes, no, or an answer; saying the same again changes nothing.

    Raises:
        NotFound: there is no such approval, or others are asked.
        InvalidArgument: this cannot be said to this approval.
        AlreadyDecided: it was decided otherwise, or nobody waits for it any more.
        Aborted: it changes too fast.
        Unavailable: the decision may be recorded, but the node was not woken; saying it again wakes it.
    """
    return await settle(core, approval_id, decision, caller)


async def settle(core: Core, approval_id: ApprovalId, decision: Decision, by: Uid | None) -> Approval:
    """As `decide_approval`, for a person, or for nobody where the default holds."""

    async def decide(snapshot: Snapshot) -> Change[Approval]:
        approval = read_asked(snapshot, by)
        check_decision(approval, decision)
        if approval.state is not ApprovalState.PENDING:
            check_repeated(approval, decision, by)
            return Change(approval)
        fields = decided_fields(decision, by, core.clock.now())
        writes = [
            Update(approval.path, fields, seen=snapshot.update_time),
            record_decision(journal_path(approval.run_id, approval.instance), approval.entry, decision),
            *await _node_writes(core, approval),
        ]
        return Change(replace(approval, **fields), writes)

    decided = await change_record(core.documents, core.clock, approval_path(approval_id), decide)
    await _wake(core, decided)
    return decided


async def _node_writes(core: Core, approval: Approval) -> list[Write]:
    """The node waits for one thing less; for the last one it gets ready, and its run goes on."""
    snapshot = await _node(core, approval)
    node = None if snapshot.fields is None else parse(NodeRun, snapshot.fields)
    if node is None or approval.id not in node.waits_for:
        raise AlreadyDecided("nobody waits for the approval any more")
    rest = [other for other in node.waits_for if other != approval.id]
    if rest:
        return [Update(snapshot.path, {"waits_for": rest}, seen=snapshot.update_time)]
    ready: dict[str, Any] = {"waits_for": [], "state": NodeState.READY, "not_before": None}
    return [Update(snapshot.path, ready, seen=snapshot.update_time), *await stop_waiting(core, approval.run_id)]


async def _wake(core: Core, approval: Approval) -> None:
    """Enqueue the node if it is ready; who decided last may have died before."""
    snapshot = await _node(core, approval)
    if snapshot.fields is not None and snapshot.fields["state"] == NodeState.READY:
        cause = f"resume {snapshot.fields['attempt']}"
        await core.queue.enqueue([NodeTask(approval.run_id, approval.holder, cause)])


async def _node(core: Core, approval: Approval) -> Snapshot:
    return await core.documents.get(node_path(approval.run_id, approval.holder))
