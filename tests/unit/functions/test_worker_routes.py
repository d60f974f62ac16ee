"""The `worker` and `sweeper` functions over HTTP, on the engine in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from functions.sweeper.routes import sweep_routes
from functions.worker.routes import ingest_routes, task_routes
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.adapters.memory.topic import MemoryFactTopic
from shared.composition.schedules import connect_planner
from shared.domain.errors import Unauthenticated, Unavailable
from shared.domain.ids import Token
from shared.domain.knowledge import CollectionId, DocumentId, Ingestion
from shared.domain.records import render
from shared.domain.states import RunState
from shared.domain.writes import Put
from shared.edge.app import create_app
from shared.ports.task_queue import DeliveryTask
from tests.support.engine_rig import LEASE_SECONDS, EngineRig
from tests.support.knowledge_rig import KnowledgeRig


class QueueOnly:
    async def verify(self, token: str) -> str:
        if token != "queue":
            raise Unauthenticated("This is not the queue's token.")
        return "tasks@demo.iam.gserviceaccount.com"


@pytest.fixture
def rig() -> EngineRig:
    return EngineRig(topic=MemoryFactTopic())


@pytest.fixture
def knowledge(rig: EngineRig) -> KnowledgeRig:
    return KnowledgeRig(clock=rig.clock, documents=rig.documents)


@pytest.fixture
async def client(rig: EngineRig, knowledge: KnowledgeRig) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("worker", task_verifier=QueueOnly())
    app.include_router(task_routes(rig.engine()))
    app.include_router(ingest_routes(knowledge.indexer))
    deliveries = MemoryTaskQueue[DeliveryTask]()
    app.include_router(sweep_routes(connect_planner(rig.core), knowledge.queue, deliveries, LEASE_SECONDS))
    transport = httpx.ASGITransport(app)
    headers = {"Authorization": "Bearer queue"}
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        yield client


async def test_a_delivered_task_executes_its_node_once(rig: EngineRig, client: httpx.AsyncClient) -> None:
    run = (await rig.start(await rig.make_agent())).run
    task = rig.queue.lose_next()
    body = {"run_id": task.run_id, "instance": task.instance}
    for _ in range(2):
        answer = await client.post("/tasks/node", json=body)
        assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED


async def test_a_node_that_another_holds_is_delivered_again(rig: EngineRig, client: httpx.AsyncClient) -> None:
    started = await rig.start(await rig.make_agent(), claim=Token("somebody"))
    body = {"run_id": started.run.id, "instance": "main~0"}
    answer = await client.post("/tasks/node", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "busy")


@pytest.mark.parametrize("path", ["/tasks/node", "/tasks/ingest", "/tasks/sweep"])
async def test_only_the_queue_is_let_in(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.post(path, json={}, headers={"Authorization": "Bearer user"})
    assert answer.status_code == 401


async def test_a_task_of_nothing_is_finished_with(client: httpx.AsyncClient) -> None:
    answer = await client.post("/tasks/node", json={"run_id": "gone", "instance": "main~0"})
    assert answer.status_code == 200


async def test_a_lost_task_is_found_by_the_sweep(rig: EngineRig, client: httpx.AsyncClient) -> None:
    run = (await rig.start(await rig.make_agent())).run
    rig.queue.lose_next()
    rig.clock.jump(3600)
    swept = await client.post("/tasks/sweep")
    found = {name: count for name, count in swept.json().items() if count}
    assert found == {"runs": 1, "tasks": 1}
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED


async def test_a_sweep_that_fails_holds_up_no_other_and_is_answered_503(
    rig: EngineRig, knowledge: KnowledgeRig, client: httpx.AsyncClient
) -> None:
    run = (await rig.start(await rig.make_agent())).run
    rig.queue.lose_next()
    rig.clock.jump(3600)
    mark = Ingestion(CollectionId("c"), DocumentId("d"), rig.clock.now(), rig.clock.now())
    await rig.documents.commit([Put("ingestions/a", render(mark))])
    knowledge.queue.fail_next()
    swept = await client.post("/tasks/sweep")
    assert (swept.status_code, swept.json()["code"]) == (503, "unavailable")
    assert "documents" in swept.json()["detail"]
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED


async def test_damaged_records_hold_up_nothing(rig: EngineRig, client: httpx.AsyncClient) -> None:
    run = (await rig.start(await rig.make_agent())).run
    rig.queue.lose_next()
    rig.clock.jump(3600)
    now = rig.clock.now()
    damaged = {
        "schedules/a": "next_at",
        "ticks/a": "take_up_at",
        "approvals/a": "expires_at",
        "runs/a": "next_sweep_at",
        "facts/a": "due_at",
        "deliveries/a": "next_attempt_at",
        "ingestions/a": "next_sweep_at",
    }
    kept = {"state": "pending", "owner_uid": "ann"}
    await rig.documents.commit([Put(path, {**kept, field: now}) for path, field in damaged.items()])
    assert (await client.post("/tasks/sweep")).status_code == 200
    for path, field in damaged.items():
        assert (await rig.documents.get(path)).fields[field] > now
    await rig.drain()
    assert (await rig.run(run.id)).state is RunState.SUCCEEDED


async def test_a_document_is_ingested_by_its_task(knowledge: KnowledgeRig, client: httpx.AsyncClient) -> None:
    collection = await knowledge.collection()
    document = await knowledge.put(collection, "a.txt", "The forge is hot.")
    body = {"collection_id": collection.id, "document_id": document.id}
    knowledge.embedder.failures.append(Unavailable("the embedder does not answer"))
    busy = await client.post("/tasks/ingest", json=body)
    assert (busy.status_code, busy.json()["code"]) == (409, "busy")
    answer = await client.post("/tasks/ingest", json=body)
    assert (answer.status_code, answer.json()) == (200, {"status": "done"})
    assert await knowledge.search("forge") == ["a.txt, line 1: The forge is hot."]


async def test_a_document_whose_task_was_lost_is_found_by_the_sweep(
    rig: EngineRig, knowledge: KnowledgeRig, client: httpx.AsyncClient
) -> None:
    collection = await knowledge.collection()
    await knowledge.put(collection, "a.txt", "The forge is hot.")
    knowledge.queue.lose_next()
    rig.clock.jump(3600)
    assert (await client.post("/tasks/sweep")).json()["documents"] == 1
    await knowledge.drain()
    assert len(await knowledge.search("forge")) == 1
    assert (await client.post("/tasks/ingest", json={"collection_id": "c", "document_id": None})).status_code == 200
    assert (await client.post("/tasks/ingest", json={"collection_id": "c"})).status_code == 400
