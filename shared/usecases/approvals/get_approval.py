"""Read an approval."""

from __future__ import annotations

from shared.domain.approvals import Approval, approval_path
from shared.domain.errors import NotFound
from shared.domain.ids import ApprovalId, Uid
from shared.domain.records import parse
from shared.ports.documents import Documents, Snapshot


async def get_approval(documents: Documents, caller: Uid, approval_id: ApprovalId) -> Approval:
    """The approval, for those who are asked.

    Raises:
        NotFound: there is no such approval, or others are asked.
        Unavailable: the store does not answer.
    """
    return read_asked(await documents.get(approval_path(approval_id)), caller)


def read_asked(snapshot: Snapshot, caller: Uid | None) -> Approval:
    """The approval, if this person is asked; nobody is the engine itself.

    Raises:
        NotFound: there is no such approval, or others are asked.
    """
    approval = None if snapshot.fields is None else parse(Approval, snapshot.fields)
    if approval is None or (caller is not None and caller not in approval.asked):
        raise NotFound(f"there is no approval {snapshot.id}")
    return approval
