"""The engine's side of a run, as the runner calls it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult
from shared.ports.agent_runner import CallWaits, Forecast, StepResponse, StepSink, ToolCaller


class Callbacks:
    """The sink and the tool caller of one run, remembering what they raised.

    Their exceptions are how the engine cancels a run or fences it off. They cross Pydantic AI's own code on their
    way out, so the runner raises the remembered one, whatever has become of it there.
    """

    def __init__(self, sink: StepSink, tools: ToolCaller) -> None:
        """Wrap the two."""
        self._sink = sink
        self._tools = tools
        self.raised: BaseException | None = None
        self.waits = False
        """Whether a call waits for a person: the run ends when the other calls of the response have ended."""

    @contextmanager
    def _remembered(self) -> Generator[None]:
        try:
            yield
        except CallWaits:
            self.waits = True
            raise
        except BaseException as error:
            # The first one is the cause: later ones are tools that were cancelled because of it.
            self.raised = self.raised or error
            raise

    async def begin(self, step: int, forecast: Forecast | None = None) -> int | None:
        """As `StepSink.begin`."""
        with self._remembered():
            return await self._sink.begin(step, forecast)

    async def text(self, delta: str) -> None:
        """As `StepSink.text`."""
        try:  # not a context manager: this is called for every delta
            await self._sink.text(delta)
        except BaseException as error:
            self.raised = self.raised or error
            raise

    async def respond(self, response: StepResponse) -> None:
        """As `StepSink.respond`."""
        with self._remembered():
            await self._sink.respond(response)

    async def refuse(self, call: ToolCall, message: str) -> None:
        """As `ToolCaller.refuse`."""
        with self._remembered():
            await self._tools.refuse(call, message)

    async def show(self, attachment: Attachment) -> ShownFile | None:
        """As `ToolCaller.show`."""
        with self._remembered():
            return await self._tools.show(attachment)

    async def call(self, call: ToolCall) -> ToolResult:
        """As `ToolCaller.call`."""
        with self._remembered():
            return await self._tools.call(call)
