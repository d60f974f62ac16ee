"""Take a grant away."""

from __future__ import annotations

from shared.domain.access import check_revoking
from shared.domain.agent_history import tell_grant
from shared.domain.errors import Aborted, NotFound, Unavailable
from shared.domain.grants import EVERYONE, Grant, Permission, grant_path, shared_agent_path
from shared.domain.ids import AgentId, Uid
from shared.domain.records import parse
from shared.domain.writes import Delete, Write
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import open_agent

_ATTEMPTS = 10


async def revoke_grant(documents: Documents, caller: Identity, agent_id: AgentId, grantee: Uid) -> None:
    """Take a grant away at once: no run is started under it any more, and listeners of the agent are cut off.

    Runs that it started go on, and sessions stay their owner's, to read. Everybody may give up a grant of their own.

    Raises:
        NotFound: there is no such agent for the caller, or no such grant.
        PermissionDenied: the caller may see the agent, but not take this grant away.
        Aborted: others kept changing the grant.
        Unavailable: the store does not answer; the grant may be gone.
    """
    for _ in range(_ATTEMPTS):
        snapshot = await documents.get(grant_path(agent_id, grantee))
        grant = None if snapshot.fields is None else parse(Grant, snapshot.fields)
        if grantee != caller.uid:
            opened = await open_agent(documents, caller, agent_id, Permission.ADMIN)
            check_revoking(opened.access, caller.uid, grant)
        if grant is None:
            raise NotFound("There is no such grant.")
        told = tell_grant(grant, None, caller.uid, snapshot.read_time)
        writes: list[Write] = [Delete(snapshot.path, seen=snapshot.update_time), told]
        if grantee != EVERYONE:
            writes.append(Delete(shared_agent_path(grantee, agent_id)))
        try:
            await documents.commit(writes)
        except CommitRefused:
            continue
        except OutcomeUnknown:
            raise Unavailable("It is not known whether the grant was revoked; try again.") from None
        return
    raise Aborted("Others keep changing this grant; try again.", retry_after_seconds=1)
