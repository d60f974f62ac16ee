"""Who may do what with an agent: the one decision, which the use cases and `firestore.rules` both implement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.agents import Agent
from shared.domain.errors import Fault, GrantUsedUp, InvalidArgument, NotFound, PermissionDenied
from shared.domain.grants import EVERYONE, Grant, Permission
from shared.domain.ids import Uid
from shared.domain.users import Role

_DOING = {
    Permission.VIEW: "see",
    Permission.RUN: "run",
    Permission.EDIT: "change",
    Permission.ADMIN: "administer",
}


@dataclass(frozen=True, slots=True)
class Access:
    """What somebody may do with an agent.

    Args:
        permission: the most that is allowed; None where the agent is not even visible.
        owns: whether it is their own.
        grants: the live grants that they use; none where ownership or role is enough.
    """

    permission: Permission | None
    owns: bool = False
    grants: tuple[Grant, ...] = ()

    def allows(self, needed: Permission) -> bool:
        """Whether this is enough."""
        return self.permission is not None and self.permission.includes(needed)

    def require(self, needed: Permission) -> None:
        """Refuse what is not allowed.

        Raises:
            NotFound: the agent is not visible, so nobody learns that it exists.
            PermissionDenied: it is visible, and more is needed.
        """
        if self.permission is None:
            raise NotFound("There is no such agent.")
        if not self.permission.includes(needed):
            raise PermissionDenied(f"You may {_DOING[self.permission]} this agent, but not {_DOING[needed]} it.")


def decide(agent: Agent, uid: Uid, role: Role, grants: Sequence[Grant], now: datetime) -> Access:
    """What this person may do with the agent.

    Args:
        agent: as stored; whether it was deleted is for the caller to look at.
        uid: who asks.
        role: the role in their token.
        grants: the agent's grants to this person and to everyone; others are ignored. Not needed where `needs_grants`
            says so.
        now: the instant of the reads.
    """
    if agent.scope == "system":
        return Access(Permission.ADMIN if role == "admin" and agent.type != "static" else Permission.RUN)
    if agent.owner_uid == uid:
        return Access(Permission.ADMIN, owns=True)
    held = tuple(grant for grant in grants if grant.grantee_uid in {uid, EVERYONE} and grant.is_live(now))
    ranked = sorted((grant.permission for grant in held), key=list(Permission).index)
    return Access(ranked[-1] if ranked else None, grants=held)


def needs_grants(agent: Agent, uid: Uid) -> bool:
    """Whether the agent's grants say what this person may do: it is neither theirs nor the system's."""
    return agent.scope != "system" and agent.owner_uid != uid


def grants_to_run(access: Access) -> tuple[Grant, ...]:
    """The grants under which a run may be started, those that cost nothing of a limit first; none where none is needed.

    Raises:
        NotFound, PermissionDenied: the person may not run the agent.
        GrantUsedUp: every run that the grants allow was started.
    """
    access.require(Permission.RUN)
    enough = [grant for grant in access.grants if grant.permission.includes(Permission.RUN)]
    left = [grant for grant in enough if not grant.is_used_up]
    if enough and not left:
        most = max(grant.constraints.max_runs or 0 for grant in enough)
        raise GrantUsedUp(f"You were granted {most} runs of this agent, and all of them were started.")
    return tuple(sorted(left, key=_limits))


def check_granting(access: Access, giver: Uid, new: Grant, old: Grant | None) -> None:
    """Refuse a grant that its giver may not give, or that makes no sense.

    Whoever administers an agent by a grant hands on less than that, and does not touch the grants of administrators,
    their own among them: a constraint could be shaken off otherwise.

    Raises:
        NotFound, PermissionDenied: the giver may not.
        InvalidArgument: everyone is to edit, or the owner to be given what they have.
    """
    check_revoking(access, giver, old)
    if not access.owns and new.permission is Permission.ADMIN:
        raise PermissionDenied("Only the agent's owner grants 'admin'.")
    if new.grantee_uid == EVERYONE and new.permission.includes(Permission.EDIT):
        reason = "everyone may be granted 'view' or 'run'"
        raise InvalidArgument("The grant is not valid.", (Fault("permission", reason, "run"),))
    if new.grantee_uid == new.owner_uid:
        raise InvalidArgument("The grant is not valid.", (Fault("grantee", "owns the agent"),))


def check_revoking(access: Access, who: Uid, grant: Grant | None) -> None:
    """Refuse to revoke what is not theirs to revoke; everybody may give up a grant of their own.

    Raises:
        NotFound, PermissionDenied: they may not.
    """
    access.require(Permission.ADMIN)
    if not access.owns and grant is not None and grant.permission is Permission.ADMIN:
        own = "your own grant" if grant.grantee_uid == who else "the grant of an administrator"
        raise PermissionDenied(f"Only the agent's owner changes {own}.")


def _limits(grant: Grant) -> tuple[bool, bool, bool]:
    constraints = grant.constraints
    return (
        constraints.max_runs is not None,
        constraints.max_cost_usd_micros_per_day is not None,
        grant.grantee_uid == EVERYONE,
    )
