"""`firestore.rules` and `access.decide` say the same of who sees an agent: the rules' table, asked of the decision."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.access import decide
from shared.domain.agents import Agent
from shared.domain.grants import Constraints, Grant, Permission
from shared.domain.ids import AgentId, Uid
from shared.domain.users import Role
from tests.rules.table import ROWS, Read, Row, Who

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGENTS = [row for row in ROWS if re.fullmatch(r"agents/\w+", row.path)]
PEOPLE = [who for who in Who if who not in {Who.NOBODY, Who.DEACTIVATED}]


def agent_of(row: Row) -> Agent:
    fields: dict[str, Any] = dict(row.fields)
    name = row.path.removeprefix("agents/")
    return Agent(
        id=AgentId(name),
        owner_uid=Uid(fields["owner_uid"]),
        name=name,
        description="",
        scope=fields["scope"],
        head=1,
        version_tag="",
        created_at=NOW,
        updated_at=NOW,
        is_active=fields["is_active"],
    )


def grants_of(agent: Agent) -> list[Grant]:
    """The agent's grants in the table; one without constraints is no grant, since each is stored with them."""
    below = f"agents/{agent.id}/grants/"
    return [
        Grant(
            agent_id=agent.id,
            owner_uid=agent.owner_uid,
            grantee_uid=Uid(row.path.removeprefix(below).strip("{}")),
            permission=Permission.VIEW,
            granted_at=NOW,
            granted_by=agent.owner_uid,
            constraints=Constraints(**row.fields["constraints"]),
        )
        for row in ROWS
        if row.path.startswith(below) and "constraints" in row.fields
    ]


@pytest.mark.parametrize("row", AGENTS, ids=[row.path for row in AGENTS])
@pytest.mark.parametrize("who", PEOPLE)
def test_who_sees_an_agent_through_a_listener_sees_it_through_the_api(row: Row, who: Who) -> None:
    agent = agent_of(row)
    role: Role = "admin" if who is Who.ADMIN else "user"
    access = decide(agent, Uid(who), role, grants_of(agent), NOW)
    visible = access.permission is not None and (agent.is_active or access.owns)
    assert (Read.GET in row.seen.get(who, frozenset())) is visible
