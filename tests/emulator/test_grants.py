"""Limited grants on Firestore itself: however many ask at once, only so many runs are started."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.domain.agents import Proposal
from shared.domain.budgets import Amount, day_of
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import GrantUsedUp, NotFound, ResourceExhausted
from shared.domain.grants import Constraints, Permission
from shared.domain.ids import AgentId, Uid
from shared.domain.users import user_path
from shared.domain.writes import Put
from shared.ports.identity import Identity
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.shelf import NobodyKnown, Shelf
from shared.usecases.grants.list_grants import get_grant
from shared.usecases.grants.put_grant import NewGrant, put_grant
from shared.usecases.grants.revoke_grant import revoke_grant
from shared.usecases.grants.sharing import Sharing
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.start_run import RunRequest, start_run

ADA, BOB = Identity(Uid("ada"), "user"), Identity(Uid("bob"), "user")
HELPER = {"name": "helper", "model": "local:extractive"}


@pytest.fixture
async def core() -> AsyncIterator[Core]:
    documents = FirestoreDocuments(f"demo-store-{secrets.token_hex(4)}")
    yield Core(documents, MemoryTaskQueue(), SystemClock(), SystemIds())
    await documents.close()


async def shared(core: Core, **constraints: Any) -> AgentId:
    """An agent of Ada's that Bob may run."""
    shelf = Shelf(core.documents, core.clock, core.ids)
    agent, _ = await create_agent(shelf, ADA, Proposal(parse_definition(HELPER), HELPER))
    now = core.clock.now()
    bob = {"uid": "bob", "username": None, "email": None, "display_name": None, "role": "user", "is_active": True}
    await core.documents.commit([Put(user_path("bob"), {**bob, "created_at": now, "updated_at": now})])
    sharing = Sharing(core.documents, core.clock, NobodyKnown())
    await put_grant(sharing, ADA, agent.id, NewGrant("bob", Permission.RUN, Constraints(**constraints)))
    return agent.id


async def test_only_so_many_runs_are_started_however_many_ask_at_once(core: Core) -> None:
    agent = await shared(core, max_runs=4)
    asking = [start_run(core, RunRequest(BOB.uid, "hello", agent)) for _ in range(7)]
    outcomes: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(outcome, GrantUsedUp) for outcome in outcomes) == 3, outcomes
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 4
    assert (await get_grant(core.documents, BOB, agent, BOB.uid)).grant.runs_used == 4


async def test_a_days_cost_is_read_from_its_ledger_and_a_revoked_grant_starts_nothing(core: Core) -> None:
    agent = await shared(core, max_cost_usd_micros_per_day=10)
    run = (await start_run(core, RunRequest(BOB.uid, "hello", agent))).run
    assert run.grantee_uid == BOB.uid
    (fund,) = run.funds
    for cost, is_left in ((9, True), (1, False)):
        await core.documents.commit([fund.close(day_of(core.clock.now()), Amount(), Amount(cost_usd_micros=cost))])
        if is_left:
            assert (await start_run(core, RunRequest(BOB.uid, "again", agent))).created
    with pytest.raises(ResourceExhausted) as refused:
        await start_run(core, RunRequest(BOB.uid, "once more", agent))
    assert 0 < (refused.value.retry_after_seconds or 0) <= 24 * 3600
    await revoke_grant(core.documents, ADA, agent, BOB.uid)
    with pytest.raises(NotFound):
        await start_run(core, RunRequest(BOB.uid, "hello", agent))
