"""Artifacts and the tools on them, over Firestore."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest

from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.system.clock import SystemClock
from shared.adapters.tools.toolbox import LocalToolbox
from shared.domain.ids import Instance, RunId, SessionId, Uid
from shared.domain.tools import ToolCall
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.tools import ToolContext
from tests.support.port_contracts.artifacts import ArtifactContract


@pytest.fixture(scope="module")
async def documents(module_project_id: str) -> AsyncIterator[Documents]:
    documents = FirestoreDocuments(module_project_id)
    yield documents
    await documents.close()


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
def session_id() -> SessionId:
    return SessionId(f"s{secrets.token_hex(8)}")


class TestArtifacts(ArtifactContract):
    """On Firestore."""


async def test_a_file_that_an_agent_writes_is_found_searched_and_compared(
    documents: Documents, clock: Clock, session_id: SessionId
) -> None:
    toolbox = LocalToolbox(documents, clock)
    context = ToolContext(Uid("ada"), session_id, RunId("r1"), Instance("main~0"), {})

    async def answer(tool: str, **arguments: object) -> object:
        result = await toolbox.call(ToolCall(0, "call", tool, arguments), context)
        assert not result.is_error, result.content
        return result.content

    await answer("file_write", path="__notes__", content="one\n")
    await answer("file_write", path="__notes__", content="two\n")

    assert await answer("find", glob="__*") == {"paths": ["__notes__"], "sizes_bytes": [4], "truncated": False}
    assert await answer("grep", pattern="^t") == {
        "matches": [{"path": "__notes__", "line": 1, "text": "two"}],
        "files_searched": 1,
        "truncated": False,
    }
    assert await answer("diff", path="__notes__") == {
        "old": "__notes__@1",
        "new": "__notes__@2",
        "identical": False,
        "diff": "--- __notes__@1\n+++ __notes__@2\n@@ -1,1 +1,1 @@\n-one\n+two\n",
        "truncated": False,
    }
