"""Grant somebody, or everyone, a right on an agent."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shared.domain.access import check_granting
from shared.domain.agent_history import tell_grant
from shared.domain.errors import Aborted, FailedPrecondition, Fault, InvalidArgument, Unavailable
from shared.domain.grants import EVERYONE, Constraints, Grant, Permission, grant_path, shared_agent_path
from shared.domain.ids import AgentId, Uid
from shared.domain.records import parse, render
from shared.domain.writes import Create, Put, Update, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.ports.identity import Identity
from shared.usecases.grants.find_person import find_person
from shared.usecases.grants.open_agent import OpenedAgent, open_agent
from shared.usecases.grants.sharing import Sharing

_ATTEMPTS = 10
_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class NewGrant:
    """What is granted to whom.

    Args:
        grantee: a person's id, username or proved address, or EVERYONE.
    """

    grantee: str
    permission: Permission
    constraints: Constraints = field(default_factory=Constraints)


async def put_grant(sharing: Sharing, caller: Identity, agent_id: AgentId, new: NewGrant) -> tuple[Grant, bool]:
    """Give a grant, or replace the one that the grantee has; also whether it is their first.

    Runs that were started under the grant that is replaced go on counting.

    Raises:
        NotFound: there is no such agent for the caller.
        PermissionDenied: the caller may see the agent, but not grant this.
        InvalidArgument: there is no such grantee, or the grant makes no sense.
        FailedPrecondition: the agent is the system's, where roles decide.
        Aborted: others kept changing the grant.
        Unavailable: the store does not answer; the grant may have been given.
    """
    grantee: Uid | None = None
    for attempt in range(_ATTEMPTS):
        opened = await open_agent(sharing.documents, caller, agent_id, Permission.ADMIN)
        grantee = grantee or await _grantee(sharing, new.grantee)
        snapshot = await sharing.documents.get(grant_path(agent_id, grantee))
        old = None if snapshot.fields is None else parse(Grant, snapshot.fields)
        grant = _grant(opened, new, grantee, caller, snapshot)
        check_granting(opened.access, caller.uid, grant, old)
        if old is not None:
            grant = replace(grant, runs_used=old.runs_used)
        try:
            await sharing.documents.commit(
                [*give(grant, snapshot), tell_grant(old, grant, caller.uid, grant.granted_at)]
            )
        except CommitRefused:
            await sharing.clock.sleep(_PAUSE_SECONDS * attempt)
        except OutcomeUnknown:
            raise Unavailable("It is not known whether the grant was given; list the grants, and try again.") from None
        else:
            return grant, old is None
    raise Aborted("Others keep changing this grant; try again.", retry_after_seconds=1)


def give(grant: Grant, seen: Snapshot | None = None) -> tuple[Write, ...]:
    """The writes that give a grant, in the place of the one that was `seen`; a person also finds it among their own."""
    path = grant_path(grant.agent_id, grant.grantee_uid)
    fields = render(grant)
    first = seen is None or seen.fields is None
    given: Write = Create(path, fields) if first else Update(path, fields, seen=seen.update_time if seen else None)
    if grant.grantee_uid == EVERYONE:
        return (given,)
    told = {"agent_id": grant.agent_id, "granted_at": grant.granted_at, "granted_by": grant.granted_by}
    return given, Put(shared_agent_path(grant.grantee_uid, grant.agent_id), told)


async def _grantee(sharing: Sharing, named: str) -> Uid:
    if named.strip() == EVERYONE:
        return EVERYONE
    return (await find_person(sharing.documents, sharing.directory, named, "grantee")).uid


def _grant(opened: OpenedAgent, new: NewGrant, grantee: Uid, caller: Identity, seen: Snapshot) -> Grant:
    if opened.agent.scope == "system":
        raise FailedPrecondition("Everybody runs a system agent, and administrators change it; grants do not count.")
    expires_at = new.constraints.expires_at
    if expires_at is not None and expires_at <= seen.read_time:
        raise InvalidArgument("The grant is not valid.", (Fault("constraints.expires_at", "must be in the future"),))
    return Grant(
        agent_id=opened.agent.id,
        owner_uid=opened.agent.owner_uid,
        grantee_uid=grantee,
        permission=new.permission,
        granted_at=seen.read_time,
        granted_by=caller.uid,
        constraints=new.constraints,
    )
