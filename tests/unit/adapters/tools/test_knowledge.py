"""`knowledge`."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import Unavailable
from shared.domain.ids import Uid
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.put_document import NewDocument, put_document
from tests.support.knowledge_rig import KnowledgeRig
from tests.support.workspaces import TestingWorkspace

ADA = Uid("ada")
HANDBOOK = {"collections": ["handbook"]}
MANUAL = b"# Anvil\n\n## Weight\n\nThe anvil weighs ninety kilograms.\n\n## Warranty\n\nThe warranty lasts ten years.\n"


@pytest.fixture
async def rig() -> KnowledgeRig:
    """A library in which Ada has a manual and some rules."""
    rig = KnowledgeRig()
    collection = await create_collection(rig.library, ADA, "handbook")
    for name, content in (("manual.md", MANUAL), ("rules.txt", b"Visitors register at the front desk.")):
        await put_document(rig.library, ADA, collection.id, NewDocument(name, content))
    await rig.drain()
    return rig


@pytest.fixture
def workspace(rig: KnowledgeRig) -> TestingWorkspace:
    return TestingWorkspace(searcher=rig.searcher)


async def test_passages_are_answered_with_what_to_cite(workspace: TestingWorkspace) -> None:
    result = await workspace.call("knowledge", HANDBOOK, query="How long does the warranty last?", limit=1)

    (passage,) = result.content["passages"]
    assert 0 < passage.pop("score") <= 1
    assert passage == {
        "collection": "handbook",
        "document": "manual.md",
        "place": "lines 7-9",
        "heading": "Anvil > Warranty",
        "text": "## Warranty\nThe warranty lasts ten years.",
    }


@pytest.mark.parametrize(
    ("config", "limit", "count"),
    [({}, None, 3), ({"max_passages": 2}, None, 2), ({"max_passages": 2}, 20, 2), ({}, 1, 1)],
)
async def test_the_definition_bounds_how_many_passages_there_are(
    workspace: TestingWorkspace, config: dict[str, Any], limit: int | None, count: int
) -> None:
    result = await workspace.call("knowledge", {**HANDBOOK, **config}, query="anvil", limit=limit)

    assert len(result.content["passages"]) == count


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "The tool is not configured well in the agent's definition. collections: Field required."),
        ({"collections": ["diary"]}, "There is no collection of knowledge 'diary' that you may read."),
        ({"collections": ["f" * 40]}, f"There is no collection of knowledge '{'f' * 40}' that you may read."),
    ],
)
async def test_what_cannot_be_searched_is_explained(
    workspace: TestingWorkspace, config: dict[str, Any], message: str
) -> None:
    result = await workspace.call("knowledge", config, query="anvil")

    assert (result.is_error, result.content) == (True, message)


async def test_a_deployment_without_knowledge_says_so() -> None:
    result = await TestingWorkspace().call("knowledge", HANDBOOK, query="anvil")

    assert result.content == "This deployment keeps no knowledge."


async def test_an_embedder_that_is_down_is_worth_a_retry_of_the_node(
    rig: KnowledgeRig, workspace: TestingWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_text: str) -> None:
        raise Unavailable("the embedder does not answer")

    monkeypatch.setattr(rig.embedder, "embed_query", fail)
    with pytest.raises(Unavailable):
        await workspace.call("knowledge", HANDBOOK, query="anvil")
