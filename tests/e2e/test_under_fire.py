"""A minute on the real stack: workers are killed at random, tasks are delivered twice, runs are cancelled, budgets end.

Nothing is lost or doubled, what is cancelled asks for nothing more, and no budget is crossed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
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
from tests.support import held_models
from tests.support.duplicating_proxy import duplicating_proxy
from tests.support.fire import WORKER, Worker
from tests.support.fire_callers import BUDGET_CALLS, CHUNKS, Caller, Kind, Started
from tests.support.fire_sites import CountingModel, Hotel
from tests.support.http_sites import site_of
from tests.support.people import sign_up
from tests.support.reports import REPORTS
from tests.support.stack import running_stack

SECONDS = 60
"""How long it burns at least."""
KILLS = 5
"""How many workers are killed at least, however long they take to start."""
SEED = 20_261_121
"""When workers are killed is drawn from it; what they are at then depends on the machine."""
CALLERS = 8
"""How many people start one run after another."""
TWICE_EVERY = 4
LEASE_SECONDS = 4


@pytest.fixture(scope="module")
def queue_port() -> int:
    """Where the queue delivers: the proxy, which passes tasks on to the workers."""
    return free_port()


@pytest.fixture(scope="module")
def hotel_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def burning_stack(
    tmp_path_factory: pytest.TempPathFactory, queue_port: int, hotel_port: int, model_port: int
) -> Iterator[Stack]:
    """A stack of its own, so that what burns here hurts nobody else."""
    extra = {
        "FIRELOOM_WORKER_URL": f"http://{HOST}:{queue_port}",
        "FIRELOOM_LEASE_SECONDS": str(LEASE_SECONDS),
        "FIRELOOM_EGRESS_LOOPBACK": f"{HOST}:{hotel_port}",
        **held_models.environment(model_port),
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
async def test_nothing_is_lost_doubled_or_overspent_while_workers_are_killed_and_runs_cancelled(
    burning_stack: Stack, queue_port: int, hotel_port: int, model_port: int, tmp_path: Path
) -> None:
    hotel, model = Hotel(), CountingModel()
    report = [f"seed {SEED}"]
    REPORTS.append(("under fire: workers are killed, tasks are delivered twice, runs are cancelled", report))
    async with (
        workers(burning_stack, queue_port, tmp_path) as both,
        duplicating_proxy(queue_port, [worker.address for worker in both], TWICE_EVERY) as proxy,
        site_of({"/look": hotel.look, "/book": hotel.book}, hotel_port),
        site_of({"*": model.answer}, model_port),
        httpx.AsyncClient(base_url=burning_stack.api, timeout=60, trust_env=False) as api,
        sign_up(api) as ada,
    ):
        callers = [Caller(ada, hotel, hotel_port, number, SEED + number) for number in range(CALLERS)]
        await burn(burning_stack, both, callers)
        runs = [run for caller in callers for run in caller.runs]
        kills = sum(worker.kills for worker in both)
        report.append(
            f"{len(runs)} runs, {kills} kills, {proxy.duplicated} tasks delivered twice,"
            f" {sum(caller.answered for caller in callers)} calls of which people said whether they had happened"
        )
        ends = [await check_end(ada, run) for run in runs]
        assert kills >= KILLS
        assert proxy.duplicated >= len(runs)
    report.append(told_of(runs, ends, model))
    async with connected() as documents:
        await check_hotel(documents, hotel, runs, ends)
        await check_budgets(documents, model, runs, ends)


async def burn(stack: Stack, both: Sequence[Worker], callers: Sequence[Caller]) -> None:
    """Kill the workers while people start runs, until it has burnt long enough and every run has ended."""
    burns = fire(both)
    async with asyncio.TaskGroup() as group:
        tending = group.create_task(tend(stack))
        burning = [
            group.create_task(worker.burn(Random(SEED + number), burns))  # noqa: S311 - nothing is secret
            for number, worker in enumerate(both)
        ]
        calling = [group.create_task(caller.start_runs(burns)) for caller in callers]
        await asyncio.wait([*burning, *calling])
        tending.cancel()


def told_of(runs: Sequence[Started], ends: Sequence[dict[str, Any]], model: CountingModel) -> str:
    """How many runs of each kind there were, and what became of them."""
    kinds = Counter(run.kind for run in runs)
    cancelled = sum(end["state"] == "cancelled" for end in ends)
    return (
        f"{kinds[Kind.WHOLE]} runs to the end; {kinds[Kind.STOPPED]} that people cancelled, of which {cancelled} had"
        f" not ended before; {kinds[Kind.FRUGAL]} short of budget, with {sum(model.calls.values())} calls of at most"
        f" {kinds[Kind.FRUGAL] * BUDGET_CALLS}"
    )


@asynccontextmanager
async def connected() -> AsyncGenerator[FirestoreDocuments]:
    """The stack's documents, past the API."""
    documents = FirestoreDocuments(PROJECT)
    try:
        yield documents
    finally:
        await documents.close()


async def check_end(client: httpx.AsyncClient, started: Started) -> dict[str, Any]:
    """The run, which came to what its kind must come to, with a log that is whole."""
    run = (await client.get(f"/runs/{started.id}")).json()
    nodes = (await client.get(f"/runs/{started.id}/nodes", params={"limit": 100})).json()["items"]
    instances = [node["instance"] for node in nodes]
    assert len(set(instances)) == len(instances)
    states = {node["state"] for node in nodes}
    if started.kind is Kind.FRUGAL:
        assert (run["state"], run["error"]["code"]) == ("failed", "budget_exceeded"), run
        assert states <= {"succeeded", "failed", "skipped"}, nodes
    elif run["state"] == "cancelled":
        assert started.kind is Kind.STOPPED, run
        assert states <= {"succeeded", "cancelled", "skipped"}, nodes
    else:
        assert (run["state"], run["error"]) == ("succeeded", None), run
        assert run["output"] == [*({"key": key} for key in started.booked), "".join(CHUNKS)], run
        assert states == {"succeeded"}, nodes
    history = (await client.get(f"/sessions/{run['session_id']}/history")).json()["items"]
    assert [event["seq"] for event in history] == list(range(1, len(history) + 1))
    assert [event["turn_complete"] for event in history] == [False] * (len(history) - 1) + [True]
    return run


async def check_hotel(
    documents: FirestoreDocuments, hotel: Hotel, runs: Sequence[Started], ends: Sequence[dict[str, Any]]
) -> None:
    """What happens once happened once; nothing that was recorded, or of a cancelled run, was asked for again."""
    may = {key for run in runs if run.kind is not Kind.FRUGAL for key in run.wanted}
    must = {key for run, end in zip(runs, ends, strict=True) if end["state"] == "succeeded" for key in run.wanted}
    assert must <= hotel.seen.keys() <= may
    doubled = {key: times for key, times in hotel.seen.items() if "-look-" not in key and len(times) > 1}
    assert doubled == {}
    recorded = {key: at for run in runs for key, at in (await recorded_calls(documents, run)).items()}
    late = {key for key, times in hotel.seen.items() for time in times if key in recorded and time > recorded[key]}
    assert must <= recorded.keys() <= hotel.seen.keys()
    assert late == set()
    for run, end in zip(runs, ends, strict=True):
        if run.acknowledged is not None:
            # Who holds a node hears of it with the next beat; who heard of none for a lease's time asks for nothing.
            heard = run.acknowledged + timedelta(seconds=LEASE_SECONDS)
            until = max(heard, datetime.fromisoformat(end["completed_at"]))
            assert {key: times for key, times in hotel.calls_of(run.name).items() if max(times) > until} == {}


async def recorded_calls(documents: FirestoreDocuments, run: Started) -> dict[str, datetime]:
    """When each call was recorded: an agent's in the journal, a tool node's with its end."""
    found: dict[str, datetime] = {}
    if run.kind is Kind.FRUGAL:
        return found
    for node in await documents.query(Query(f"runs/{run.id}/nodes")):
        journal = await documents.query(Query(f"{node.path}/journal"))
        fields = node.fields or {}
        # What is journalled is never changed, nor is a node that has ended.
        results = [entry for entry in journal if (entry.fields or {})["kind"] == "result"]
        ended = [node] if (fields["kind"], fields["state"]) == ("tool", "succeeded") else []
        for snapshot in [*results, *ended]:
            assert snapshot.update_time is not None
            found[key_in(snapshot)] = snapshot.update_time
    return found


def key_in(snapshot: Snapshot) -> str:
    fields = snapshot.fields or {}
    return str(json.loads(fields.get("content_json") or fields["output_json"])["key"])


async def check_budgets(
    documents: FirestoreDocuments, model: CountingModel, runs: Sequence[Started], ends: Sequence[dict[str, Any]]
) -> None:
    """Each call that was made is in the ledger, no budget was crossed, and nothing is held any more."""
    assert model.calls.keys() <= {run.name for run in runs if run.kind is Kind.FRUGAL}
    for run, end in zip(runs, ends, strict=True):
        if run.kind is Kind.FRUGAL:
            ledger = (await documents.get(f"runs/{run.id}/ledgers/budget")).fields or {}
            assert ledger["granted_calls"] == ledger["calls"]
            assert end["usage"]["requests"] <= model.calls[run.name] <= BUDGET_CALLS
            # It counts more: all that killed workers had drawn, of which what crossed the budget was never used.
            assert model.calls[run.name] <= ledger["calls"]
    assert sum(model.calls.values()) > 0
