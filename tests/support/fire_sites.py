"""The sites that agents under fire ask: each remembers when it was asked, and for what."""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from tests.support.held_models import streamed
from tests.support.http_sites import Asked, Told
from tests.support.provider_stubs.replies import Answer, Call

CALL_SECONDS = 0.3
"""How long the hotel takes: long enough for workers to die in the middle of a call."""
MODEL_SECONDS = 1.0
"""How long a model takes: a good part of a worker's life."""


class Hotel:
    """A site that remembers when each key came."""

    def __init__(self) -> None:
        self.seen: defaultdict[str, list[datetime]] = defaultdict(list)

    def look(self, asked: Asked) -> Told:
        return self._answer(asked.query["key"])

    def book(self, asked: Asked) -> Told:
        return self._answer(asked.json["key"])

    def calls_of(self, run: str) -> dict[str, list[datetime]]:
        """What came for one run, whose name its keys begin with."""
        return {key: times for key, times in self.seen.items() if key.startswith(f"{run}-")}

    def _answer(self, key: str) -> Told:
        self.seen[key].append(datetime.now(UTC))

        async def slowly() -> AsyncIterator[bytes]:
            await asyncio.sleep(CALL_SECONDS)
            yield json.dumps({"key": key}).encode()

        return Told(headers={"Content-Type": "application/json"}, parts=slowly)


class CountingModel:
    """A provider's model that calculates once and then says what it came to; it counts its calls by run.

    The prompt begins with the run's name in brackets.
    """

    def __init__(self) -> None:
        self.calls: defaultdict[str, int] = defaultdict(int)

    def answer(self, asked: Asked) -> Told:
        name = re.search(rb"\[(c\d+-\d+)\]", asked.body)
        assert name is not None, asked.body
        self.calls[name[1].decode()] += 1
        sums = (Call("calculator", {"expression": "2 + 3"}),)
        told = Answer(("It is 5.",)) if b"tool_result" in asked.body else Answer(calls=sums)
        return streamed(told, MODEL_SECONDS)
