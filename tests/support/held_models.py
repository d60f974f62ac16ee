"""A provider's model on a site of the test's own: its answer stops in the middle until the test lets it go on.

So what happens in the middle of a turn depends on nobody's speed. The functions ask it as they ask Anthropic.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scripts.local.processes import HOST
from tests.support.http_sites import Asked, Told, site_of
from tests.support.polling import PATIENCE_SECONDS
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.replies import Answer, Call

_NAME = "claude-sonnet-5-5"
MODEL: dict[str, Any] = {"provider": "anthropic", "model": _NAME, "request_timeout_seconds": 1200}
"""The model, as a definition names it."""


def environment(port: int) -> dict[str, str]:
    """What lets functions ask the site at `port` for Anthropic's models, and still list only local ones."""
    address = {"ANTHROPIC_BASE_URL": f"http://{HOST}:{port}", "ANTHROPIC_API_KEY": "none"}
    return {**address, "FIRELOOM_PROVIDERS": "local"}


@dataclass
class HeldModel:
    """Makes calls first, if any, then says its chunks: the first times only some of them, until it is let go.

    Args:
        chunks: what it says.
        held_after: how many of them it says at once.
        calls: the calls with which it answers whoever offers it the first of them and has no result yet.
        holds: how many of its answers stop.
    """

    chunks: Sequence[str]
    held_after: int = 1
    calls: Sequence[Call] = ()
    holds: int = 1
    asked: int = 0
    _answers: int = 0
    _stopped: int = 0
    _all_stopped: asyncio.Event = field(default_factory=asyncio.Event)
    _goes_on: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def whole(self) -> str:
        """All that it says."""
        return "".join(self.chunks)

    @property
    def beginning(self) -> str:
        """What it says before it stops."""
        return "".join(self.chunks[: self.held_after])

    def let_go(self) -> None:
        """Let the answers that were stopped go on."""
        self._goes_on.set()

    async def holds_all(self) -> None:
        """Return once all answers that are to stop have stopped, at the same time.

        Raises:
            TimeoutError: that never was so.
        """
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._all_stopped.wait()

    @asynccontextmanager
    async def at(self, port: int) -> AsyncGenerator[HeldModel]:
        """Answer at a port for the time of the block."""
        async with site_of({"*": self._answer}, port):
            yield self

    def _answer(self, asked: Asked) -> Told:
        self.asked += 1
        offered = {tool["name"] for tool in asked.json.get("tools", ())}
        if self.calls and self.calls[0].name in offered and b"tool_result" not in asked.body:
            return streamed(Answer(calls=tuple(self.calls)))
        self._answers += 1
        is_held = self._answers <= self.holds
        return _streamed(lambda: self._say(is_held=is_held))

    async def _say(self, *, is_held: bool) -> AsyncIterator[bytes]:
        said = 0
        for frame in Anthropic(_NAME).frames(Answer(tuple(self.chunks))):
            if b'"text_delta"' in frame:
                if is_held and said == self.held_after:
                    await self._stop()
                said += 1
            yield frame

    async def _stop(self) -> None:
        self._stopped += 1
        if self._stopped == self.holds:
            self._all_stopped.set()
        try:
            await self._goes_on.wait()
        finally:
            self._stopped -= 1


def streamed(answer: Answer, seconds: float = 0) -> Told:
    """An answer of the model, whole, after so many seconds."""

    async def parts() -> AsyncIterator[bytes]:
        await asyncio.sleep(seconds)
        for frame in Anthropic(_NAME).frames(answer):
            yield frame

    return _streamed(parts)


def _streamed(parts: Callable[[], AsyncIterator[bytes]]) -> Told:
    return Told(headers={"Content-Type": "text/event-stream"}, parts=parts)
