from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from scripts.local.emulators import EmulatorPorts
from scripts.local.paths import ROOT
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.domain.writes import Create, Delete, Put, Update
from tests.rules.clients import DENIED, NOTHING, SEEN, Clients
from tests.rules.table import ROWS, Change, Read, Row, Who

RULES = (ROOT / "firestore.rules").read_text("utf-8")
CASES = [pytest.param(row, who, id=f"{who}-{row.path}") for row in ROWS for who in Who]
WRITING = re.compile(r"\b(write|create|update|delete)\b")


def resolved(value: Any, uids: Mapping[str, str]) -> Any:
    """The value with callers replaced by their uids."""
    if isinstance(value, list):
        return [uids[item] for item in value]  # pyright: ignore[reportUnknownVariableType] - readers are callers
    return uids.get(value, value) if isinstance(value, str) else value


def place(row: Row, clients: Clients) -> str:
    return row.path.format(**clients.uids)


@pytest.fixture(scope="module")
async def documents() -> AsyncIterator[FirestoreDocuments]:
    documents = FirestoreDocuments(f"demo-store-{secrets.token_hex(4)}")
    yield documents
    await documents.close()


@pytest.fixture(scope="module")
async def clients(emulators: EmulatorPorts, documents: FirestoreDocuments) -> AsyncIterator[Clients]:
    clients = Clients(emulators, documents.project)
    clients.set_rules(RULES).raise_for_status()
    clients.sign_up_all()
    uids = clients.uids
    stored = [
        Put(place(row, clients), {name: resolved(value, uids) for name, value in row.fields.items()}) for row in ROWS
    ]
    await documents.commit(stored)
    everyone = [uids[who] for who in (Who.READER, Who.FORMER_READER, Who.DEACTIVATED)]
    for path in ("sessions/s", "runs/r", "knowledge/c"):
        await documents.commit([Update(path, {"readers": everyone})])
        await documents.commit([Update(path, {"readers": [uids[Who.READER], uids[Who.DEACTIVATED]]})])
    yield clients
    clients.close()


@pytest.mark.parametrize(("row", "who"), CASES)
async def test_a_caller_sees_what_the_table_says_and_nothing_else(clients: Clients, row: Row, who: Who) -> None:
    expected = row.seen.get(who, frozenset())
    verdicts = {read: clients.read(who, place(row, clients), read) for read in Read}
    assert {read for read, verdict in verdicts.items() if verdict == SEEN} == expected
    for read in {Read.GET, Read.LIST} - expected:
        assert verdicts[read] == DENIED


@pytest.mark.parametrize(("row", "who"), CASES)
async def test_nobody_writes(clients: Clients, row: Row, who: Who) -> None:
    verdicts = {change: clients.change(who, place(row, clients), change) for change in Change}
    assert set(verdicts.values()) == {DENIED}


@pytest.mark.parametrize("row", ROWS, ids=[row.path for row in ROWS])
async def test_an_owner_who_is_shut_out_sees_nothing(clients: Clients, documents: FirestoreDocuments, row: Row) -> None:
    mark = f"deactivated/{clients.uids[Who.OWNER]}"
    await documents.commit([Create(mark, {"since": 0})])
    try:
        verdicts = {clients.read(Who.OWNER, place(row, clients), read) for read in Read}
    finally:
        await documents.commit([Delete(mark)])
    assert verdicts <= {DENIED, NOTHING}


async def test_a_missing_document_is_refused_like_a_foreign_one(clients: Clients) -> None:
    for path in ("runs/none", "runs/none/nodes/main~0", "sessions/none", "sessions/none/events/1", "agents/none"):
        assert clients.read(Who.OWNER, path, Read.GET) == DENIED


@pytest.mark.parametrize("collection", sorted({row.path.split("/")[-2] for row in ROWS}))
async def test_no_query_over_all_collections_of_a_name_is_allowed(clients: Clients, collection: str) -> None:
    me = {"stringValue": clients.uids[Who.OWNER]}
    mine = {"fieldFilter": {"field": {"fieldPath": "owner_uid"}, "op": "EQUAL", "value": me}}
    query = {"from": [{"collectionId": collection, "allDescendants": True}], "where": mine}
    assert clients.run_query(Who.OWNER, "", query).status_code == 403


def test_the_table_has_a_row_for_every_path_of_the_rules() -> None:
    for pattern in matched_paths(RULES):
        assert any(re.fullmatch(pattern, row.path) and row.seen for row in ROWS), pattern


def test_the_rules_allow_no_kind_of_write() -> None:
    allowed = [line for line in RULES.splitlines() if line.strip().startswith("allow")]
    assert len(allowed) >= 10
    assert not [line for line in allowed if WRITING.search(line.partition(":")[0])]


def matched_paths(rules: str) -> list[str]:
    """A regular expression for every path that a `match` block names, nested ones whole."""
    depth, open_blocks, found = 0, list[tuple[int, str]](), list[str]()
    for line in rules.splitlines():
        block = re.match(r"\s*match (/\S+) \{", line)
        if block:
            open_blocks.append((depth, block[1]))
            found.append("".join(path for _, path in open_blocks[1:]))
        depth += len(re.findall(r"(?<!\S)\{|\{$", line)) - len(re.findall(r"^\s*\}", line))
        while open_blocks and depth <= open_blocks[-1][0]:
            open_blocks.pop()
    return [re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path[1:])) for path in found if path]
