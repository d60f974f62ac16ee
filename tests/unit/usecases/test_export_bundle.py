"""An agent is gathered with its documents while others change them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from shared.domain.agents import LATEST
from shared.domain.errors import Internal
from shared.domain.ids import AgentId
from shared.domain.knowledge import content_paths
from shared.domain.writes import Delete
from shared.ports.identity import Identity
from shared.usecases.agents.export_bundle import export_bundle
from shared.usecases.knowledge.delete_document import delete_document
from tests.support.engine_rig import ANN, EngineRig
from tests.support.interfering_documents import InterferingDocuments
from tests.support.knowledge_rig import KnowledgeRig

SEARCHING = [{"name": "knowledge", "config": {"collections": ["handbook"]}}]


class Shop:
    """An agent that searches two documents, of which one is being changed."""

    def __init__(self) -> None:
        self.rig = EngineRig()
        self.knowledge = KnowledgeRig(self.rig.clock, self.rig.ids, documents=self.rig.documents)

    async def open(self) -> AgentId:
        """Make them."""
        self.collection = await self.knowledge.collection()
        self.first = await self.knowledge.put(self.collection, "a.txt", "old a")
        await self.knowledge.put(self.collection, "b.txt", "old b")
        await self.knowledge.drain()
        return await self.rig.make_agent(tools=SEARCHING)

    async def delete(self) -> None:
        """Delete the document, and remove all of it."""
        await delete_document(self.knowledge.library, ANN, self.collection.id, self.first.id)
        await self.knowledge.drain()

    async def replace(self) -> None:
        """Replace the document, and remove what it was."""
        await self.knowledge.put(self.collection, "a.txt", "new a")
        await self.knowledge.drain()


async def exported(documents: Any, agent: AgentId) -> dict[str, bytes]:
    """The documents of an agent's bundle."""
    _, _, bundle = await export_bundle(documents, Identity(ANN, "user"), agent, LATEST)
    return {one.name: one.content for one in bundle.knowledge["handbook"].documents}


@pytest.mark.parametrize(("change", "after"), [(Shop.delete, None), (Shop.replace, b"new a")])
async def test_a_document_that_is_changed_while_it_is_read_is_as_it_was_or_as_it_is(
    change: Callable[[Shop], Awaitable[None]], after: bytes | None
) -> None:
    seen: set[bytes | None] = set()
    for at in range(1, 12):
        shop = Shop()
        agent = await shop.open()
        found = await exported(InterferingDocuments(shop.rig.documents, partial(change, shop), before_read=at), agent)
        assert found.pop("b.txt") == b"old b", f"read {at}"
        seen.add(found.get("a.txt"))
    assert seen == {b"old a", after}


async def test_a_damaged_document_is_told_of_as_such() -> None:
    shop = Shop()
    agent = await shop.open()
    await shop.rig.documents.commit([Delete(path) for path in content_paths(shop.first)])
    with pytest.raises(Internal, match="damaged"):
        await exported(shop.rig.documents, agent)
