"""Executes graphs on request: one line of JSON in, one out, until the input ends."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx

Execute = Callable[[Sequence[int], str | None], Awaitable[None]]
"""Executes a graph of these layers; its nodes ask the address, or do nothing."""
_NODE_SECONDS = 60


async def serve(engines: Mapping[str, Execute]) -> None:
    """Execute `{"engine", "layers", "url"}` and answer `{"seconds"}`; the first line out says that it can begin."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # whatever an engine prints is no answer
    print(json.dumps({"engines": list(engines)}), file=answers, flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = json.loads(line)
        begun = time.perf_counter()
        await engines[asked["engine"]](asked["layers"], asked["url"])
        print(json.dumps({"seconds": time.perf_counter() - begun}), file=answers, flush=True)


class Work:
    """What a node does: nothing, or one request to a server that pauses."""

    def __init__(self) -> None:
        """Keep one client for all, with as many connections as it likes."""
        self._client = httpx.AsyncClient(limits=httpx.Limits(max_connections=None), timeout=_NODE_SECONDS)

    async def __call__(self, url: str | None) -> int:
        """Do it once."""
        return 0 if url is None else (await self._client.get(url)).status_code
