"""A session's files and a toolbox on them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.tools.toolbox import LocalToolbox
from shared.domain.ids import AgentId, Instance, RunId, SessionId, Uid
from shared.domain.records import from_json, render, to_json
from shared.domain.sessions import Session, session_path
from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult
from shared.domain.writes import Create
from shared.ports.tools import ToolContext
from shared.ports.web_client import WebClient
from shared.ports.web_search import WebSearch
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact
from shared.usecases.knowledge.library import Searcher
from tests.support.watched_documents import WatchedDocuments


class TestingWorkspace:
    """Tools called on files that a test writes."""

    __test__ = False

    def __init__(
        self,
        search: WebSearch | None = None,
        seconds: float = 60.0,
        web: WebClient | None = None,
        searcher: Searcher | None = None,
    ) -> None:
        self.documents = WatchedDocuments(MemoryDocuments())
        self.clock = MemoryClock()
        self.toolbox = LocalToolbox(self.documents, self.clock, search, web, seconds, searcher=searcher)
        self.session_id = SessionId("s1")
        self.calls = 0

    async def put(self, **files: str | bytes) -> None:
        """Store files; in the names, `__` stands for `/` and `_` for `.`."""
        for name, content in files.items():
            await self.store(name.replace("__", "/").replace("_", "."), content)

    async def store(self, name: str, content: str | bytes) -> None:
        """Store one file."""
        raw = content.encode() if isinstance(content, str) else content
        await put_artifact(self.documents, self.clock, NewArtifact(self.session_id, Uid("ada"), name, raw, "ada"))
        self.documents.reset()

    async def open_session(self, state: Mapping[str, Any] | None = None) -> None:
        """Store the session itself, which the file tools do not need."""
        now = self.clock.now()
        session = Session(self.session_id, Uid("ada"), AgentId("a1"), 1, now, now, state_json=to_json(state or {}))
        await self.documents.commit([Create(session_path(self.session_id), render(session))])

    async def state(self) -> Any:
        """The session's state as it is stored."""
        return from_json(((await self.documents.get(session_path(self.session_id))).fields or {})["state_json"])

    def of_session(self, session_id: str) -> TestingWorkspace:
        """The same store, seen from another session."""
        other = copy.copy(self)
        other.session_id = SessionId(session_id)
        return other

    async def call(self, tool: str, /, config: dict[str, Any] | None = None, **arguments: Any) -> ToolResult:
        """Call a tool with arguments by name."""
        return await self.call_with(tool, arguments, config or {})

    async def call_with(self, tool: str, arguments: dict[str, Any], config: dict[str, Any]) -> ToolResult:
        """Call a tool with arguments of any name, each time as another call."""
        self.calls += 1
        return await self.call_again(tool, arguments, config)

    async def call_again(self, tool: str, arguments: dict[str, Any], config: dict[str, Any]) -> ToolResult:
        """Make the last call once more, as a worker does that takes over."""
        context = ToolContext(Uid("ada"), self.session_id, RunId("r1"), Instance("main~0"), config)
        return await self.toolbox.call(ToolCall(0, f"call{self.calls}", tool, arguments), context)

    async def show(self, attachment: Attachment) -> ShownFile:
        """A file as a model would see it."""
        return await self.toolbox.show(
            attachment, ToolContext(Uid("ada"), self.session_id, RunId("r1"), Instance("main~0"))
        )

    async def answer(self, tool: str, /, **arguments: Any) -> Any:
        """What a tool answers, which must not be an error."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, result.content
        return result.content

    async def refusal(self, tool: str, /, **arguments: Any) -> str:
        """With what message a tool fails, which it must."""
        result = await self.call(tool, **arguments)
        assert result.is_error, result.content
        return str(result.content)
