"""What every `VectorIndex` promises. Subclasses provide the fixtures `documents` and `index`, over the same store."""

from __future__ import annotations

import math
import secrets

import pytest

from shared.domain.writes import Create, Delete, Update, Vector
from shared.ports.documents import Documents, Filter
from shared.ports.vector_index import NearestQuery, VectorIndex

EAST, NORTH, NORTH_EAST, WEST = (Vector(v) for v in ((1.0, 0.0), (0.0, 2.0), (3.0, 3.0), (-1.0, 0.0)))


def near(collection: str, vector: Vector = EAST, limit: int = 10, group: str = "a") -> NearestQuery:
    return NearestQuery(collection, (Filter("group", "==", group),), "place", vector, limit)


class VectorContract:
    """Nearness, filters, limits."""

    @pytest.fixture
    def collection(self) -> str:
        return f"contract_vectors_{secrets.token_hex(6)}"

    async def fill(self, documents: Documents, collection: str) -> None:
        places = {"west": WEST, "north": NORTH, "east": EAST, "north_east": NORTH_EAST}
        await documents.commit(
            [Create(f"{collection}/{name}", {"group": "a", "place": place}) for name, place in places.items()]
        )

    async def test_the_nearest_come_first_with_their_cosine_distance(
        self, documents: Documents, index: VectorIndex, collection: str
    ) -> None:
        await self.fill(documents, collection)
        found = await index.nearest(near(collection))
        assert [one.snapshot.id for one in found] == ["east", "north_east", "north", "west"]
        assert [one.distance for one in found] == pytest.approx([0, 1 - math.sqrt(0.5), 1, 2], abs=1e-6)

    async def test_what_is_found_is_the_document_as_it_is_stored(
        self, documents: Documents, index: VectorIndex, collection: str
    ) -> None:
        await self.fill(documents, collection)
        (found,) = await index.nearest(near(collection, limit=1))
        stored = await documents.get(f"{collection}/east")
        assert found.snapshot.fields == stored.fields == {"group": "a", "place": EAST}
        assert (found.snapshot.path, found.snapshot.update_time) == (stored.path, stored.update_time)

    async def test_only_what_the_filter_leaves_is_searched(
        self, documents: Documents, index: VectorIndex, collection: str
    ) -> None:
        await self.fill(documents, collection)
        other = {"group": "b", "place": EAST}
        await documents.commit([Create(f"{collection}/other", other), Create(f"{collection}/none", {"group": "a"})])
        assert [one.snapshot.id for one in await index.nearest(near(collection, limit=1))] == ["east"]
        assert [one.snapshot.id for one in await index.nearest(near(collection, group="b"))] == ["other"]
        assert await index.nearest(near(collection, group="c")) == []

    async def test_changes_are_found_at_once(self, documents: Documents, index: VectorIndex, collection: str) -> None:
        await self.fill(documents, collection)
        await documents.commit([Delete(f"{collection}/east"), Update(f"{collection}/west", {"place": EAST})])
        found = await index.nearest(near(collection, limit=2))
        assert [one.snapshot.id for one in found] == ["west", "north_east"]

    async def test_a_long_vector_comes_back_whole(
        self, documents: Documents, index: VectorIndex, collection: str
    ) -> None:
        long = Vector(tuple(math.sin(n) for n in range(2048)))
        await documents.commit([Create(f"{collection}/long", {"group": "a", "place": long})])
        (found,) = await index.nearest(near(collection, long))
        assert (found.snapshot.fields or {})["place"] == long
        assert found.distance == pytest.approx(0, abs=1e-6)
