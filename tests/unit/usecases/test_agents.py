"""Agents: stored with immutable versions, found by their owners, never lost to concurrent updates."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.domain.agent_statics import static_agents
from shared.domain.agents import Agent, Proposal, Seen, name_path, version_path
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import (
    Aborted,
    AlreadyExists,
    DomainError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    TooLarge,
    Unavailable,
    VersionMismatch,
)
from shared.domain.ids import AgentId, Uid
from shared.domain.writes import Write
from shared.ports.documents import CommitRefused, Committed, OutcomeUnknown
from shared.ports.identity import Identity
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.list_agents import AgentSearch, list_agents, list_versions
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from tests.support.failing_documents import FailingDocuments, Fate
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time
from tests.support.watched_documents import WatchedDocuments

ADA = Identity(Uid("ada"), "user")
BOB = Identity(Uid("bob"), "user")
ROOT = Identity(Uid("root"), "admin")


def draft(name: str = "helper", changelog: str = "", **fields: Any) -> Proposal:
    raw = {"name": name, "model": "local:extractive", **fields}
    return Proposal(parse_definition(raw), raw, changelog)


class Shop:
    def __init__(self, documents: MemoryDocuments | None = None) -> None:
        self.documents = documents or MemoryDocuments()
        self.clock = MemoryClock()
        self.shelf = Shelf(self.documents, self.clock, MemoryIds())

    async def create(self, proposal: Proposal, caller: Identity = ADA) -> Agent:
        self.clock.jump(1)
        agent, _ = await create_agent(self.shelf, caller, proposal)
        return agent

    async def update(
        self, agent_id: AgentId, proposal: Proposal, caller: Identity = ADA, expected_head: int | None = None
    ) -> Agent:
        self.clock.jump(1)
        seen = None if expected_head is None else Seen(expected_head)
        agent, _ = await update_agent(self.shelf, caller, agent_id, proposal, seen)
        return agent

    async def delete(self, agent_id: AgentId, caller: Identity = ADA) -> None:
        await delete_agent(self.shelf, caller, agent_id)

    async def definition(self, agent: Agent, number: int) -> dict[str, Any]:
        version = await get_version(self.documents, agent, number)
        return cast("dict[str, Any]", json.loads(version.definition_json))


async def test_a_new_agent_shows_its_definition() -> None:
    shop = Shop()
    made = await shop.create(
        draft(display_name="Helper", description="Helps.", metadata={"tags": ["a", "b"], "category": "help"})
    )
    agent = await get_agent(shop.documents, ADA, made.id)
    assert agent == made
    assert (agent.head, agent.version_tag, agent.type, agent.scope) == (1, "1.0.0", "dynamic", "user")
    assert (agent.display_name, agent.description) == ("Helper", "Helps.")
    assert (agent.tags, agent.category) == (("a", "b"), "help")


async def test_a_definition_is_kept_as_its_author_wrote_it() -> None:
    shop = Shop()
    raw = {"name": "helper", "description": "ü", "model": "local:extractive", "metadata": {"z": 1, "a": [2]}}
    made = await shop.create(Proposal(parse_definition(raw), raw))
    version = await get_version(shop.documents, made, 1)
    assert version.definition_json == json.dumps(raw, ensure_ascii=False, separators=(",", ":"))


async def test_a_second_agent_of_the_same_name_is_refused_to_its_owner_only() -> None:
    shop = Shop()
    await shop.create(draft())
    with pytest.raises(AlreadyExists, match="helper"):
        await shop.create(draft())
    assert (await shop.create(draft(), BOB)).owner_uid == BOB.uid


async def test_only_administrators_make_system_agents() -> None:
    shop = Shop()
    with pytest.raises(PermissionDenied):
        await shop.create(draft(scope="system"))
    mine = await shop.create(draft())
    with pytest.raises(PermissionDenied):
        await shop.update(mine.id, draft(scope="system"))
    assert (await shop.create(draft(scope="system"), ROOT)).scope == "system"


async def test_a_private_agent_of_somebody_else_is_not_there() -> None:
    shop = Shop()
    agent = await shop.create(draft())
    for refused in (
        get_agent(shop.documents, BOB, agent.id),
        shop.update(agent.id, draft(), BOB),
        shop.delete(agent.id, BOB),
        get_agent(shop.documents, ADA, AgentId("nothing")),
    ):
        with pytest.raises(NotFound, match="no such agent"):
            await refused


async def test_everybody_sees_a_system_agent_and_only_its_owner_changes_it() -> None:
    shop = Shop()
    agent = await shop.create(draft(scope="system"), ROOT)
    assert await get_agent(shop.documents, ADA, agent.id) == agent
    with pytest.raises(PermissionDenied):
        await shop.update(agent.id, draft())
    with pytest.raises(PermissionDenied):
        await shop.delete(agent.id)


async def test_an_update_makes_a_version_and_leaves_the_earlier_ones() -> None:
    shop = Shop()
    agent = await shop.create(draft(description="one"))
    agent = await shop.update(agent.id, draft(description="two", version="1.1.0"))
    assert (agent.head, agent.description, agent.version_tag) == (2, "two", "1.1.0")
    assert [(await shop.definition(agent, n))["description"] for n in (1, 2)] == ["one", "two"]
    with pytest.raises(NotFound, match="no version 3; its latest is 2"):
        await get_version(shop.documents, agent, 3)


async def test_concurrent_updates_each_make_a_version() -> None:
    shop = Shop()
    agent = await shop.create(draft(description="0"))
    updates = [shop.update(agent.id, draft(description=str(n))) for n in range(1, 9)]
    heads = [updated.head for updated in await in_time(shop.clock, asyncio.gather(*updates), 1)]
    assert sorted(heads) == list(range(2, 10))
    agent = await get_agent(shop.documents, ADA, agent.id)
    assert agent.head == 9
    kept = [(await shop.definition(agent, n))["description"] for n in range(1, 10)]
    assert sorted(kept) == [str(n) for n in range(9)]
    assert agent.description == kept[-1]


async def test_an_update_of_an_old_version_is_refused_where_asked() -> None:
    shop = Shop()
    agent = await shop.create(draft())
    assert (await shop.update(agent.id, draft(), expected_head=1)).head == 2
    with pytest.raises(VersionMismatch, match="2, not 1"):
        await shop.update(agent.id, draft(), expected_head=1)


async def test_of_concurrent_updates_of_one_version_one_is_stored() -> None:
    shop = Shop()
    agent = await shop.create(draft())
    updates = [shop.update(agent.id, draft(description=str(n)), expected_head=1) for n in range(5)]
    outcomes = await in_time(shop.clock, asyncio.gather(*updates, return_exceptions=True), 1)
    assert sum(isinstance(outcome, Agent) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionMismatch) for outcome in outcomes) == 4


async def test_a_renamed_agent_gives_its_old_name_up() -> None:
    shop = Shop()
    agent = await shop.create(draft("one"))
    await shop.create(draft("two"))
    with pytest.raises(AlreadyExists, match="two"):
        await shop.update(agent.id, draft("two"))
    await shop.update(agent.id, draft("three"))
    assert (await shop.create(draft("one"))).name == "one"


async def test_a_deleted_agent_is_gone_and_its_versions_stay() -> None:
    shop = Shop()
    agent = await shop.create(draft())
    await shop.delete(agent.id)
    with pytest.raises(NotFound):
        await get_agent(shop.documents, ADA, agent.id)
    with pytest.raises(NotFound):
        await shop.delete(agent.id)
    assert (await list_agents(shop.documents, ADA.uid, AgentSearch(scope="user"))).items == ()
    assert version_path(agent.id, 1) in shop.documents.paths
    assert name_path(ADA.uid, "helper") not in shop.documents.paths
    assert (await shop.create(draft())).id != agent.id


async def test_a_definition_that_fits_into_no_document_is_refused() -> None:
    with pytest.raises(TooLarge):
        await Shop().create(draft(workflows={"note": "ü" * 450_000}))


@pytest.mark.parametrize(("applied", "stored"), [(True, True), (False, False)])
async def test_a_lost_reply_is_resolved_by_looking(applied: bool, stored: bool) -> None:  # noqa: FBT001 - a table
    shop = Shop()
    documents = WatchedDocuments(shop.documents)
    shop.shelf = replace(shop.shelf, documents=documents)
    documents.lose_replies.append((applied, OutcomeUnknown()))
    if not stored:
        with pytest.raises(Unavailable):
            await shop.create(draft())
    agent = await shop.create(draft("other" if stored else "helper"))
    documents.lose_replies.append((applied, OutcomeUnknown()))
    if stored:
        assert (await shop.update(agent.id, draft("other"))).head == 2
    else:
        with pytest.raises(Unavailable):
            await shop.update(agent.id, draft("helper"))
    assert (await get_agent(documents, ADA, agent.id)).head == (2 if stored else 1)


async def test_a_lost_reply_of_deleting_is_resolved_by_looking() -> None:
    shop = Shop()
    agent = await shop.create(draft())
    aborted = replace(shop.shelf, documents=FailingDocuments(shop.documents, lambda _: Fate.ABORTED))
    with pytest.raises(Unavailable):
        await delete_agent(aborted, ADA, agent.id)
    assert len((await list_agents(shop.documents, ADA.uid, AgentSearch(scope="user"))).items) == 1
    lost = replace(shop.shelf, documents=FailingDocuments(shop.documents, lambda _: Fate.REPLY_LOST))
    await delete_agent(lost, ADA, agent.id)
    assert (await list_agents(shop.documents, ADA.uid, AgentSearch(scope="user"))).items == ()


async def test_an_agent_that_is_updated_meanwhile_is_deleted_all_the_same() -> None:
    shop = Shop()
    agent = await shop.create(draft())

    async def rename() -> None:
        await shop.update(agent.id, draft("other"))

    interfered = InterferingDocuments(shop.documents, rename, before_commit=1)
    await in_time(shop.clock, delete_agent(replace(shop.shelf, documents=interfered), ADA, agent.id), 1)
    assert (await shop.create(draft("helper"))).name == "helper"
    assert (await shop.create(draft("other"))).name == "other"


async def test_an_agent_that_others_never_leave_alone_is_given_up() -> None:
    shop = Shop()
    agent = await shop.create(draft())

    class Restless(ForwardingDocuments):
        async def commit(self, writes: Sequence[Write]) -> Committed:
            raise CommitRefused(f"{len(writes)} writes")

    shelf = replace(shop.shelf, documents=Restless(shop.documents))
    with pytest.raises(Aborted):
        await in_time(shop.clock, update_agent(shelf, ADA, agent.id, draft()), 1)


async def test_an_agent_that_is_deleted_between_name_and_agent_is_not_found() -> None:
    shop = Shop()
    agent = await shop.create(draft())

    async def delete() -> None:
        await shop.delete(agent.id)

    documents = InterferingDocuments(shop.documents, delete, before_read=2)
    assert (await list_agents(documents, ADA.uid, AgentSearch(name="helper"))).items == ()


async def test_a_list_is_read_page_by_page_the_newest_first() -> None:
    shop = Shop()
    for number in range(5):
        await shop.create(draft(f"agent_{number}"))
    await shop.create(draft(), BOB)
    names: list[str] = []
    token: str | None = None
    for size in (2, 2, 1):
        page = await list_agents(shop.documents, ADA.uid, AgentSearch(scope="user", limit=2, page_token=token))
        assert len(page.items) == size
        names += [agent.name for agent in page.items]
        token = page.next_page_token
    assert token is None
    assert names == [f"agent_{number}" for number in (4, 3, 2, 1, 0)]


async def test_a_list_narrows_by_scope_type_and_name() -> None:
    shop = Shop()
    await shop.create(draft("own"))
    await shop.create(draft("market", scope="marketplace"))
    await shop.create(draft("builtin", scope="system"), ROOT)

    statics = [agent.name for agent in static_agents()]

    async def names(**search: Any) -> list[str]:
        page = await list_agents(shop.documents, ADA.uid, AgentSearch(**search))
        return [agent.name for agent in page.items]

    assert await names() == ["market", "own", *statics]
    assert await names(scope="user") == ["own"]
    assert await names(scope="system") == ["builtin", *statics]
    assert await names(type="static") == statics
    assert await names(owner_uid=ADA.uid) == ["market", "own"]
    assert await names(owner_uid=ROOT.uid) == ["builtin"]
    assert await names(owner_uid=BOB.uid) == []
    assert await names(name="own") == ["own"]
    assert await names(name="own", scope="marketplace") == []
    assert await names(name="nobody") == []


async def test_versions_are_listed_the_latest_first() -> None:
    shop = Shop()
    agent = await shop.create(draft())
    agent = await shop.update(agent.id, draft(changelog="more"))
    page = await list_versions(shop.documents, agent, 10, None)
    assert [(version.number, version.changelog) for version in page.items] == [(2, "more"), (1, "")]


async def test_a_page_token_of_another_list_is_refused() -> None:
    shop = Shop()
    for number in range(2):
        await shop.create(draft(f"agent_{number}"))
    page = await list_agents(shop.documents, ADA.uid, AgentSearch(limit=1))
    refused: list[DomainError] = []
    for search in (
        AgentSearch(limit=1, scope="marketplace", page_token=page.next_page_token),
        AgentSearch(limit=1, page_token="nonsense"),
        AgentSearch(limit=1, page_token="ä"),
        AgentSearch(limit=1, page_token="W10"),
    ):
        with pytest.raises(InvalidArgument) as error:
            await list_agents(shop.documents, ADA.uid, search)
        refused.append(error.value)
    assert {error.message for error in refused} == {"The page token is not valid."}
