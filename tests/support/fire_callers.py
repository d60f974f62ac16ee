"""People who start runs under fire, one after another: some to their end, some cancelled, some short of budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from random import Random
from typing import Any

import httpx

from scripts.local.processes import HOST
from tests.support.fire_sites import Hotel
from tests.support.held_models import MODEL

PLACES = ["roof", "hall", "yard"]
CHUNKS = [f"{number} " for number in range(40)]
BUDGET_CALLS = 5
SUMS = 4
"""How many nodes share the budget: each makes two calls, so it is less than they need."""
_PAUSE_SECONDS = 0.2
_END_SECONDS = 300
_ACTIVE = {"queued", "running", "waiting"}


class Kind(Enum):
    """What becomes of a run."""

    WHOLE = "to the end"
    STOPPED = "cancelled while it runs"
    FRUGAL = "short of budget"


KINDS = (Kind.WHOLE, Kind.STOPPED, Kind.WHOLE, Kind.FRUGAL)
"""Of which kinds the runs are that somebody starts, one after another."""


@dataclass
class Started:
    """A run that was started, by the name that its calls bear; `acknowledged` is when its cancelling was."""

    id: str
    name: str
    kind: Kind
    acknowledged: datetime | None = None

    @property
    def booked(self) -> list[str]:
        """The keys of what its nodes book, in order."""
        return [f"{self.name}-book-{place}" for place in PLACES]

    @property
    def wanted(self) -> set[str]:
        """The keys of all calls that it makes if it comes to its end."""
        looked = {f"{self.name}-look-{place}" for place in PLACES}
        return looked | set(self.booked) | {f"{self.name}-agent-{number}" for number in range(2)}


class Caller:
    """Somebody who starts run after run, and says of a call that nobody knows of whether it happened."""

    def __init__(self, client: httpx.AsyncClient, hotel: Hotel, site: int, number: int, seed: int) -> None:
        """Ask the API through `client`; agents find the hotel on port `site`."""
        self._client = client
        self._hotel = hotel
        self._site = site
        self._number = number
        self._random = Random(seed)  # noqa: S311 - nothing is secret
        self.runs: list[Started] = []
        self.answered = 0

    async def start_runs(self, burns: Callable[[], bool]) -> None:
        """Start one when the last has ended, for as long as it burns."""
        while burns():
            kind = KINDS[(self._number + len(self.runs)) % len(KINDS)]
            started = await self._start(f"c{self._number}-{len(self.runs)}", kind)
            if kind is Kind.STOPPED:
                await self._stop(started, self._random.randrange(len(started.wanted)))
            await self._end(started)

    async def _start(self, name: str, kind: Kind) -> Started:
        definition = frugal(name) if kind is Kind.FRUGAL else thorough(name, self._site)
        agent = await self._client.post("/agents", json=definition)
        assert agent.status_code == 201, agent.text
        given = {"text": "go", "places": PLACES, "sums": list(range(SUMS))}
        body = {"agent_id": agent.json()["id"], "input": given}
        run = await self._client.post("/runs", json=body, headers={"Idempotency-Key": name})
        assert run.status_code == 202, run.text
        started = Started(run.json()["id"], name, kind)
        self.runs.append(started)
        return started

    async def _stop(self, started: Started, calls: int) -> None:
        """Cancel it once it has made so many calls, or has ended."""
        async with asyncio.timeout(_END_SECONDS):
            while len(self._hotel.calls_of(started.name)) < calls and await self._is_active(started):
                await self._answer_questions()
                await asyncio.sleep(_PAUSE_SECONDS)
        answer = await self._client.post(f"/runs/{started.id}/cancel")
        assert answer.status_code == 202, answer.text
        started.acknowledged = datetime.now(UTC)

    async def _end(self, started: Started) -> None:
        async with asyncio.timeout(_END_SECONDS):
            while await self._is_active(started):
                if started.acknowledged is None:
                    await self._answer_questions()
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _is_active(self, started: Started) -> bool:
        return (await self._client.get(f"/runs/{started.id}")).json()["state"] in _ACTIVE

    async def _answer_questions(self) -> None:
        pending = (await self._client.get("/approvals", params={"state": "pending"})).json()["items"]
        for approval in pending:
            assert approval["kind"] == "uncertain", approval
            key = approval["arguments"]["key"]
            if not key.startswith(f"c{self._number}-"):
                continue  # another caller says it
            verb, body = ("answer", {"answer": {"key": key}}) if key in self._hotel.seen else ("approve", {})
            answer = await self._client.post(f"/approvals/{approval['id']}/{verb}", json=body)
            assert answer.status_code == 200, answer.text
            self.answered += 1


def thorough(name: str, site: int) -> dict[str, Any]:
    """Look at places and book them, one task each; say something, booking twice more meanwhile; gather all."""
    booked = [{"name": "book", "arguments": {"key": f"{name}-agent-{number}"}} for number in range(2)]
    said = {"chunks": CHUNKS, "delay_seconds": 0.02, "calls": booked}
    model = {"provider": "local", "model": "scripted", "script": [said]}

    def each(tool: str) -> dict[str, Any]:
        call = {"kind": "tool", "tool": tool, "arguments": {"key": f"{name}-{tool}-{{{{ item }}}}"}}
        return {"kind": "map", "over": "{{ input.places }}", "body": call, "retry": {"max_attempts": 5}}

    nodes = {
        "look": each("look"),
        "book": {**each("book"), "after": ["look"]},
        "say": {"kind": "agent", "prompt": "Say it.", "tools": ["book"]},
        "all": {"kind": "join", "after": ["book", "say"]},
    }
    tools = [_tool("look", site, "GET"), _tool("book", site, "POST")]
    return {"name": name, "type": "graph", "model": model, "http_tools": tools, "graph": {"nodes": nodes}}


def frugal(name: str) -> dict[str, Any]:
    """Do sums side by side, which together need more calls than there may be."""
    sum_ = {"kind": "agent", "prompt": f"[{name}] What is sum {{{{ item }}}}?", "tools": ["calculator"]}
    nodes = {"each": {"kind": "map", "over": "{{ input.sums }}", "body": sum_}}
    shape = {"name": name, "type": "graph", "model": MODEL, "graph": {"nodes": nodes}}
    return {**shape, "tools": ["calculator"], "budget": {"calls": BUDGET_CALLS}}


def _tool(name: str, site: int, method: str) -> dict[str, Any]:
    arguments = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
    url = f"http://{HOST}:{site}/{name}"
    return {"name": name, "description": name, "method": method, "url": url, "arguments": arguments}
