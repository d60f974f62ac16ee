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
    """Makes calls first, if any, then says its chunks: the first time only some of them, until it is let go.

    Args:
        chunks: what it says.
        held_after: how many of them it says at once.
        call: the call with which it answers before it has any result.
    """

    chunks: Sequence[str]
    held_after: int = 1
    call: Call | None = None
    _answers: int = 0
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
        """Let the answer that was stopped go on."""
        self._goes_on.set()

    @asynccontextmanager
    async def at(self, port: int) -> AsyncGenerator[HeldModel]:
        """Answer at a port for the time of the block."""
        async with site_of({"*": self._answer}, port):
            yield self

    def _answer(self, asked: Asked) -> Told:
        call = self.call
        if call is not None and b"tool_result" not in asked.body:
            return _streamed(lambda: _at_once(Answer(calls=(call,))))
        self._answers += 1
        is_held = self._answers == 1
        return _streamed(lambda: self._say(is_held=is_held))

    async def _say(self, *, is_held: bool) -> AsyncIterator[bytes]:
        said = 0
        for frame in Anthropic(_NAME).frames(Answer(tuple(self.chunks))):
            if b'"text_delta"' in frame:
                if is_held and said == self.held_after:
                    await self._goes_on.wait()
                said += 1
            yield frame


async def _at_once(answer: Answer) -> AsyncIterator[bytes]:
    for frame in Anthropic(_NAME).frames(answer):
        yield frame


def _streamed(parts: Callable[[], AsyncIterator[bytes]]) -> Told:
    return Told(headers={"Content-Type": "text/event-stream"}, parts=parts)
