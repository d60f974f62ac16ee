"""Whether somebody may start a run of an agent, and what of a grant it uses."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.access import grants_to_run
from shared.domain.agents import Agent
from shared.domain.budgets import Budget, Fund, day_of, end_of_day, grant_fund
from shared.domain.errors import QuotaExceeded
from shared.domain.grants import Grant, Permission, grant_path
from shared.domain.ids import Uid
from shared.domain.writes import Update, Write
from shared.ports.documents import Documents, Snapshot
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import OpenedAgent, admit
from shared.usecases.runs.meter_run import is_spent


@dataclass(frozen=True, slots=True)
class Admission:
    """That a run may start.

    Args:
        opened: the agent; None where a session of its owner's vouches for it.
        grantee_uid: whose grant the run uses; None where none is needed.
        writes: what the run's own commit must contain, so that a limited grant is never overdrawn: it is refused when
            the grant was used, changed or revoked meanwhile.
        funds: what the grant allows in a day.
    """

    opened: OpenedAgent | None = None
    grantee_uid: Uid | None = None
    writes: tuple[Write, ...] = ()
    funds: tuple[Fund, ...] = ()


async def admit_run(documents: Documents, uid: Uid, agent: Snapshot) -> Admission:
    """Let a person start a run of the agent in a snapshot, under the least limited of their grants if they need one.

    Raises:
        NotFound: there is no such agent for this person.
        PermissionDenied: they may see it, but not run it.
        GrantUsedUp: all the runs that were granted to them were started.
        QuotaExceeded: the runs of this day cost what may be spent in a day.
        Unavailable: the store does not answer.
    """
    opened = await admit(documents, Identity(uid, "user"), agent, Permission.RUN)
    grants = grants_to_run(opened.access)
    if not grants:
        return Admission(opened)
    now = opened.snapshot.read_time
    for grant in grants:
        funds = _funds(opened.agent, grant)
        if not any([await is_spent(documents, fund, now) for fund in funds]):
            return Admission(opened, grant.grantee_uid, _uses(grant, opened), funds)
    raise QuotaExceeded(
        "Today's runs of this agent cost what you were granted for a day; it begins at 00:00 UTC.",
        retry_after_seconds=(end_of_day(day_of(now)) - now).total_seconds(),
    )


def _funds(agent: Agent, grant: Grant) -> tuple[Fund, ...]:
    """What all runs under the grant may consume together in a day."""
    most = grant.constraints.max_cost_usd_micros_per_day
    limits = Budget(cost_usd_micros=most)
    return () if most is None else (grant_fund(agent.id, grant.grantee_uid, agent.owner_uid, limits),)


def _uses(grant: Grant, opened: OpenedAgent) -> tuple[Write, ...]:
    """The write that counts a run where runs are limited."""
    if grant.constraints.max_runs is None:
        return ()
    path = grant_path(grant.agent_id, grant.grantee_uid)
    seen = next(snapshot.update_time for snapshot in opened.grants if snapshot.path == path)
    return (Update(path, {"runs_used": grant.runs_used + 1}, seen=seen),)
