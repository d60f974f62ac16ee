"""Knowledge over HTTP, on memory adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from functions.agents.knowledge import DOCUMENT_BODIES, document_reading_routes, document_routes, knowledge_routes
from functions.agents.knowledge_readers import knowledge_reader_routes
from shared.adapters.memory.directory import MemoryDirectory
from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.knowledge import MAX_READERS
from shared.domain.users import user_path
from shared.domain.writes import Put, Update
from shared.edge.app import create_app
from shared.usecases.grants.sharing import Sharing
from tests.support.in_process import NamesAsTokens
from tests.support.knowledge_rig import KnowledgeRig

RULES = "Visitors register at the front desk.\n"


@pytest.fixture
def rig() -> KnowledgeRig:
    return KnowledgeRig()


@pytest.fixture
async def ada(rig: KnowledgeRig) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app("agents", verifier=NamesAsTokens(), max_body_bytes=1000, body_limits=(DOCUMENT_BODIES,))
    app.include_router(knowledge_routes(rig.library))
    app.include_router(document_routes(rig.library))
    app.include_router(document_reading_routes(rig.library))
    app.include_router(knowledge_reader_routes(Sharing(rig.documents, rig.clock, MemoryDirectory())))
    headers = {"Authorization": "Bearer ada"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as client:
        yield client


async def make(client: httpx.AsyncClient, name: str = "handbook") -> str:
    answer = await client.post("/knowledge", json={"name": name, "description": "What we know"})
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


async def test_a_collection_is_made_read_listed_and_deleted(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    path = await make(ada)
    read = (await ada.get(path)).json()
    assert (read["name"], read["description"], read["embedder"]) == ("handbook", "What we know", "local:hashed-words")
    assert (await ada.get("/knowledge")).json() == {"items": [read], "next_page_token": None}
    again = await ada.post("/knowledge", json={"name": "handbook"})
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")
    assert (await ada.delete(path)).status_code == 204
    assert (await ada.get(path)).status_code == 404
    assert (await ada.delete(path)).status_code == 404
    await rig.drain()
    assert rig.documents.paths == []


async def test_a_document_is_brought_followed_refreshed_and_deleted(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    path = await make(ada)
    put = await ada.put(f"{path}/documents", params={"name": "rules.txt"}, content=RULES)
    assert (put.status_code, put.json()["state"], put.json()["is_searched"]) == (202, "pending", False)
    document = put.headers["location"]
    await rig.drain()
    ready = (await ada.get(document)).json()
    assert (ready["state"], ready["passages"], ready["stored"], ready["mime_type"]) == ("ready", 1, 1, "text/plain")
    assert ready["is_searched"] is True
    assert "token" not in ready
    again = await ada.put(f"{path}/documents", params={"name": "rules.txt"}, content=RULES)
    assert (again.status_code, again.json()) == (200, ready)
    refreshed = await ada.post(f"{document}/refresh")
    assert (refreshed.status_code, refreshed.json()["state"]) == (202, "pending")
    await rig.drain()
    listed = (await ada.get(f"{path}/documents")).json()["items"]
    assert [(one["name"], one["state"]) for one in listed] == [("rules.txt", "ready")]
    assert (await ada.delete(document)).status_code == 204
    assert (await ada.get(document)).status_code == 404


async def test_a_failure_is_shown_with_its_reason(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    path = await make(ada)
    put = await ada.put(f"{path}/documents", params={"name": "a.bin"}, content=b"broken")
    await rig.drain()
    failed = (await ada.get(put.headers["location"])).json()
    assert failed["state"] == "failed"
    assert failed["error"] == {
        "code": "failed_precondition",
        "message": "The document is broken, so it cannot be read.",
        "retryable": False,
    }


@pytest.mark.parametrize(
    ("asked", "request_", "problem"),
    [
        ("POST /knowledge", {"json": {"name": "Hand Book"}}, (400, "invalid_argument")),
        ("POST /knowledge", {"json": {"name": "x", "owner": "y"}}, (400, "invalid_argument")),
        ("GET /knowledge?page_token=x", {}, (400, "invalid_argument")),
        ("GET /knowledge/none", {}, (404, "not_found")),
        ("PUT {c}/documents", {"content": b"x"}, (400, "invalid_argument")),
        ("PUT {c}/documents?name=..%2Fx", {"content": b"x"}, (400, "invalid_argument")),
        ("PUT {c}/documents?name=x", {"content": b""}, (400, "invalid_argument")),
        ("PUT {c}/documents?name=x", {"content": b"x" * (10 * 1024 * 1024 + 1)}, (413, "too_large")),
        ("PUT /knowledge/none/documents?name=x", {"content": b"x"}, (404, "not_found")),
        ("GET {c}/documents/none", {}, (404, "not_found")),
        ("GET {c}/documents/a~b", {}, (404, "not_found")),
        ("POST {c}/documents/none/refresh", {}, (404, "not_found")),
        ("DELETE {c}/documents/none", {}, (404, "not_found")),
    ],
)
async def test_what_cannot_be_done_is_a_problem_with_a_code(
    ada: httpx.AsyncClient, asked: str, request_: dict[str, Any], problem: tuple[int, str]
) -> None:
    collection = await make(ada)

    method, path = asked.replace("{c}", collection).split()
    answer = await ada.request(method, path, **request_)

    assert (answer.status_code, answer.json()["code"]) == problem


async def test_what_is_somebody_elses_is_not_found(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    collection = await make(ada)
    put = await ada.put(f"{collection}/documents", params={"name": "a.txt"}, content=RULES)
    bob = {"Authorization": "Bearer bob"}
    document = put.headers["location"]
    asked = [
        ("GET", collection),
        ("DELETE", collection),
        ("GET", f"{collection}/documents"),
        ("PUT", f"{collection}/documents?name=b"),
        ("GET", document),
        ("POST", f"{document}/refresh"),
        ("DELETE", document),
    ]
    answers = [(await ada.request(method, path, headers=bob)).status_code for method, path in asked]
    assert answers == [404] * len(asked)
    assert (await ada.get("/knowledge", headers=bob)).json()["items"] == []
    assert (await ada.get("/knowledge", headers={"Authorization": ""})).status_code == 401
    await rig.drain()


AS_BOB = {"Authorization": "Bearer bob"}


async def settle_bob(rig: KnowledgeRig) -> None:
    now = rig.clock.now()
    bob = {"uid": "bob", "username": None, "email": None, "display_name": "Bob", "role": "user", "is_active": True}
    await rig.documents.commit([Put(user_path("bob"), {**bob, "created_at": now, "updated_at": now})])


async def test_a_collection_is_shared_searched_and_taken_back(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    await settle_bob(rig)
    path = await make(ada)
    collection = path.rpartition("/")[2]
    put = await ada.put(f"{path}/documents", params={"name": "rules.txt"}, content=RULES)
    await rig.drain()
    added = await ada.post(f"{path}/readers", json={"reader": "bob"})
    assert (added.status_code, added.headers["location"]) == (201, f"{path}/readers/bob")
    person = {"uid": "bob", "username": None, "display_name": "Bob", "collection_id": collection}
    assert added.json() == person
    again = await ada.post(f"{path}/readers", json={"reader": "bob"})
    assert (again.status_code, again.json()) == (200, person)
    (shared,) = (await ada.get("/knowledge?shared=true", headers=AS_BOB)).json()["items"]
    assert (shared["id"], shared["readers"]) == (collection, ["bob"])
    assert (await ada.get("/knowledge", headers=AS_BOB)).json()["items"] == []
    assert (await ada.get(put.headers["location"], headers=AS_BOB)).status_code == 200
    assert (await rig.search("register", collection, uid=Uid("bob"))) != []
    for method, way in (
        ("PUT", "documents?name=a.txt"),
        ("POST", "readers"),
        ("DELETE", ""),
        ("DELETE", "readers/ada"),
    ):
        body: dict[str, Any] = {"json": {"reader": "ada"}} if way == "readers" else {}
        refused = await ada.request(method, f"{path}/{way}".rstrip("/"), headers=AS_BOB, **body)
        assert (method, way, refused.status_code) == (method, way, 403)
    assert (await ada.delete(f"{path}/readers/bob")).status_code == 204
    assert (await ada.get(path, headers=AS_BOB)).status_code == 404
    assert (await ada.get("/knowledge?shared=true", headers=AS_BOB)).json()["items"] == []
    with pytest.raises(FailedPrecondition, match="that you may read"):
        await rig.search("register", collection, uid=Uid("bob"))
    assert (await ada.delete(f"{path}/readers/bob")).status_code == 404


async def test_a_reader_leaves_and_finds_nothing_more(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    await settle_bob(rig)
    path = await make(ada)
    await ada.post(f"{path}/readers", json={"reader": "bob"})
    assert (await ada.delete(f"{path}/readers/me", headers=AS_BOB)).status_code == 204
    assert (await ada.get(path, headers=AS_BOB)).status_code == 404


async def test_only_people_who_exist_become_readers(ada: httpx.AsyncClient) -> None:
    refused = await ada.post(f"{await make(ada)}/readers", json={"reader": "nobody"})
    assert (refused.status_code, refused.json()["faults"][0]["path"]) == (400, "reader")


async def test_a_collection_has_only_so_many_readers(rig: KnowledgeRig, ada: httpx.AsyncClient) -> None:
    await settle_bob(rig)
    path = await make(ada)
    many = [f"reader{n}" for n in range(MAX_READERS)]
    await rig.documents.commit([Update(path.lstrip("/"), {"readers": many})])
    refused = await ada.post(f"{path}/readers", json={"reader": "bob"})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_kept")
