"""Fireloom's tools as a Pydantic AI toolset."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic_ai import ModelRetry, RunContext, ToolFailed
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, ToolsetTool
from pydantic_core import SchemaValidator, core_schema

from shared.adapters.pydantic_ai.arguments import ArgumentFaults, ArgumentSchema
from shared.adapters.pydantic_ai.callbacks import Callbacks
from shared.adapters.pydantic_ai.files import show_files
from shared.adapters.pydantic_ai.native_search import WEB_SEARCH
from shared.domain.errors import Internal
from shared.domain.tools import ToolCall, ToolSpec
from shared.ports.agent_runner import CallWaits

FAULTY_CALLS = 4
"""How often in a row a model may get a tool's arguments, or the name of a tool, wrong."""

_AN_OBJECT = SchemaValidator(core_schema.dict_schema(keys_schema=core_schema.str_schema()))


class CalledToolset(AbstractToolset[object]):
    """Tools that the engine executes: arguments are checked here, all else happens behind the tool caller."""

    def __init__(self, specs: Sequence[ToolSpec], caller: Callbacks) -> None:
        """Offer the tools of `specs`, executed by `caller`."""
        self._caller = caller
        self._schemas = {spec.name: ArgumentSchema(spec.arguments_schema) for spec in specs}
        self._tools = {spec.name: self._offer(spec) for spec in specs}
        self.step = 0
        """The response whose calls are executed at present."""

    @property
    def id(self) -> str | None:
        """The toolset's name in Pydantic AI's messages."""
        return "fireloom"

    def _offer(self, spec: ToolSpec) -> ToolsetTool[object]:
        definition = ToolDefinition(
            name=spec.name,
            description=spec.description,
            parameters_json_schema=dict(spec.arguments_schema),
            # Not shown to a model whose provider searches, but still there for calls that were made before.
            unless_native=WebSearchTool.kind if spec.name == WEB_SEARCH else None,
        )
        return ToolsetTool(
            toolset=self,
            tool_def=definition,
            max_retries=FAULTY_CALLS,
            args_validator=_AN_OBJECT,  # a schema is no validator; see call_tool
        )

    async def get_tools(self, ctx: RunContext[object]) -> dict[str, ToolsetTool[object]]:
        """The same tools in every step."""
        del ctx
        return self._tools

    async def call_tool(
        self, name: str, tool_args: dict[str, Any], ctx: RunContext[object], tool: ToolsetTool[object]
    ) -> Any:
        """Execute one call; whatever goes wrong with it becomes a message to the model.

        Raises:
            ModelRetry: the arguments do not fit the schema.
            ToolFailed: the tool failed.
        """
        del tool
        if ctx.tool_call_id is None:
            raise Internal("a tool call without an id")
        try:
            arguments = self._schemas[name].fit(tool_args)
        except ArgumentFaults as error:
            message = f"{name} was not called: its arguments do not fit its schema.\n{error}"
            await self._caller.refuse(ToolCall(self.step, ctx.tool_call_id, name, tool_args), message)
            raise ModelRetry(message) from error
        try:
            result = await self._caller.call(ToolCall(self.step, ctx.tool_call_id, name, arguments))
        except CallWaits:
            return None  # no model sees it: the run ends before the next request
        if result.is_error:
            raise ToolFailed(_as_text(result.content))
        return await show_files(result, self._caller, ctx.model)


def _as_text(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
