"""Runs that are paused and resumed, end to end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.e2e.test_chat import history
from tests.support.held_models import MODEL, HeldModel
from tests.support.people import sign_up
from tests.support.polling import comes_to, until

WORDS = {"kind": "agent", "prompt": "go"}
GRAPH = {"nodes": {"first": WORDS, "second": {**WORDS, "after": ["first"]}}}
AGENT = {"name": "held", "model": MODEL, "type": "graph", "graph": GRAPH}
SAID = ("word ",) * 10


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    async with sign_up(api) as client:
        yield client


async def started(client: httpx.AsyncClient) -> dict[str, Any]:
    made = await client.post("/agents", json=AGENT)
    assert made.status_code == 201, made.text
    run = await client.post("/runs", json={"agent_id": made.json()["id"], "input": "go"})
    assert run.status_code == 202, run.text
    return run.json()


async def states(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[str, str]:
    nodes = (await client.get(f"/runs/{run['id']}/nodes")).json()["items"]
    return {node["node"]: node["state"] for node in nodes}


async def first_is(client: httpx.AsyncClient, run: dict[str, Any], state: str) -> None:
    async def there() -> bool:
        return (await states(client, run)).get("first") == state

    await until(there)


async def test_a_paused_run_stands_still_and_goes_on_from_where_it_stood(
    ada: httpx.AsyncClient, model_port: int
) -> None:
    async with HeldModel(SAID).at(model_port) as model:
        run = await started(ada)
        await first_is(ada, run, "running")
        paused = await ada.post(f"/runs/{run['id']}/pause")
        assert (paused.status_code, paused.json()["state"]) == (202, "paused")
        assert paused.json()["paused_at"] is not None
        model.let_go()
        await first_is(ada, run, "succeeded")  # the response in flight is kept
        await stays_paused_until_resumed(ada, run)


async def stays_paused_until_resumed(ada: httpx.AsyncClient, run: dict[str, Any]) -> None:
    still = await history(ada, run["session_id"])
    assert not any(event["turn_complete"] for event in still)
    assert (await ada.get(f"/runs/{run['id']}")).json()["state"] == "paused"
    assert (await states(ada, run)).get("second") not in {"running", "succeeded"}
    listed = (await ada.get("/runs", params={"state": "paused"})).json()["items"]
    assert [one["id"] for one in listed] == [run["id"]]
    resumed = await ada.post(f"/runs/{run['id']}/resume")
    assert resumed.status_code == 202
    ended = await comes_to(ada, run, "succeeded", "failed")
    assert (ended["state"], ended["output"], ended["paused_at"]) == ("succeeded", "word " * 10, None)
    assert (await history(ada, run["session_id"]))[: len(still)] == still
    late = await ada.post(f"/runs/{run['id']}/pause")
    assert (late.status_code, late.json()["code"]) == (400, "run_ended")


async def test_a_paused_run_is_cancelled(ada: httpx.AsyncClient, model_port: int) -> None:
    async with HeldModel(SAID).at(model_port):
        run = await started(ada)
        assert (await ada.post(f"/runs/{run['id']}/pause")).status_code == 202
        assert (await ada.post(f"/runs/{run['id']}/cancel")).status_code == 202
        assert (await comes_to(ada, run, "cancelled", "succeeded"))["state"] == "cancelled"
