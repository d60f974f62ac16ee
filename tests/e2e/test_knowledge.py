"""Knowledge, end to end: documents brought over HTTP, ingested through the queue, found by an agent that cites them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.office_files import docx_of
from tests.support.pdf_files import encrypted, pdf_of
from tests.support.people import sign_up
from tests.support.polling import end_of, reaches

SETTLED = ("ready", "failed")
YAML = {"Content-Type": "application/yaml"}
CLERK = """
name: clerk
model: local:extractive
tools:
  - name: knowledge
    config: {collections: [handbook], max_passages: 3}
"""
MANUAL = pdf_of("The anvil weighs ninety kilograms.", "Its warranty lasts ten years.", title="The anvil")
PAGE = """<!DOCTYPE html><html><head><title>Orders &amp; prices</title><style>p {color: red}</style>
<script>track("delivered");</script></head><body><nav><a href="/">Home</a></nav><h1 class="x">Orders</h1>
<p>An order is <b>delivered</b>&nbsp;within four weeks.</p><ul><li>Express costs <i>ninety</i> crowns.</li></ul>"""
NOTES = "The furnace was relined in March.\nThe bellows leak at the left seam.\n"
REAL = Path(__file__).parents[1] / "data" / "documents"
RULES = docx_of("# Visitors", "Visitors register at the front desk and wear a badge.", title="House rules")


@pytest.fixture
async def ada(api: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, signed in as somebody new."""
    async with sign_up(api) as client:
        yield client


async def bring(client: httpx.AsyncClient, collection: str, name: str, content: bytes) -> dict[str, Any]:
    """Bring a document, and wait until it is ready or has failed."""
    put = await client.put(f"{collection}/documents", params={"name": name}, content=content)
    assert put.status_code == 202, put.text
    return await reaches(client, put.headers["location"], *SETTLED)


async def ask(client: httpx.AsyncClient, agent: str, question: str) -> dict[str, Any]:
    started = await client.post("/runs", json={"agent_id": agent, "input": question})
    assert started.status_code == 202, started.text
    return await end_of(client, started.headers["location"])


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


async def test_pages_and_plain_texts_are_cited_without_their_marks(ada: httpx.AsyncClient) -> None:
    collection = (await ada.post("/knowledge", json={"name": "handbook"})).headers["location"]
    page = await bring(ada, collection, "page.html", PAGE.encode())
    notes = await bring(ada, collection, "notes.txt", NOTES.encode())
    assert (page["state"], page["title"], page["mime_type"]) == ("ready", "Orders & prices", "text/html")
    assert (notes["state"], notes["title"], notes["mime_type"]) == ("ready", None, "text/plain")
    agent = (await ada.post("/agents", content=CLERK, headers=YAML)).json()["id"]
    delivered = (await ask(ada, agent, "When is an order delivered?"))["output"]
    assert "**page.html, lines 3-7**:\n> Orders\n> An order is delivered within four weeks." in delivered
    assert [mark for mark in ("<b>", "class", "color", "track", "&nbsp;", "Home</a>") if mark in delivered] == []
    leaking = (await ask(ada, agent, "What leaks at the seam?"))["output"]
    assert (
        "**notes.txt, lines 1-2**:\n> The furnace was relined in March.\n> The bellows leak at the left seam."
        in leaking
    )


async def test_files_of_real_programs_are_read(ada: httpx.AsyncClient) -> None:
    collection = (await ada.post("/knowledge", json={"name": "handbook"})).headers["location"]
    names = ("forge.pdf", "house-rules.docx", "house-rules-encrypted.docx")
    forge, rules, locked = [await bring(ada, collection, name, (REAL / name).read_bytes()) for name in names]
    assert (forge["state"], forge["title"], forge["pages"]) == ("ready", "The forge of Ηφαιστος", 2)
    assert (rules["state"], rules["title"]) == ("ready", "House rules")
    reason = "The document is encrypted with a password, so it cannot be read."
    assert (locked["state"], locked["error"]["message"]) == ("failed", reason)
    agent = (await ada.post("/agents", content=CLERK, headers=YAML)).json()["id"]
    weight = (await ask(ada, agent, "How much does the anvil weigh?"))["output"]
    assert "**forge.pdf, page 2**:\n> Ὁ ἄκμων — the anvil — weighs ninety kilograms." in weight
    desk = (await ask(ada, agent, "Where do visitors register?"))["output"]
    assert "**house-rules.docx, lines 3-9**" in desk
    assert "> Visitors register at the front desk, and wear a badge — also Łukasz." in desk


async def test_a_document_that_cannot_be_read_says_why_and_can_be_replaced(ada: httpx.AsyncClient) -> None:
    collection = (await ada.post("/knowledge", json={"name": "handbook"})).headers["location"]
    failed = await bring(ada, collection, "manual.pdf", encrypted(MANUAL, "pass"))
    assert failed["error"]["message"] == "The PDF is encrypted with a password, so it cannot be read."
    again = await ada.post(f"{collection}/documents/{failed['id']}/refresh")
    assert again.status_code == 202
    assert (await reaches(ada, f"{collection}/documents/{failed['id']}", *SETTLED))["state"] == "failed"
    assert (await bring(ada, collection, "manual.pdf", MANUAL))["state"] == "ready"


async def test_a_collection_is_shared_with_somebodys_agents_and_taken_back(
    api: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    made = await ada.post("/knowledge", json={"name": "handbook"})
    path = made.headers["location"]
    await bring(ada, path, "manual.pdf", MANUAL)
    async with sign_up(api) as bob:
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
    async with sign_up(api) as eve:
        assert (await eve.get(made.headers["location"])).status_code == 404
        for name in ("handbook", made.json()["id"]):
            definition = CLERK.replace("handbook", name).replace("clerk", f"clerk_{name[:8]}")
            agent = (await eve.post("/agents", content=definition, headers=YAML)).json()["id"]
            answer = await ask(eve, agent, "How long is the warranty of the anvil?")
            assert "ten years" not in str(answer["output"])
