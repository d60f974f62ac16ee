"""Tools that change the state of the session in which they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shared.domain.tools import ToolCall, ToolResult
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.tools import ToolContext
from shared.usecases.sessions.set_state import set_state
from tests.support.engine_rig import CountingToolbox
from tests.support.failing_documents import Died


class KeepingToolbox(CountingToolbox):
    """What the tool `keep` gives, its arguments if nothing else, goes into the session's state, as `set_state` does."""

    def __init__(self, documents: Documents, clock: Clock, **tools: Callable[[Mapping[str, Any]], Any]) -> None:
        """Keep in `documents`."""
        super().__init__({"keep": lambda values: values, **tools})
        self.documents = documents
        """The store of the process that calls; of the next one when that has died."""
        self._sound = documents
        self._clock = clock

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Call the function, and keep what it gives."""
        result = await super().call(call, context)
        if call.name != "keep":
            return result
        at = (context.session_id, context.run_id)
        try:
            await set_state(self.documents, self._clock, *at, result.content)
        except Died:
            self.documents = self._sound
            raise
        return replace(result, actions={"state_delta": result.content})
