"""Secrets over HTTP: what goes in never comes out, whatever is asked and however wrongly."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

import httpx
import pytest

from functions.agents.secrets import secret_routes
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.adapters.memory.secrets import MemorySecretStore
from shared.domain.errors import Unauthenticated
from shared.domain.ids import Uid
from shared.domain.secrets import EntryId, SecretText
from shared.edge.app import create_app
from shared.edge.logs import JsonFormatter
from shared.ports.identity import Identity
from shared.usecases.secrets.vault import Vault

CANARY = "canary-0123456789"


class NamesAsTokens:
    async def verify(self, token: str) -> Identity:
        if token not in {"ada", "bob"}:
            raise Unauthenticated("The token is not valid.")
        return Identity(Uid(token), "user")


class Breaking(MemorySecretStore):
    broken = False

    async def write(self, entry: EntryId, value: SecretText) -> None:
        if self.broken:
            raise RuntimeError("a defect")
        await super().write(entry, value)


@dataclass
class Here:
    client: httpx.AsyncClient
    vault: Vault
    store: Breaking
    log: StringIO
    seen: list[str]

    async def ask(self, method: str, path: str, who: str = "ada", **kwargs: Any) -> httpx.Response:
        answer = await self.client.request(method, path, headers={"Authorization": f"Bearer {who}"}, **kwargs)
        self.seen.append(f"{answer.headers} {answer.text}")
        return answer

    async def put(self, value: Any = CANARY, name: str = "token", who: str = "ada") -> httpx.Response:
        return await self.ask("PUT", f"/secrets/{name}", who, json={"value": value})


@pytest.fixture
async def here() -> AsyncIterator[Here]:
    documents, clock, store = MemoryDocuments(), MemoryClock(), Breaking()
    vault = Vault(documents, store, clock, MemoryIds())
    app = create_app("agents", verifier=NamesAsTokens())
    app.include_router(secret_routes(vault))
    log = StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter("demo-x"))
    logging.getLogger().addHandler(handler)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield Here(client, vault, store, log, [])
    logging.getLogger().removeHandler(handler)


async def test_a_secret_is_stored_listed_by_name_replaced_and_deleted(here: Here) -> None:
    first = await here.put()
    assert (first.status_code, first.json().keys()) == (201, {"name", "created_at", "updated_at"})
    assert (await here.put("another-value")).status_code == 200
    listed = (await here.ask("GET", "/secrets")).json()
    assert [item.keys() for item in listed["items"]] == [{"name", "created_at", "updated_at"}]
    assert (await here.ask("DELETE", "/secrets/token")).status_code == 204
    assert (await here.ask("GET", "/secrets")).json() == {"items": [], "next_page_token": None}


async def test_nobody_sees_or_deletes_the_secrets_of_others(here: Here) -> None:
    await here.put()
    assert (await here.ask("GET", "/secrets", "bob")).json()["items"] == []
    assert (await here.ask("DELETE", "/secrets/token", "bob")).status_code == 404
    assert (await here.ask("GET", "/secrets", "eve")).status_code == 401
    assert len(here.store.entries) == 1


async def test_no_request_reads_a_value(here: Here) -> None:
    await here.put()
    for method in ("GET", "HEAD", "POST", "PATCH", "OPTIONS"):
        assert (await here.ask(method, "/secrets/token")).status_code == 405


@pytest.mark.parametrize("name", ["1x", "a b", "a/b", "_x", "ä", "x" * 65, "..", "%2e%2e", "a%00b"])
async def test_a_name_that_definitions_could_not_use_is_refused(here: Here, name: str) -> None:
    assert (await here.put(name=name)).status_code in {400, 404}
    assert here.store.entries == []


WRONG: list[dict[str, Any]] = [
    {"json": {"value": [CANARY]}},
    {"json": {"value": {CANARY: CANARY}}},
    {"json": {"value": CANARY, "more": CANARY}},
    {"json": {"value": CANARY * 10_000}},
    {"json": [CANARY]},
    {"json": CANARY},
    {"content": f'{{"value": "{CANARY}"'},
    {"content": f'{{"value": "{CANARY}\\ud800"}}'},
    {"content": CANARY},
    {"content": f'"value": "{CANARY}'.encode("utf-16")},
    {"content": json.dumps({"value": CANARY + "x" * 1_100_000})},
    {"data": {"value": CANARY}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=[str(number) for number in range(len(WRONG))])
async def test_a_refusal_does_not_repeat_what_was_sent(here: Here, wrong: dict[str, Any]) -> None:
    answer = await here.ask("PUT", "/secrets/token", **wrong)
    assert answer.status_code in {400, 413, 415}
    assert "canary" not in answer.text
    assert "canary" not in here.log.getvalue()
    assert here.store.entries == []


async def test_the_canary_is_in_no_answer_no_document_and_no_line_of_the_log(here: Here) -> None:
    await here.put()
    here.store.broken = True
    assert (await here.put(f"{CANARY}-again")).status_code == 500
    here.store.broken = False
    await here.put(f"{CANARY}-at-last")
    await here.ask("GET", "/secrets")
    await here.ask("DELETE", "/secrets/nothing")
    documents = here.vault.documents
    assert isinstance(documents, MemoryDocuments)
    stored = [repr((await documents.get(path)).fields) for path in documents.paths]
    places = {"answers": here.seen, "documents": stored, "log": [here.log.getvalue()]}
    assert all(len("".join(texts)) > 100 for texts in places.values())
    assert {place for place, texts in places.items() if "canary" in "".join(texts)} == set()
