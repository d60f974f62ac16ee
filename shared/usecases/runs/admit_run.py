"""Whether somebody may start a run of an agent, and what of a grant it uses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from shared.domain.access import grants_to_run
from shared.domain.agents import Agent
from shared.domain.errors import ResourceExhausted
from shared.domain.grants import Grant, Permission, grant_path
from shared.domain.ids import Uid
from shared.domain.records import parse
from shared.domain.runs import Run
from shared.domain.writes import Update, Write
from shared.ports.documents import Documents, Filter, Order, Query, Snapshot
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import OpenedAgent, admit

PAGE = 300


@dataclass(frozen=True, slots=True)
class Admission:
    """That a run may start.

    Args:
        opened: the agent; None where a session of its owner's vouches for it.
        grantee_uid: whose grant the run uses; None where none is needed.
        writes: what the run's own commit must contain, so that a limited grant is never overdrawn: it is refused when
            the grant was used, changed or revoked meanwhile.
    """

    opened: OpenedAgent | None = None
    grantee_uid: Uid | None = None
    writes: tuple[Write, ...] = ()


async def admit_run(documents: Documents, uid: Uid, agent: Snapshot) -> Admission:
    """Let a person start a run of the agent in a snapshot, under the least limited of their grants if they need one.

    Raises:
        NotFound: there is no such agent for this person.
        PermissionDenied: they may see it, but not run it.
        GrantUsedUp: all the runs that were granted to them were started.
        ResourceExhausted: the runs of this day cost what may be spent in a day.
        Unavailable: the store does not answer.
    """
    opened = await admit(documents, Identity(uid, "user"), agent, Permission.RUN)
    grants = grants_to_run(opened.access)
    if not grants:
        return Admission(opened)
    now = opened.snapshot.read_time
    for grant in grants:
        if not await _is_spent(documents, opened.agent, grant, now):
            return Admission(opened, grant.grantee_uid, _uses(grant, opened))
    wait = (_day(now) + timedelta(days=1) - now).total_seconds()
    raise ResourceExhausted(
        "Today's runs of this agent cost what you were granted for a day; it begins at 00:00 UTC.",
        retry_after_seconds=wait,
    )


async def _is_spent(documents: Documents, agent: Agent, grant: Grant, now: datetime) -> bool:
    """Whether the day's ended runs under the grant cost what they may; a cost that is not known counts as nothing."""
    most = grant.constraints.max_cost_usd_micros_per_day
    if most is None:
        return False
    where = (
        Filter("agent_id", "==", agent.id),
        Filter("grantee_uid", "==", grant.grantee_uid),
        Filter("created_at", ">=", _day(now)),
    )
    spent, after = 0, None
    while spent < most:
        found = await documents.query(Query("runs", where, (Order("created_at"),), PAGE, after))
        runs = [parse(Run, run.fields) for run in found if run.fields is not None]
        spent += sum(run.usage.cost_usd_micros or 0 for run in runs)
        if len(found) < PAGE:
            return spent >= most
        after = (runs[-1].created_at, runs[-1].id)
    return True


def _uses(grant: Grant, opened: OpenedAgent) -> tuple[Write, ...]:
    """The write that counts a run where runs are limited."""
    if grant.constraints.max_runs is None:
        return ()
    path = grant_path(grant.agent_id, grant.grantee_uid)
    seen = next(snapshot.update_time for snapshot in opened.grants if snapshot.path == path)
    return (Update(path, {"runs_used": grant.runs_used + 1}, seen=seen),)


def _day(now: datetime) -> datetime:
    return datetime.combine(now.astimezone(UTC).date(), time(), UTC)
