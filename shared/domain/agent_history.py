"""What was decided about an agent besides its versions: where its aliases went, and who was granted what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.agents import Agent
from shared.domain.grants import Grant
from shared.domain.ids import AgentId, Uid, hashed_id
from shared.domain.records import render, to_json
from shared.domain.writes import Create, Put


class Topic(StrEnum):
    """What a deed is about."""

    ALIAS = "alias"  # for whoever sees the agent
    GRANT = "grant"  # for whoever administers it


@dataclass(frozen=True, slots=True)
class Deed:
    """The document `agents/{id}/history/{id}`, written in the commit of what it tells.

    Args:
        subject: the alias, or the grantee.
        by_uid: who did it.
        old_json: what held before; None where there was nothing.
        new_json: what holds since; None where there is nothing any more.
    """

    agent_id: AgentId
    owner_uid: Uid
    topic: Topic
    subject: str
    by_uid: Uid
    at: datetime
    old_json: str | None
    new_json: str | None


def history_path(agent_id: AgentId) -> str:
    """Where an agent's deeds are."""
    return f"agents/{agent_id}/history"


def tell_move(old: Agent, new: Agent, alias: str, by: Uid) -> Create:
    """The write that remembers where an alias went: from version to version, the first time from none."""
    before, after = old.aliases.get(alias), new.aliases.get(alias)
    deed = Deed(new.id, new.owner_uid, Topic.ALIAS, alias, by, new.updated_at, _json(before), _json(after))
    return Create(f"{history_path(new.id)}/alias-{new.revision:012}", render(deed))


def tell_grant(old: Grant | None, new: Grant | None, by: Uid, at: datetime) -> Put:
    """The write that remembers that a grant was given, replaced or taken away.

    Args:
        old: the grant before; None where there was none.
        new: the grant afterwards; None where it was taken away. One of the two is there.
        by: who did it.
        at: when the grant was read that this changes, so that no two deeds about it have the same instant.
    """
    grant = new or old
    assert grant is not None  # noqa: S101 - see Args
    deed = Deed(
        agent_id=grant.agent_id,
        owner_uid=grant.owner_uid,
        topic=Topic.GRANT,
        subject=grant.grantee_uid,
        by_uid=by,
        at=at,
        old_json=_terms(old),
        new_json=_terms(new),
    )
    name = hashed_id("grant", grant.agent_id, grant.grantee_uid, at.isoformat())
    return Put(f"{history_path(grant.agent_id)}/{name}", render(deed))


def _terms(grant: Grant | None) -> str | None:
    if grant is None:
        return None
    limits = grant.constraints
    constraints = {
        "expires_at": limits.expires_at and limits.expires_at.isoformat(),
        "max_runs": limits.max_runs,
        "max_cost_usd_micros_per_day": limits.max_cost_usd_micros_per_day,
    }
    return to_json({"permission": grant.permission, "constraints": constraints})


def _json(number: int | None) -> str | None:
    return None if number is None else to_json(number)
