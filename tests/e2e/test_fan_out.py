"""The items of a map at once, each by a delivery of its own: a site that answers only when all have asked shows it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from scripts.local.stack import Stack
from shared.domain.tool_definitions import MAX_TOOL_SECONDS
from tests.support.http_sites import Asked, Told, site_of
from tests.support.people import sign_up
from tests.support.polling import comes_to, until

TOWNS = ["Bern", "Basel", "Genf", "Chur", "Thun"]


class Crossing:
    """Answers everybody once all are there: whoever is asked one after the other waits for ever."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._waiting = 0
        self._all_there = asyncio.Event()

    def answer(self, asked: Asked) -> Told:
        """Wait, and then tell who asked."""
        return Told(headers={"Content-Type": "application/json"}, parts=lambda: self._parts(asked.path))

    async def _parts(self, path: str) -> AsyncIterator[bytes]:
        self._waiting += 1
        if self._waiting == self._width:
            self._all_there.set()
        await self._all_there.wait()
        yield json.dumps({"asked": path}).encode()


def graph_at(port: int) -> dict[str, Any]:
    ask = {
        "name": "ask",
        "description": "Asks a town.",
        "url": f"http://127.0.0.1:{port}/{{town}}",
        "arguments": {"type": "object", "properties": {"town": {"type": "string"}}, "required": ["town"]},
        "timeout_seconds": MAX_TOOL_SECONDS,
    }
    body = {"kind": "tool", "tool": "ask", "arguments": {"town": "{{ item }}"}}
    nodes = {"each": {"kind": "map", "over": "{{ input.towns }}", "body": body}}
    return {
        "name": "crossing",
        "model": "local:extractive",
        "http_tools": [ask],
        "tools": ["ask"],
        "graph": {"nodes": nodes},
    }


def deliveries(stack: Stack) -> int:
    """How many tasks about nodes the worker has done so far, as it logs them."""
    lines = (stack.settings.logs / "worker.log").read_text("utf-8").splitlines()
    return sum("POST /tasks/node 200" in line for line in lines)


async def test_the_items_of_a_map_run_at_once_each_in_a_task_of_its_own(
    stack: Stack, api: httpx.AsyncClient, site_port: int
) -> None:
    crossing = Crossing(len(TOWNS))
    async with sign_up(api) as ada, site_of({"*": crossing.answer}, site_port) as site:
        before = deliveries(stack)
        asked = {"definition": graph_at(site_port), "input": {"towns": TOWNS}}
        began = await ada.post("/workflows/graph", json=asked)
        assert began.status_code == 202, began.text
        run = await comes_to(ada, began.json(), "succeeded", "failed")
        nodes = (await ada.get(f"/runs/{run['id']}/nodes", params={"limit": 100})).json()["items"]
    assert run["state"] == "succeeded", run["error"]
    assert {one.path for one in site.asked} == {f"/{town}" for town in TOWNS}
    items = [node for node in nodes if node["instance"].startswith("each[")]
    assert [node["state"] for node in items] == ["succeeded"] * len(TOWNS)

    async def all_answered() -> bool:
        return deliveries(stack) - before >= len(nodes)

    assert await until(all_answered)
