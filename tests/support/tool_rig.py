"""The tools of definitions on real sockets, with an author who has secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.adapters.memory.secrets import MemorySecretStore
from shared.adapters.tools.definition_toolbox import DefinitionToolbox
from shared.adapters.tools.toolbox import LocalToolbox
from shared.domain.definitions import AgentDefinition
from shared.domain.egress import EgressPolicy
from shared.domain.ids import Instance, RunId, SessionId, Uid
from shared.domain.planning import compile_plan
from shared.domain.secrets import SecretText
from shared.domain.tools import ToolCall, ToolResult
from shared.ports.mcp import McpConnector
from shared.ports.tools import Tool, ToolContext
from shared.usecases.secrets.put_secret import put_secret
from shared.usecases.secrets.vault import Vault
from tests.support.watched_documents import WatchedDocuments

AUTHOR, RUNNER = Uid("author"), Uid("runner")


class ToolRig:
    """A toolbox that may reach the given sites of this machine."""

    def __init__(self, *sites: tuple[str, int], mcp: McpConnector | None = None) -> None:
        clock = MemoryClock()
        self.documents = WatchedDocuments(MemoryDocuments(clock))
        self.vault = Vault(self.documents, MemorySecretStore(), clock, MemoryIds())
        self.web = GuardedWebClient(EgressPolicy(frozenset(sites)))
        self.toolbox = DefinitionToolbox(LocalToolbox(self.documents, clock), self.vault, self.web, mcp)
        self.context = ToolContext(
            owner_uid=RUNNER,
            session_id=SessionId("s1"),
            run_id=RunId("r1"),
            instance=Instance("main~0"),
            author_uid=AUTHOR,
        )

    def for_instance(self, instance: str) -> None:
        """Ask on behalf of another node instance."""
        self.context = replace(self.context, instance=Instance(instance))

    async def store(self, name: str, value: str, owner: Uid = AUTHOR) -> None:
        """Store a secret."""
        await put_secret(self.vault, owner, name, SecretText(value))

    async def tools(self, **definition: Any) -> Mapping[str, Tool]:
        """The tools of an agent that lists everything that its definition brings."""
        own = [tool["name"] for key in ("http_tools", "mcp_servers") for tool in definition.get(key, [])]
        raw = {"name": "agent", "model": "local:extractive", "tools": own, **definition}
        found = AgentDefinition.model_validate(raw)
        plan = compile_plan(found)
        return await self.toolbox.tools_for(plan.kit(plan.nodes[0], found.tools), self.context)

    async def call(self, tool: Mapping[str, Any], /, **arguments: Any) -> ToolResult:
        """Call one HTTP tool."""
        tools = await self.tools(http_tools=[tool])
        return await tools[tool["name"]].call(ToolCall(0, "call", tool["name"], arguments))
