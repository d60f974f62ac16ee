"""A minute on the real stack: workers are killed at random, tasks are delivered twice; nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from scripts.local.environment import PROJECT
from scripts.local.processes import HOST, free_port
from scripts.local.schedule import sweep
from scripts.local.stack import Stack
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.ports.documents import Query, Snapshot
from tests.support.duplicating_proxy import duplicating_proxy
from tests.support.fire import WORKER, Worker
from tests.support.http_sites import Asked, Told, site_of
from tests.support.people import sign_up
from tests.support.reports import REPORTS
from tests.support.stack import running_stack

SECONDS = 60
"""How long it burns at least."""
KILLS = 5
"""How many workers are killed at least, however long they take to start."""
SEED = 20_261_121
"""When workers are killed is drawn from it; what they are at then depends on the machine."""
CALLERS = 6
"""How many people start one run after another."""
PLACES = ["roof", "hall", "yard"]
CHUNKS = [f"{number} " for number in range(40)]
TWICE_EVERY = 4
CALL_SECONDS = 0.3
"""How long the site takes: long enough for workers to die in the middle of a call."""
PAUSE_SECONDS = 0.2
END_SECONDS = 300


def tool(name: str, site: int, method: str) -> dict[str, Any]:
    arguments = {"type": "object", "properties": {"key": {"type": "string"}}, "required": ["key"]}
    url = f"http://{HOST}:{site}/{name}"
    return {"name": name, "description": name, "method": method, "url": url, "arguments": arguments}


def definition(key: str, site: int) -> dict[str, Any]:
    """Look at places and book them, one task each; say something, booking twice more meanwhile; gather all."""
    booked = [{"name": "book", "arguments": {"key": f"{key}-agent-{number}"}} for number in range(2)]
    said = {"chunks": CHUNKS, "delay_seconds": 0.02, "calls": booked}
    model = {"provider": "local", "model": "scripted", "script": [said]}

    def each(name: str) -> dict[str, Any]:
        call = {"kind": "tool", "tool": name, "arguments": {"key": f"{key}-{name}-{{{{ item }}}}"}}
        return {"kind": "map", "over": "{{ input.places }}", "body": {**call, "retry": {"max_attempts": 5}}}

    nodes = {
        "look": each("look"),
        "book": {**each("book"), "after": ["look"]},
        "say": {"kind": "agent", "prompt": "Say it.", "tools": ["book"]},
        "all": {"kind": "join", "after": ["book", "say"]},
    }
    tools = [tool("look", site, "GET"), tool("book", site, "POST")]
    return {"name": key, "type": "graph", "model": model, "http_tools": tools, "graph": {"nodes": nodes}}


class Hotel:
    """A site that remembers when each key came."""

    def __init__(self) -> None:
        self.seen: defaultdict[str, list[datetime]] = defaultdict(list)

    def look(self, asked: Asked) -> Told:
        return self._answer(asked.query["key"])

    def book(self, asked: Asked) -> Told:
        return self._answer(asked.json["key"])

    def _answer(self, key: str) -> Told:
        self.seen[key].append(datetime.now(UTC))

        async def slowly() -> AsyncIterator[bytes]:
            await asyncio.sleep(CALL_SECONDS)
            yield json.dumps({"key": key}).encode()

        return Told(headers={"Content-Type": "application/json"}, parts=slowly)


class Caller:
    """Somebody who starts run after run, and says of a call that nobody knows of whether it happened."""

    def __init__(self, client: httpx.AsyncClient, hotel: Hotel, name: str, site: int) -> None:
        self._client = client
        self._hotel = hotel
        self._name = name
        self._site = site
        self.runs: dict[str, str] = {}
        self.answered = 0

    async def start_runs(self, burns: Callable[[], bool]) -> None:
        """Start one when the last has ended, for as long as it burns."""
        while burns():
            key = f"{self._name}-{len(self.runs)}"
            agent = await self._client.post("/agents", json=definition(key, self._site))
            assert agent.status_code == 201, agent.text
            body = {"agent_id": agent.json()["id"], "input": {"text": "go", "places": PLACES}}
            run = await self._client.post("/runs", json=body, headers={"Idempotency-Key": key})
            assert run.status_code == 202, run.text
            self.runs[run.json()["id"]] = key
            await self._end(run.json()["id"])

    async def _end(self, run_id: str) -> None:
        async with asyncio.timeout(END_SECONDS):
            while (await self._client.get(f"/runs/{run_id}")).json()["state"] in {"queued", "running", "waiting"}:
                await self._answer_questions()
                await asyncio.sleep(PAUSE_SECONDS)

    async def _answer_questions(self) -> None:
        pending = (await self._client.get("/approvals", params={"state": "pending"})).json()["items"]
        for approval in pending:
            assert approval["kind"] == "uncertain", approval
            key = approval["arguments"]["key"]
            if not key.startswith(f"{self._name}-"):
                continue  # another caller says it
            verb, body = ("answer", {"answer": {"key": key}}) if key in self._hotel.seen else ("approve", {})
            answer = await self._client.post(f"/approvals/{approval['id']}/{verb}", json=body)
            assert answer.status_code == 200, answer.text
            self.answered += 1


@pytest.fixture(scope="module")
def queue_port() -> int:
    """Where the queue delivers: the proxy, which passes tasks on to the workers."""
    return free_port()


@pytest.fixture(scope="module")
def hotel_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def burning_stack(tmp_path_factory: pytest.TempPathFactory, queue_port: int, hotel_port: int) -> Iterator[Stack]:
    """A stack of its own, so that what burns here hurts nobody else."""
    extra = {
        "FIRELOOM_WORKER_URL": f"http://{HOST}:{queue_port}",
        "FIRELOOM_LEASE_SECONDS": "4",
        "FIRELOOM_EGRESS_LOOPBACK": f"{HOST}:{hotel_port}",
    }
    with running_stack(tmp_path_factory.mktemp("fire"), extra) as stack:
        yield stack


@asynccontextmanager
async def workers(stack: Stack, queue_port: int, folder: Path) -> AsyncGenerator[list[Worker]]:
    """Two workers, beside the stack's own, which is given nothing to do."""
    env = stack.settings.function_environment(WORKER)
    env["FIRELOOM_OIDC_AUDIENCE"] = f"http://{HOST}:{queue_port}"
    both = [Worker(free_port(), env, folder / f"worker{number}") for number in range(2)]
    try:
        for worker in both:
            worker.start()
        yield both
    finally:
        for worker in both:
            worker.stop()


async def tend(stack: Stack) -> None:
    """Look for what dead processes left behind, as the scheduler does."""
    while True:
        answer = await sweep(stack.settings)
        assert answer.status_code == 200, answer.text
        await asyncio.sleep(5)


def fire(both: Sequence[Worker]) -> Callable[[], bool]:
    """Whether it still burns: long enough, and for enough of the workers."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SECONDS
    return lambda: loop.time() < until or sum(worker.kills for worker in both) < KILLS


@pytest.mark.timeout(1200)
async def test_nothing_is_lost_and_nothing_doubled_while_workers_are_killed(
    burning_stack: Stack, queue_port: int, hotel_port: int, tmp_path: Path
) -> None:
    hotel = Hotel()
    report = [f"seed {SEED}"]
    REPORTS.append(("under fire: workers are killed, tasks are delivered twice", report))
    async with (
        workers(burning_stack, queue_port, tmp_path) as both,
        duplicating_proxy(queue_port, [worker.address for worker in both], TWICE_EVERY) as proxy,
        site_of({"/look": hotel.look, "/book": hotel.book}, hotel_port),
        httpx.AsyncClient(base_url=burning_stack.api, timeout=60, trust_env=False) as api,
        sign_up(api) as ada,
    ):
        burns = fire(both)
        callers = [Caller(ada, hotel, f"c{number}", hotel_port) for number in range(CALLERS)]
        async with asyncio.TaskGroup() as group:
            tending = group.create_task(tend(burning_stack))
            burning = [
                group.create_task(worker.burn(Random(SEED + number), burns))  # noqa: S311 - nothing is secret
                for number, worker in enumerate(both)
            ]
            calling = [group.create_task(caller.start_runs(burns)) for caller in callers]
            await asyncio.wait([*burning, *calling])
            tending.cancel()
        runs = {run: key for caller in callers for run, key in caller.runs.items()}
        kills = sum(worker.kills for worker in both)
        report.append(
            f"{len(runs)} runs, {kills} kills, {proxy.duplicated} tasks delivered twice,"
            f" {sum(caller.answered for caller in callers)} calls of which people said whether they had happened"
        )
        for run_id, key in runs.items():
            await check_run(ada, run_id, key)
        assert kills >= KILLS
        assert proxy.duplicated >= len(runs)
    await check_hotel(hotel, runs)


async def check_run(client: httpx.AsyncClient, run_id: str, key: str) -> None:
    """The run came to what it must come to, and its log is whole."""
    run = (await client.get(f"/runs/{run_id}")).json()
    assert (run["state"], run["error"]) == ("succeeded", None)
    booked = [{"key": f"{key}-book-{place}"} for place in PLACES]
    assert run["output"] == [*booked, "".join(CHUNKS)], run
    nodes = (await client.get(f"/runs/{run_id}/nodes", params={"limit": 100})).json()["items"]
    states = Counter(node["state"] for node in nodes)
    assert states == {"succeeded": len(nodes)}, nodes
    instances = [node["instance"] for node in nodes]
    assert len(set(instances)) == len(instances)
    history = (await client.get(f"/sessions/{run['session_id']}/history")).json()["items"]
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    assert [event["turn_complete"] for event in history] == [False] * (len(history) - 1) + [True]


async def check_hotel(hotel: Hotel, runs: dict[str, str]) -> None:
    """What happens once happened once, and nothing that was recorded was asked for again."""
    wanted = {f"{key}-{name}-{place}" for key in runs.values() for name in ("look", "book") for place in PLACES}
    wanted |= {f"{key}-agent-{number}" for key in runs.values() for number in range(2)}
    assert set(hotel.seen) == wanted
    doubled = {key: times for key, times in hotel.seen.items() if "-look-" not in key and len(times) > 1}
    assert doubled == {}
    recorded = await recorded_calls(runs)
    late = {key for key, times in hotel.seen.items() for time in times if key in recorded and time > recorded[key]}
    assert recorded.keys() == wanted
    assert late == set()


async def recorded_calls(runs: dict[str, str]) -> dict[str, datetime]:
    """When each call was recorded: an agent's in the journal, a tool node's with its end."""
    found: dict[str, datetime] = {}
    documents = FirestoreDocuments(PROJECT)
    for run_id in runs:
        for node in await documents.query(Query(f"runs/{run_id}/nodes")):
            journal = await documents.query(Query(f"{node.path}/journal"))
            # What is journalled is never changed, nor is a node that has ended.
            results = [entry for entry in journal if (entry.fields or {})["kind"] == "result"]
            ended = [node] if (node.fields or {})["kind"] == "tool" else []
            for snapshot in [*results, *ended]:
                assert snapshot.update_time is not None
                found[key_in(snapshot)] = snapshot.update_time
    await documents.close()
    return found


def key_in(snapshot: Snapshot) -> str:
    fields = snapshot.fields or {}
    return str(json.loads(fields.get("content_json") or fields["output_json"])["key"])
