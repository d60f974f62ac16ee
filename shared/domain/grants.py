"""A grant: a person's right, or everyone's, on somebody else's agent."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from shared.domain.ids import AgentId, Uid

EVERYONE = Uid("everyone")
"""As a grantee: every person who is signed in."""

MAX_GRANTED_RUNS = 1_000_000
MAX_DAILY_COST_USD_MICROS = 1_000_000_000_000


class Permission(StrEnum):
    """What a grant allows; each includes those before it."""

    VIEW = "view"  # read the agent, its versions and definitions; copy them
    RUN = "run"  # run it, in sessions of one's own
    EDIT = "edit"  # change it: new versions, aliases
    ADMIN = "admin"  # delete it, and grant others what is below this

    def includes(self, other: Permission) -> bool:
        """Whether whoever has this has the other too."""
        order = list(Permission)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Constraints:
    """Where a grant ends; None does not constrain.

    Args:
        expires_at: from this instant on there is no grant.
        max_runs: so many runs in all, of everybody who uses the grant.
        max_cost_usd_micros_per_day: no run is started once the runs of a day (UTC) under the grant have cost so much.
    """

    expires_at: datetime | None = None
    max_runs: int | None = None
    max_cost_usd_micros_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """The document `agents/{id}/grants/{grantee}`.

    Args:
        owner_uid: the agent's owner.
        grantee_uid: a person, or EVERYONE.
        granted_at: when it was given, or last changed.
        granted_by: who gave or last changed it.
        runs_used: how many runs were started under it, counted only where they are limited.
    """

    agent_id: AgentId
    owner_uid: Uid
    grantee_uid: Uid
    permission: Permission
    granted_at: datetime
    granted_by: Uid
    constraints: Constraints = field(default_factory=Constraints)
    runs_used: int = 0

    def is_live(self, now: datetime) -> bool:
        """Whether it still holds."""
        return self.constraints.expires_at is None or now < self.constraints.expires_at

    @property
    def is_used_up(self) -> bool:
        """Whether all its runs were started."""
        return self.constraints.max_runs is not None and self.runs_used >= self.constraints.max_runs


def grants_path(agent_id: AgentId) -> str:
    """Where an agent's grants are."""
    return f"agents/{agent_id}/grants"


def grant_path(agent_id: AgentId, grantee: Uid) -> str:
    """Where a grant is."""
    return f"{grants_path(agent_id)}/{grantee}"


def shared_agents_path(grantee: Uid) -> str:
    """Where a person's grants are listed for themselves: each written in one commit with the grant."""
    return f"users/{grantee}/shared_agents"


def shared_agent_path(grantee: Uid, agent_id: AgentId) -> str:
    """Where a person finds one agent that was shared with them."""
    return f"{shared_agents_path(grantee)}/{agent_id}"
