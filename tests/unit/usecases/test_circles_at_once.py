"""Two who save at one instant close no circle of agents together: whoever comes second checks again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared.domain.agents import Proposal, agent_path
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import InvalidArgument
from shared.domain.ids import AgentId
from shared.ports.documents import Documents
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent
from shared.usecases.agents.move_alias import move_alias
from shared.usecases.agents.publish_draft import publish_draft
from shared.usecases.agents.save_draft import save_draft
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from tests.support.engine_rig import EngineRig
from tests.support.interfering_documents import InterferingDocuments
from tests.support.sharing_rig import OWNER

SINGLE = {"model": "local:scripted"}


def asks(*others: AgentId, **reference: Any) -> dict[str, Any]:
    """A graph that runs other agents."""
    nodes = {f"n{n}": {"kind": "agent", "agent": {"id": other, **reference}} for n, other in enumerate(others)}
    return {**SINGLE, "type": "graph", "graph": {"nodes": nodes}}


class Shop:
    """Agents in memory, which people save."""

    def __init__(self) -> None:
        self.rig = EngineRig()

    def shelf(self, documents: Documents | None = None) -> Shelf:
        return Shelf(documents or self.rig.documents, self.rig.clock, self.rig.ids)

    async def make(self, name: str, raw: dict[str, Any] = SINGLE) -> AgentId:
        return (await create_agent(self.shelf(), OWNER, proposal(name, raw)))[0].id

    async def save(self, name: str, agent: AgentId, raw: dict[str, Any], documents: Documents | None = None) -> None:
        await update_agent(self.shelf(documents), OWNER, agent, proposal(name, raw))

    async def publish(self, name: str, agent: AgentId, raw: dict[str, Any], documents: Documents) -> None:
        await save_draft(self.shelf(), OWNER, agent, {"name": name, **raw})
        await publish_draft(self.shelf(documents), OWNER, agent, "")

    def meanwhile(self, interfere: Callable[[], Awaitable[object]]) -> InterferingDocuments:
        """A store in which something else is done between the check and the commit of a save."""
        return InterferingDocuments(self.rig.documents, interfere, before_commit=1)

    async def head(self, agent: AgentId) -> int:
        return (await self.rig.documents.get(agent_path(agent))).fields["head"]

    async def aliases(self, agent: AgentId) -> dict[str, int]:
        return (await self.rig.documents.get(agent_path(agent))).fields["aliases"]


def proposal(name: str, raw: dict[str, Any]) -> Proposal:
    named = {"name": name, **raw}
    return Proposal(parse_definition(named), named)


def reasons(refused: pytest.ExceptionInfo[InvalidArgument]) -> list[str]:
    return [fault.reason for fault in refused.value.faults]


@pytest.mark.parametrize("how", ["save", "publish"])
async def test_of_two_saves_that_would_close_a_circle_together_the_second_is_refused(how: str) -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    documents = shop.meanwhile(lambda: shop.save("two", two, asks(one)))
    saving = {"save": shop.save, "publish": shop.publish}[how]
    with pytest.raises(InvalidArgument) as refused:
        await saving("one", one, asks(two), documents)
    assert reasons(refused) == [f"the agents run each other: {one} → {two} → {one}"]
    assert (await shop.head(one), await shop.head(two)) == (1, 2)


async def test_nor_do_saves_close_a_circle_over_agents_in_between() -> None:
    shop = Shop()
    one, three = await shop.make("one"), await shop.make("three")
    two = await shop.make("two", asks(three))
    documents = shop.meanwhile(lambda: shop.save("three", three, asks(one)))
    with pytest.raises(InvalidArgument) as refused:
        await shop.save("one", one, asks(two), documents)
    assert reasons(refused) == [f"the agents run each other: {one} → {two} → {three} → {one}"]


async def test_nor_over_an_alias_that_was_moved_meanwhile() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    await move_alias(shop.shelf(), OWNER, two, "prod", 1)
    await shop.save("two", two, asks(one))
    documents = shop.meanwhile(lambda: move_alias(shop.shelf(), OWNER, two, "prod", 2))
    with pytest.raises(InvalidArgument) as refused:
        await shop.save("one", one, asks(two, version="prod"), documents)
    assert reasons(refused) == [f"the agents run each other: {one} → {two} → {one}"]


async def test_a_save_beside_one_that_closes_nothing_is_checked_again_and_stored() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    documents = shop.meanwhile(lambda: shop.save("two", two, {**SINGLE, "prompt": "Hm."}))
    await shop.save("one", one, asks(two), documents)
    assert (await shop.head(one), await shop.head(two), documents.commits) == (2, 2, 2)


async def test_what_is_referred_to_by_number_may_change_meanwhile() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    documents = shop.meanwhile(lambda: shop.save("two", two, asks(one)))
    await shop.save("one", one, asks(two, version=1), documents)
    assert (await shop.head(one), await shop.head(two), documents.commits) == (2, 2, 1)


async def test_an_agent_that_others_refer_to_is_left_as_it_is_by_their_saves() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    before = await shop.rig.documents.get(agent_path(two))
    await shop.save("one", one, asks(two))
    after = await shop.rig.documents.get(agent_path(two))
    assert (after.fields, after.update_time) == (before.fields, before.update_time)


async def test_an_agent_that_refers_to_an_alias_of_its_own_is_saved_also_where_it_is_changed_meanwhile() -> None:
    shop = Shop()
    one = await shop.make("one")
    await move_alias(shop.shelf(), OWNER, one, "first", 1)
    changed = InterferingDocuments(
        shop.rig.documents, lambda: move_alias(shop.shelf(), OWNER, one, "second", 1), before_read=2
    )
    await shop.save("one", one, asks(one, version="first"), changed)
    assert (await shop.head(one), changed.commits) == (2, 2)


async def test_an_alias_is_not_moved_to_what_would_come_to_run_it() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    await move_alias(shop.shelf(), OWNER, two, "prod", 1)
    await shop.save("one", one, asks(two, version="prod"))
    await shop.save("two", two, asks(one))
    with pytest.raises(InvalidArgument) as refused:
        await move_alias(shop.shelf(), OWNER, two, "prod", 2)
    assert reasons(refused) == [f"the agents run each other: {two} → {one} → {two}"]
    assert refused.value.message == "The agents run each other."
    assert await shop.aliases(two) == {"prod": 1}


async def test_nor_to_one_that_refers_to_it_itself() -> None:
    shop = Shop()
    one = await shop.make("one")
    await move_alias(shop.shelf(), OWNER, one, "prod", 1)
    await shop.save("one", one, asks(one, version="prod"))
    with pytest.raises(InvalidArgument) as refused:
        await move_alias(shop.shelf(), OWNER, one, "prod", "latest")
    assert reasons(refused) == [f"the agents run each other: {one} → {one}"]


async def test_of_two_aliases_that_would_close_a_circle_together_the_second_stays() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    for agent in (one, two):
        await move_alias(shop.shelf(), OWNER, agent, "prod", 1)
    await shop.save("one", one, asks(two, version="prod"))
    await shop.save("two", two, asks(one, version="prod"))
    documents = shop.meanwhile(lambda: move_alias(shop.shelf(), OWNER, two, "prod", 2))
    with pytest.raises(InvalidArgument) as refused:
        await move_alias(shop.shelf(documents), OWNER, one, "prod", 2)
    assert reasons(refused) == [f"the agents run each other: {one} → {two} → {one}"]
    assert (await shop.aliases(one), await shop.aliases(two)) == ({"prod": 1}, {"prod": 2})


async def test_an_alias_beside_the_circle_moves() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    await shop.save("one", one, asks(two, version=1))
    await shop.save("two", two, asks(one))
    await move_alias(shop.shelf(), OWNER, two, "prod", 2)
    assert await shop.aliases(two) == {"prod": 2}


async def test_an_alias_moves_back_to_what_refers_to_an_agent_that_was_deleted() -> None:
    shop = Shop()
    one, two = await shop.make("one"), await shop.make("two")
    await shop.save("one", one, asks(two))
    await delete_agent(shop.shelf(), OWNER, two)
    await move_alias(shop.shelf(), OWNER, one, "prod", 2)
    assert await shop.aliases(one) == {"prod": 2}
