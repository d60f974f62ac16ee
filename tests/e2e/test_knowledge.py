"""Knowledge, end to end: documents brought over HTTP, ingested through the queue, found by an agent that cites them."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.support.office_files import docx_of
from tests.support.pdf_files import encrypted, pdf_of

YAML = {"Content-Type": "application/yaml"}
CLERK = """
name: clerk
model: local:extractive
tools:
  - name: knowledge
    config: {collections: [handbook], max_passages: 3}
"""
MANUAL = pdf_of("The anvil weighs ninety kilograms.", "Its warranty lasts ten years.", title="The anvil")
RULES = docx_of("# Visitors", "Visitors register at the front desk and wear a badge.", title="House rules")


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, signed in as somebody new."""
    headers = await sign_up(api)
    async with httpx.AsyncClient(base_url=api.base_url, timeout=30, trust_env=False, headers=headers) as client:
        yield client


async def sign_up(api: httpx.AsyncClient) -> dict[str, str]:
    mark = secrets.token_hex(6)
    body = {"email": f"{mark}@example.com", "username": f"user-{mark}", "password": "correct horse"}
    answer = await api.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['id_token']}"}


async def bring(client: httpx.AsyncClient, collection: str, name: str, content: bytes) -> dict[str, Any]:
    """Bring a document, and wait until it is ready or has failed."""
    put = await client.put(f"{collection}/documents", params={"name": name}, content=content)
    assert put.status_code == 202, put.text
    return await settled(client, put.headers["location"])


async def settled(client: httpx.AsyncClient, path: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            document: dict[str, Any] = (await client.get(path)).json()
            if document["state"] in {"ready", "failed"}:
                return document
            await asyncio.sleep(0.1)


async def ask(client: httpx.AsyncClient, agent: str, question: str) -> dict[str, Any]:
    started = await client.post("/runs", json={"agent_id": agent, "input": question})
    assert started.status_code == 202, started.text
    async with asyncio.timeout(60):
        while True:
            run: dict[str, Any] = (await client.get(started.headers["location"])).json()
            if run["state"] in {"succeeded", "failed"}:
                return run
            await asyncio.sleep(0.1)


async def test_an_agent_answers_from_the_documents_of_a_collection_and_cites_them(ada: httpx.AsyncClient) -> None:
    made = await ada.post("/knowledge", json={"name": "handbook"})
    assert made.status_code == 201, made.text
    collection = made.headers["location"]
    manual = await bring(ada, collection, "manual.pdf", MANUAL)
    rules = await bring(ada, collection, "rules.docx", RULES)
    assert (manual["state"], manual["title"], manual["pages"], manual["passages"]) == ("ready", "The anvil", 2, 2)
    assert (rules["state"], rules["title"]) == ("ready", "House rules")

    agent = (await ada.post("/agents", content=CLERK, headers=YAML)).json()["id"]
    answer = await ask(ada, agent, "How long is the warranty of the anvil?")
    assert "**manual.pdf, page 2**:\n> Its warranty lasts ten years." in answer["output"]
    answer = await ask(ada, agent, "Where do visitors register?")
    assert "**rules.docx, lines 1-3**" in answer["output"]
    assert "front desk" in answer["output"]

    assert (await ada.delete(f"{collection}/documents/{manual['id']}")).status_code == 204
    answer = await ask(ada, agent, "How long is the warranty of the anvil?")
    assert "manual.pdf" not in answer["output"]
    listed = (await ada.get(f"{collection}/documents")).json()["items"]
    assert [one["name"] for one in listed] == ["rules.docx"]


async def test_a_document_that_cannot_be_read_says_why_and_can_be_replaced(ada: httpx.AsyncClient) -> None:
    collection = (await ada.post("/knowledge", json={"name": "handbook"})).headers["location"]
    failed = await bring(ada, collection, "manual.pdf", encrypted(MANUAL, "pass"))
    assert failed["error"]["message"] == "The PDF is encrypted with a password, so it cannot be read."
    again = await ada.post(f"{collection}/documents/{failed['id']}/refresh")
    assert again.status_code == 202
    assert (await settled(ada, f"{collection}/documents/{failed['id']}"))["state"] == "failed"
    assert (await bring(ada, collection, "manual.pdf", MANUAL))["state"] == "ready"


async def test_a_collection_is_shared_with_somebodys_agents_and_taken_back(
    api: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    made = await ada.post("/knowledge", json={"name": "handbook"})
    path = made.headers["location"]
    await bring(ada, path, "manual.pdf", MANUAL)
    headers = await sign_up(api)
    async with httpx.AsyncClient(base_url=api.base_url, timeout=30, trust_env=False, headers=headers) as bob:
        uid = (await bob.get("/users/me")).json()["uid"]
        username = (await bob.get("/users/me")).json()["username"]
        assert (await ada.post(f"{path}/readers", json={"reader": username})).status_code == 201
        assert [one["id"] for one in (await bob.get("/knowledge?shared=true")).json()["items"]] == [made.json()["id"]]
        definition = CLERK.replace("handbook", made.json()["id"])
        agent = (await bob.post("/agents", content=definition, headers=YAML)).json()["id"]
        assert "ten years" in (await ask(bob, agent, "How long is the warranty of the anvil?"))["output"]
        assert (await ada.delete(f"{path}/readers/{uid}")).status_code == 204
        assert "ten years" not in str((await ask(bob, agent, "How long is the warranty of the anvil?"))["output"])
        assert (await bob.get(path)).status_code == 404


async def test_somebody_else_finds_nothing_of_it(api: httpx.AsyncClient, ada: httpx.AsyncClient) -> None:
    made = await ada.post("/knowledge", json={"name": "handbook"})
    await bring(ada, made.headers["location"], "manual.pdf", MANUAL)
    eve = await sign_up(api)
    assert (await api.get(made.headers["location"], headers=eve)).status_code == 404
    async with httpx.AsyncClient(base_url=api.base_url, timeout=30, trust_env=False, headers=eve) as client:
        for name in ("handbook", made.json()["id"]):
            definition = CLERK.replace("handbook", name).replace("clerk", f"clerk_{name[:8]}")
            agent = (await client.post("/agents", content=definition, headers=YAML)).json()["id"]
            answer = await ask(client, agent, "How long is the warranty of the anvil?")
            assert "ten years" not in str(answer["output"])
