"""The `runs` function over HTTP, on the engine in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from functions.runs.artifacts import ARTIFACT_BODIES, artifact_routes
from functions.runs.control import control_routes
from functions.runs.routes import run_reading_routes, run_routes
from functions.runs.sessions import session_routes
from functions.sweeper.routes import sweep_routes
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.composition.schedules import connect_planner
from shared.domain.errors import Unauthenticated
from shared.domain.ids import AgentId, Uid
from shared.domain.writes import Update
from shared.edge.app import create_app
from shared.ports.identity import Identity
from shared.ports.task_queue import DeliveryTask, IngestTask
from tests.support.engine_rig import LEASE_SECONDS, EngineRig
from tests.support.scripted_runner import Step


class NamesAsTokens:
    async def verify(self, token: str) -> Identity:
        if token not in {"ann", "bob"}:
            raise Unauthenticated("The token is not valid.")
        return Identity(Uid(token), "user")


class AnyCaller:
    async def verify(self, token: str) -> str:
        return token


def as_(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {name}"}


@dataclass
class Deployment:
    rig: EngineRig
    client: httpx.AsyncClient
    agent_id: AgentId

    async def start(self, **body: Any) -> dict[str, Any]:
        answer = await self.client.post("/runs", json={"agent_id": self.agent_id, "input": "hello", **body})
        assert answer.status_code == 202, answer.text
        return answer.json()

    async def get(self, path: str, **params: Any) -> Any:
        answer = await self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    rig = EngineRig()
    app = create_app("runs", verifier=NamesAsTokens(), task_verifier=AnyCaller(), body_limits=(ARTIFACT_BODIES,))
    core = rig.core
    for routes in (
        run_routes(core),
        control_routes(core),
        run_reading_routes(core.documents),
        session_routes(core),
        artifact_routes(core.documents, core.clock),
        sweep_routes(
            connect_planner(core), MemoryTaskQueue[IngestTask](), MemoryTaskQueue[DeliveryTask](), LEASE_SECONDS
        ),
    ):
        app.include_router(routes)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=as_("ann")) as client:
        yield Deployment(rig, client, await rig.make_agent())


async def test_a_run_is_accepted_executed_and_read(here: Deployment) -> None:
    traced = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
    answer = await here.client.post("/runs", json={"agent_id": here.agent_id, "input": "hello"}, headers=traced)
    run = answer.json()
    assert run["trace_id"] == "ab" * 16
    assert (answer.status_code, answer.headers["location"]) == (202, f"/runs/{run['id']}")
    assert (run["state"], run["input"], run["output"], run["shape"]) == ("queued", {"text": "hello"}, None, "single")
    await here.rig.drain()
    done = await here.get(f"/runs/{run['id']}")
    assert (done["state"], done["output"]) == ("succeeded", await here.rig.output(run["id"]))
    nodes = await here.get(f"/runs/{run['id']}/nodes")
    assert [(node["node"], node["state"], node["output"]) for node in nodes["items"]] == [
        ("main", "succeeded", done["output"])
    ]


async def test_the_history_of_a_session_grows_over_its_turns(here: Deployment) -> None:
    session = (await here.start())["session_id"]
    await here.rig.drain()
    await here.start(session_id=session, agent_id=None, input={"text": "and then?"})
    await here.rig.drain()
    history = await here.get(f"/sessions/{session}/history", limit=3)
    rest = await here.get(f"/sessions/{session}/history", limit=3, page_token=history["next_page_token"])
    events = history["items"] + rest["items"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["content"]["text"] for event in events if event["author"] == "user"] == ["hello", "and then?"]
    backwards: list[Any] = []
    token: dict[str, str] = {}
    while len(backwards) < len(events):
        page = await here.get(f"/sessions/{session}/history", newest_first=True, limit=3, **token)
        backwards += page["items"]
        token = {"page_token": page["next_page_token"]}
    assert backwards == events[::-1]
    assert token == {"page_token": None}


async def test_the_same_key_gives_the_same_run(here: Deployment) -> None:
    body = {"agent_id": here.agent_id, "input": "hello"}
    key = {"Idempotency-Key": "k-1"}
    first = await here.client.post("/runs", json=body, headers=key)
    again = await here.client.post("/runs", json=body, headers=key)
    other = await here.client.post("/runs", json={**body, "input": "other"}, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (202, 202, 409)
    assert first.json()["id"] == again.json()["id"]
    assert other.json()["code"] == "idempotency_key_reused"


async def test_a_busy_session_refuses_or_enqueues(here: Deployment) -> None:
    session = (await here.start())["session_id"]
    busy = await here.client.post("/runs", json={"session_id": session, "input": "more"})
    assert (busy.status_code, busy.json()["code"]) == (409, "session_busy")
    waiting = await here.start(session_id=session, agent_id=None, if_busy="enqueue")
    await here.rig.drain()
    assert (await here.get(f"/runs/{waiting['id']}"))["state"] == "succeeded"


async def test_a_run_is_cancelled(here: Deployment) -> None:
    run = await here.start()
    answer = await here.client.post(f"/runs/{run['id']}/cancel")
    assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)
    await here.rig.drain()
    assert (await here.get(f"/runs/{run['id']}"))["state"] == "cancelled"
    again = await here.client.post(f"/runs/{run['id']}/cancel")
    assert again.json()["state"] == "cancelled"


async def test_runs_are_listed_and_narrowed(here: Deployment) -> None:
    first, second = await here.start(), await here.start()
    await here.client.post(f"/runs/{first['id']}/cancel")
    await here.rig.drain()

    async def ids(**query: Any) -> set[str]:
        return {run["id"] for run in (await here.get("/runs", **query))["items"]}

    assert await ids() == {first["id"], second["id"]}
    assert await ids(session_id=first["session_id"]) == {first["id"]}
    assert await ids(agent_id=here.agent_id, state="succeeded") == {second["id"]}
    both = await here.client.get("/runs", params={"session_id": first["session_id"], "state": "queued"})
    assert (both.status_code, both.json()["faults"][0]["path"]) == (400, "query.session_id")
    assert "output" not in (await here.get("/runs"))["items"][0]
    assert (await here.client.get("/runs", headers=as_("bob"))).json()["items"] == []


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"input": "x"}, 400, "invalid_argument"),
        ({"agent_id": "AGENT"}, 400, "invalid_argument"),
        ({"agent_id": "AGENT", "input": ""}, 400, "invalid_argument"),
        ({"agent_id": "AGENT", "input": 5}, 400, "invalid_argument"),
        ({"agent_id": "AGENT", "input": "x", "if_busy": "maybe"}, 400, "invalid_argument"),
        ({"agent_id": "AGENT", "input": "x", "agent": "y"}, 400, "invalid_argument"),
        ({"agent_id": "AGENT", "input": "x", "version": 7}, 404, "not_found"),
        ({"agent_id": "nothing", "input": "x"}, 404, "not_found"),
        ({"agent_id": "no/../thing", "input": "x"}, 404, "not_found"),
        ({"session_id": "nothing", "input": "x"}, 404, "not_found"),
    ],
)
async def test_a_request_that_cannot_run_is_refused(
    here: Deployment, body: dict[str, Any], status: int, code: str
) -> None:
    if body.get("agent_id") == "AGENT":
        body = {**body, "agent_id": here.agent_id}
    answer = await here.client.post("/runs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_what_is_somebody_elses_is_not_there(here: Deployment) -> None:
    run = await here.start()
    session = f"/sessions/{run['session_id']}"
    for method, path in (
        ("GET", f"/runs/{run['id']}"),
        ("GET", f"/runs/{run['id']}/nodes"),
        ("POST", f"/runs/{run['id']}/cancel"),
        ("GET", session),
        ("DELETE", session),
        ("GET", f"{session}/history"),
        ("GET", f"{session}/artifacts"),
        ("PUT", f"{session}/artifacts?name=a.txt"),
        ("GET", "/runs/__reserved__"),
        ("GET", "/sessions/.hidden"),
    ):
        answer = await here.client.request(method, path, headers=as_("bob"))
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    foreign = {"session_id": run["session_id"], "input": "x"}
    assert (await here.client.post("/runs", json=foreign, headers=as_("bob"))).status_code == 404


async def test_every_route_wants_a_token(here: Deployment) -> None:
    for method, path in (
        ("POST", "/runs"),
        ("GET", "/runs"),
        ("GET", "/runs/x"),
        ("GET", "/runs/x/nodes"),
        ("POST", "/runs/x/cancel"),
        ("POST", "/sessions"),
        ("GET", "/sessions"),
        ("GET", "/sessions/x"),
        ("DELETE", "/sessions/x"),
        ("GET", "/sessions/x/history"),
        ("GET", "/sessions/x/artifacts"),
        ("PUT", "/sessions/x/artifacts?name=a"),
    ):
        answer = await here.client.request(method, path, headers=as_("eve"))
        assert answer.status_code == 401, path


async def test_a_session_is_opened_used_and_listed(here: Deployment) -> None:
    body = {"agent_id": here.agent_id, "title": "Talk", "external_session_id": "e-1", "state": {"a": [1]}}
    answer = await here.client.post("/sessions", json=body)
    session = answer.json()
    assert (answer.status_code, answer.headers["location"]) == (201, f"/sessions/{session['id']}")
    assert (session["version"], session["title"], session["state"]) == (1, "Talk", {"a": [1]})
    assert await here.get(f"/sessions/{session['id']}") == session
    run = await here.start(session_id=session["id"], agent_id=None)
    await here.rig.drain()
    assert (await here.get(f"/runs/{run['id']}"))["state"] == "succeeded"
    other = (await here.start())["session_id"]
    listed = await here.get("/sessions", agent_id=here.agent_id)
    assert {one["id"] for one in listed["items"]} == {session["id"], other}
    assert (await here.get("/sessions", agent_id="other"))["items"] == []


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"agent_id": "nothing"}, 404), ({"version": 9}, 404), ({"state": {"a": "x" * 200_001}}, 400)],
)
async def test_a_session_that_cannot_be_is_refused(here: Deployment, body: dict[str, Any], status: int) -> None:
    if body:
        body = {"agent_id": here.agent_id, **body}
    assert (await here.client.post("/sessions", json=body)).status_code == status


async def test_a_deleted_session_leaves_nothing(here: Deployment) -> None:
    run = await here.start()
    await here.rig.drain()
    session = f"/sessions/{run['session_id']}"
    for name, content in (("a.txt", b"a"), ("large.bin", b"x" * 600_000)):
        await here.client.put(f"{session}/artifacts?name={name}", content=content)
    assert (await here.client.delete(session)).status_code == 204
    below = [path for path in here.rig.documents.paths if run["session_id"] in path]
    assert below == []
    assert (await here.client.get(session)).status_code == 404
    assert (await here.get("/sessions"))["items"] == []
    assert (await here.get(f"/runs/{run['id']}"))["state"] == "succeeded"


async def test_a_session_deleted_in_the_middle_of_a_run_is_removed_by_the_sweeper(here: Deployment) -> None:
    async def delete() -> None:
        assert (await here.client.delete(session)).status_code == 204

    here.rig.runner.script = lambda _: [Step(("half",), before_end=delete), Step(("never",))]
    run = await here.start()
    session = f"/sessions/{run['session_id']}"
    await here.rig.drain()
    assert (await here.client.get(session)).status_code == 404
    busy = {"session_id": run["session_id"], "input": "x"}
    assert (await here.client.post("/runs", json=busy)).status_code == 404
    assert (await here.get(f"/runs/{run['id']}"))["state"] == "cancelled"
    nodes = (await here.get(f"/runs/{run['id']}/nodes"))["items"]
    assert [(node["state"], node["output"], node["text"]) for node in nodes] == [("cancelled", None, "half")]
    swept = await here.client.post("/tasks/sweep")
    assert swept.json()["sessions"] == 1
    assert [path for path in here.rig.documents.paths if run["session_id"] in path] == []


async def test_a_session_deleted_before_anybody_began_its_runs_leaves_nothing(here: Deployment) -> None:
    runs = [first := await here.start()]
    waiting = {"session_id": first["session_id"], "input": "and then?", "if_busy": "enqueue"}
    runs.append((await here.client.post("/runs", json=waiting)).json())
    assert (await here.client.delete(f"/sessions/{first['session_id']}")).status_code == 204
    for _ in range(2):
        assert [path for path in here.rig.documents.paths if first["session_id"] in path] == []
        assert [(await here.get(f"/runs/{run['id']}"))["state"] for run in runs] == ["cancelled"] * 2
        await here.rig.drain()
    assert here.rig.runner.requests == []


async def test_files_go_in_and_out_as_they_are(here: Deployment) -> None:
    session = f"/sessions/{(await here.start())['session_id']}"
    path = f"{session}/artifacts"
    name = {"name": "docs/ü page.html"}
    put = await here.client.put(path, params=name, content=b"<p>1</p>", headers={"Content-Type": "text/html"})
    assert (put.status_code, put.headers["etag"]) == (201, '"1"')
    assert (put.json()["version"], put.json()["mime_type"], put.json()["size_bytes"]) == (1, "text/html", 8)
    same = await here.client.put(path, params=name, content=b"<p>1</p>", headers={"Content-Type": "text/html"})
    assert (same.status_code, same.json()["version"]) == (200, 1)
    await here.client.put(path, params=name, content=b"<p>2</p>", headers={"Content-Type": "text/html"})
    newest = await here.client.get(path, params=name)
    assert (newest.content, newest.headers["content-type"]) == (b"<p>2</p>", "text/html; charset=utf-8")
    assert newest.headers["x-content-type-options"] == "nosniff"
    assert newest.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC%20page.html"
    assert (await here.client.get(path, params={**name, "version": 1})).content == b"<p>1</p>"
    known = await here.client.get(path, params=name, headers={"If-None-Match": '"2"'})
    assert (known.status_code, known.content) == (304, b"")
    assert (await here.client.get(path, params={**name, "version": 3})).status_code == 404
    assert (await here.client.get(path, params={"name": "other"})).status_code == 404


async def test_a_reader_of_a_session_reads_its_files_and_writes_none(here: Deployment) -> None:
    session = f"sessions/{(await here.start())['session_id']}"
    path = f"/{session}/artifacts"
    await here.client.put(path, params={"name": "a.txt"}, content=b"a")
    await here.rig.documents.commit([Update(session, {"readers": ["bob"]})])
    assert (await here.client.get(path, params={"name": "a.txt"}, headers=as_("bob"))).content == b"a"
    refused = await here.client.put(path, params={"name": "a.txt"}, content=b"b", headers=as_("bob"))
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


async def test_files_are_listed_in_pages(here: Deployment) -> None:
    path = f"/sessions/{(await here.start())['session_id']}/artifacts"
    for name in ("b/1.txt", "a.txt", "b/2.txt"):
        await here.client.put(path, params={"name": name}, content=name.encode())
    first = await here.get(path, limit=2)
    rest = await here.get(path, limit=2, page_token=first["next_page_token"])
    assert [one["name"] for one in first["items"] + rest["items"]] == ["a.txt", "b/1.txt", "b/2.txt"]
    assert [one["name"] for one in (await here.get(path, prefix="b/"))["items"]] == ["b/1.txt", "b/2.txt"]


@pytest.mark.parametrize(
    ("name", "size", "status"), [("../up", 1, 400), ("/", 1, 400), ("a", 0, 201), ("a", 10_485_761, 413)]
)
async def test_a_file_is_bounded(here: Deployment, name: str, size: int, status: int) -> None:
    path = f"/sessions/{(await here.start())['session_id']}/artifacts"
    answer = await here.client.put(path, params={"name": name}, content=b"x" * size)
    assert answer.status_code == status


async def test_a_large_file_comes_back_whole(here: Deployment) -> None:
    path = f"/sessions/{(await here.start())['session_id']}/artifacts"
    content = bytes(range(256)) * 8_192
    assert (await here.client.put(path, params={"name": "large"}, content=content)).status_code == 201
    assert (await here.client.get(path, params={"name": "large"})).content == content
