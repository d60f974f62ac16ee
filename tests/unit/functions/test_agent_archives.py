"""Agents over HTTP as archives, with the documents that they search: taken elsewhere; refused where they are bad."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.agent_bundles import MAX_BUNDLE_BYTES, MAX_DOCUMENTS
from shared.domain.knowledge import MAX_DOCUMENT_BYTES
from shared.edge.agent_archive import MAX_ARCHIVE_BYTES, MAX_TEXT_BYTES
from tests.support.archives import AGENT, files_of, link_of, patched, with_field, zip_of
from tests.support.in_process import Deployment, deployed

ZIP = {"Content-Type": "application/zip"}
RULES = b"# Visitors\n\nVisitors register at the front desk.\n"
MANUAL = b"# The anvil\n\nThe warranty of the anvil lasts ten years.\n"
CLERK: dict[str, Any] = {
    "name": "clerk",
    "model": "local:extractive",
    "tools": [{"name": "knowledge", "config": {"collections": ["handbook"]}}],
}
SEARCHING = b"tools:\n- name: knowledge\n  config: {collections: [handbook]}\n"


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


async def collect(here: Deployment, name: str = "handbook", by: str = "ada", **documents: bytes) -> str:
    """Make a collection; its id."""
    body = {"name": name, "description": "What we know"}
    collection = (await here.ask("POST", "/knowledge", 201, by, json=body)).json()["id"]
    for document, content in documents.items():
        params = {"name": document.replace("__", "/") + ".md"}
        await here.ask("PUT", f"/knowledge/{collection}/documents", 202, by, params=params, content=content)
    return str(collection)


async def export(here: Deployment, agent: str, by: str = "ada", status: int = 200) -> bytes:
    answer = await here.ask("GET", f"/agents/{agent}/export?format=zip", status, by)
    return answer.content


async def bring(
    here: Deployment, archive: bytes, status: int = 201, by: str = "bob", on_conflict: str = "refuse"
) -> dict[str, Any]:
    query = f"/agents/import?on_conflict={on_conflict}"
    return (await here.ask("POST", query, status, by, content=archive, headers=ZIP)).json()


async def documents_of(here: Deployment, collection: str, by: str = "bob") -> dict[str, str]:
    items = (await here.ask("GET", f"/knowledge/{collection}/documents", by=by)).json()["items"]
    return {one["name"]: one["state"] for one in items}


async def test_an_agent_goes_elsewhere_with_its_documents_and_comes_back_as_the_same_bytes(here: Deployment) -> None:
    await collect(here, rules=RULES, the__manual=MANUAL)
    agent = (await here.ask("POST", "/agents", 201, json={**CLERK, "permissions": {"public": True}})).json()["id"]
    answer = await here.ask("GET", f"/agents/{agent}/export?format=zip")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="clerk-1.zip"'
    archive = answer.content
    assert files_of(archive) == {
        "agent.yaml": b"name: clerk\nmodel: local:extractive\n"
        + SEARCHING.replace(b"{collections: [handbook]}", b"")
        .rstrip()
        .replace(b"  config:", b"  config:\n    collections:\n    - handbook\n"),
        "knowledge/handbook.yaml": b"description: What we know\nmedia_types:\n"
        b"  rules.md: text/markdown\n  the/manual.md: text/markdown\n",
        "knowledge/handbook/rules.md": RULES,
        "knowledge/handbook/the/manual.md": MANUAL,
    }
    made = await bring(here, archive)
    assert (made["name"], made["owner_uid"], made["imported_agents"]) == ("clerk", "bob", {})
    collection = made["imported_knowledge"]["handbook"]
    assert await documents_of(here, collection) == {"rules.md": "pending", "the/manual.md": "pending"}
    await here.knowledge.drain()
    assert await documents_of(here, collection) == {"rules.md": "ready", "the/manual.md": "ready"}
    run = await here.run("bob", agent_id=made["id"], input="How long is the warranty of the anvil?")
    assert "ten years" in run["output"]
    assert await export(here, made["id"], "bob") == archive


async def test_a_collection_is_taken_along_if_it_may_be_read_and_else_named_as_before(here: Deployment) -> None:
    collection = await collect(here, rules=RULES)
    by_id: dict[str, Any] = {
        **CLERK,
        "tools": [{"name": "knowledge", "config": {"collections": [collection, "elsewhere"]}}],
    }
    agent = (await here.make(**by_id, permissions={"shared_with": ["bob"]}))["id"]
    assert set(files_of(await export(here, agent, "bob"))) == {"agent.yaml"}
    assert collection.encode() in files_of(await export(here, agent, "bob"))["agent.yaml"]
    await here.ask("POST", f"/knowledge/{collection}/readers", 201, json={"reader": "bob"})
    files = files_of(await export(here, agent, "bob"))
    assert files["knowledge/handbook/rules.md"] == RULES
    assert b"- handbook\n    - elsewhere" in files["agent.yaml"]


async def test_collections_of_one_name_are_told_apart(here: Deployment) -> None:
    theirs = await collect(here, rules=RULES)
    await here.ask("POST", f"/knowledge/{theirs}/readers", 201, json={"reader": "bob"})
    await collect(here, by="bob", manual=MANUAL)
    tools = [{"name": "knowledge", "config": {"collections": ["handbook", theirs]}}]
    node = {"kind": "tool", "tool": "knowledge", "arguments": {"query": "x"}, "config": {"collections": [theirs]}}
    agent = await here.make("bob", type="graph", tools=tools, graph={"nodes": {"look": node}})
    archive = await export(here, agent["id"], "bob")
    files = files_of(archive)
    assert (files["knowledge/handbook/manual.md"], files["knowledge/handbook_2/rules.md"]) == (MANUAL, RULES)
    assert files["agent.yaml"].count(b"- handbook_2\n") == 2
    made = await bring(here, archive, by="root")
    assert await export(here, made["id"], "root") == archive


async def test_no_secret_is_in_an_archive(here: Deployment) -> None:
    await here.ask("PUT", "/secrets/tickets", 201, json={"value": "a-key-that-nobody-sees"})
    tool: dict[str, Any] = {"name": "tickets", "description": "List.", "url": "https://tickets.example.com/"}
    tool["headers"] = {"X-Key": {"secret": "tickets"}}
    agent = await here.make(tools=["tickets"], http_tools=[tool])
    archive = await export(here, agent["id"])
    assert b"secret: tickets" in archive
    assert b"a-key-that-nobody-sees" not in archive


async def test_an_import_does_with_its_documents_what_it_does_with_the_agent(here: Deployment) -> None:
    await collect(here, rules=RULES)
    archive = await export(here, (await here.make(**CLERK))["id"])
    await collect(here, by="bob", manual=MANUAL)
    stored = list(here.rig.documents.paths)
    assert (await bring(here, archive, 409))[
        "detail"
    ] == "You have a collection 'handbook' already, with other documents."
    assert here.rig.documents.paths == stored
    renamed = await bring(here, archive, on_conflict="rename")
    assert renamed["definition"]["tools"][0]["config"] == {"collections": ["handbook_imported"]}
    assert list(await documents_of(here, renamed["imported_knowledge"]["handbook"])) == ["rules.md"]
    added = await bring(here, archive, on_conflict="version")
    assert (added["id"], added["head"]) == (renamed["id"], 2)
    assert list(await documents_of(here, added["imported_knowledge"]["handbook"])) == ["manual.md", "rules.md"]
    assert (await bring(here, archive, 409))["code"] == "already_exists"


async def test_what_is_there_already_is_used_as_it_is(here: Deployment) -> None:
    collection = await collect(here, rules=RULES)
    agent = await here.make(**CLERK)
    archive = await export(here, agent["id"])
    await here.ask("DELETE", f"/agents/{agent['id']}", 204)
    again = await bring(here, archive, by="ada")
    assert again["imported_knowledge"] == {"handbook": collection}


async def test_only_administrators_import_system_agents(here: Deployment) -> None:
    archive = zip_of({"agent.yaml": AGENT + b"scope: system\n"})
    await bring(here, archive, 403)
    assert (await bring(here, archive, by="root"))["scope"] == "system"


async def test_too_much_knowledge_does_not_fit(here: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.usecases.agents.export_bundle.MAX_BUNDLE_BYTES", 100)
    await collect(here, rules=RULES * 3)
    agent = (await here.make(**CLERK))["id"]
    refused = await here.ask("GET", f"/agents/{agent}/export?format=zip", 413)
    assert refused.json()["code"] == "too_large"


def searching(**documents: bytes) -> dict[str, bytes]:
    return {"agent.yaml": AGENT + SEARCHING} | {f"knowledge/handbook/{name}": body for name, body in documents.items()}


GOOD = zip_of(searching(**{"rules.md": RULES}))
MANY = {f"knowledge/handbook/{n}.md": b"x" for n in range(MAX_DOCUMENTS + 300)}
BAD: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "", "is no zip archive"),
    "text": (AGENT, "", "is no zip archive"),
    "cut off": (GOOD[:-30], "", "is cut off"),
    "only an end": (b"PK\x05\x06" + bytes(18), "agent.yaml", "is missing"),
    "a comment": (GOOD[:-2] + b"\x03\x00abc", "", "ends with a comment"),
    "zip64": (GOOD[:-22] + b"PK\x06\x07" + bytes(16) + GOOD[-22:], "", "files, or too long names"),
    "a directory that is not there": (GOOD[:-10] + struct.pack("<L", 900_000) + GOOD[-6:], "", "broken one"),
    "an endless directory": (GOOD[:-10] + struct.pack("<L", 2**31) + GOOD[-6:], "", "files, or too long names"),
    "too many files": (zip_of({"agent.yaml": AGENT, **MANY}), "", "has more than"),
    "a damaged file": (
        patched(zip_of({"agent.yaml": AGENT}, zipfile.ZIP_STORED), AGENT, AGENT[::-1]),
        "",
        "BadZipFile",
    ),
    "a size that lies": (with_field(GOOD, b"agent.yaml", 24, struct.pack("<L", 10)), "", "broken one"),
    "a file that lies elsewhere": (with_field(GOOD, b"rules.md", 42, struct.pack("<L", 7)), "", "broken one"),
    "no agent": (zip_of({"knowledge/handbook/a.md": b"x"}), "agent.yaml", "is missing"),
    "no map": (zip_of({"agent.yaml": b"- a"}), "agent.yaml", "must be a map"),
    "no YAML": (zip_of({"agent.yaml": b"a: [\n"}), "agent.yaml", "line 2, column 1"),
    "no text": (zip_of({"agent.yaml": b"\xff\xfe"}), "agent.yaml", "is not UTF-8"),
    "an alias": (zip_of({"agent.yaml": b"a: &a\n  b: *a"}), "agent.yaml", "anchors"),
    "a wrong key": (zip_of({"agent.yaml": AGENT + b"tols: [grep]\n"}), "agent.yaml: tols", "is not a known key here"),
    "a long text": (zip_of({"agent.yaml": AGENT + b"#" * (1 << 20)}), "agent.yaml", "are the most"),
    "a strange file": (zip_of({"agent.yaml": AGENT, "run.sh": b"x"}), "run.sh", "is not expected"),
    "up": (zip_of({"agent.yaml": AGENT, "../agent.yaml": AGENT}), "../agent.yaml", "is not expected"),
    "up from a folder": (zip_of(searching(**{"../../../etc/passwd": b"x"})), "knowledge/handbook/../", "contains '..'"),
    "absolute": (zip_of({"agent.yaml": AGENT, "/etc/passwd": b"x"}), "/etc/passwd", "is not expected"),
    "a backslash": (zip_of(searching(**{"..\\a.md": b"x"})), "knowledge/handbook/..", "backslash"),
    "a hidden end": (
        patched(zip_of(searching(**{"a.md~.sh": b"x"})), b"a.md~.sh", b"a.md\0.sh"),
        "",
        "not the name of",
    ),
    "a turned name": (zip_of(searching(**{"a\u202edm.exe": b"x"})), "knowledge/handbook/a\\u202e", "direction"),
    "a link": (link_of("knowledge/handbook/a.md", b"/etc/passwd"), "knowledge/handbook/a.md", "a link"),
    "an encrypted file": (with_field(GOOD, b"rules.md", 8, b"\x01\x00"), "knowledge/handbook/rules.md", "encrypted"),
    "another packing": (with_field(GOOD, b"rules.md", 10, b"\x0c\x00"), "knowledge/handbook/rules.md", "is packed"),
    "an empty document": (zip_of(searching(**{"a.md": b""})), "knowledge/handbook/a.md", "is empty"),
    "a large document": (
        zip_of(searching(**{"a.md": b"x" * (MAX_DOCUMENT_BYTES + 1)})),
        "knowledge/handbook/a.md",
        "are the most",
    ),
    "one document twice": (
        zip_of(searching(**{"e\u0301.md": b"x", "\xe9.md": b"y"})),
        "knowledge/handbook/\\xe9.md",
        "is there twice",
    ),
    "knowledge that nothing searches": (
        zip_of({"agent.yaml": AGENT, "knowledge/handbook/a.md": b"x"}),
        "knowledge/handbook",
        "no agent of the file searches it",
    ),
    "a collection without a name": (
        zip_of({"agent.yaml": AGENT, "knowledge/A B/a.md": b"x"}),
        "knowledge/A B.yaml: name",
        "lower-case",
    ),
    "a document that is not there": (
        zip_of({**searching(), "knowledge/handbook.yaml": b"media_types: {a.md: text/markdown}"}),
        "knowledge/handbook.yaml: media_types",
        "names a.md, which is not in the archive",
    ),
    "no media type": (
        zip_of({**searching(**{"a.md": b"x"}), "knowledge/handbook.yaml": b"media_types: {a.md: markdown}"}),
        "knowledge/handbook.yaml: media_types",
        "has no media type",
    ),
    "a media type of two lines": (
        zip_of({**searching(**{"a.md": b"x"}), "knowledge/handbook.yaml": b'media_types: {a.md: "te xt/m\\nd"}'}),
        "knowledge/handbook.yaml: media_types",
        "has no media type",
    ),
    "media types that are none": (
        zip_of({**searching(**{"a.md": b"x"}), "knowledge/handbook.yaml": b"media_types: [a]"}),
        "knowledge/handbook.yaml: media_types",
        "must be a map",
    ),
    "a description that is none": (
        zip_of({**searching(**{"a.md": b"x"}), "knowledge/handbook.yaml": b"description: [a]\nauthor: me"}),
        "knowledge/handbook.yaml: author",
        "is not a known key",
    ),
    "an agent that nothing refers to": (
        zip_of({"agent.yaml": AGENT, "agents/helper.yaml": AGENT}),
        "agents/helper.yaml",
        "no agent of the file refers to it",
    ),
    "an agent of another name": (
        zip_of({"agent.yaml": AGENT, "agents/other.yaml": AGENT}),
        "agents/other.yaml: name",
        "must be what the file is called",
    ),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("what", [*BAD, "one name twice"])
async def test_a_bad_archive_is_refused_with_a_reason_and_leaves_nothing(here: Deployment, what: str) -> None:
    twice = zip_of([("agent.yaml", AGENT), ("agent.yaml", AGENT)])
    archive, path, reason = BAD.get(what, (twice, "agent.yaml", "is there twice"))
    stored = list(here.rig.documents.paths)
    refused = await bring(here, archive, 400)
    told = [one for one in refused["faults"] if one["path"].startswith(path) and reason in one["reason"]]
    assert told, refused
    assert here.rig.documents.paths == stored


@pytest.mark.parametrize(
    "archive",
    [
        zip_of(searching(**{f"{n}.md": b"\0" * MAX_DOCUMENT_BYTES for n in range(3)})),
        with_field(GOOD, b"rules.md", 24, struct.pack("<L", MAX_BUNDLE_BYTES)),
        bytes(MAX_ARCHIVE_BYTES + 1),
        zip_of({"agent.yaml": AGENT, **{f"agents/a{n}.yaml": b"#" * MAX_TEXT_BYTES for n in range(4)}}),
    ],
    ids=["a bomb", "a size that lies", "a large body", "more text than is parsed"],
)
async def test_an_archive_that_unpacks_to_too_much_is_too_large(here: Deployment, archive: bytes) -> None:
    assert (await bring(here, archive, 413))["code"] == "too_large"


CHAIN = b"name: chain\nmodel: local:extractive\ntype: graph\n"
LOOK = "look: {kind: tool, tool: knowledge, arguments: {query: x}, config: {collections: [handbook]}}"
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "an agent that is nowhere": ("kind: agent, agent: {id: nosuch}", AGENT, "graph.nodes.ask.agent.id"),
    "one that an agent of the file needs": (
        "kind: agent, agent: {id: helper}",
        CHAIN.replace(b"chain", b"helper") + b"graph: {nodes: {on: {kind: agent, agent: {id: nosuch}}}}\n",
        "graph.nodes.ask.agent.id",
    ),
    "a condition that is none": ("kind: branch, cases: {ok: 'input.text ==='}", AGENT, "graph.nodes.ask.cases.ok"),
    "one in an agent of the file": (
        "kind: agent, agent: {id: helper}",
        CHAIN.replace(b"chain", b"helper") + b"graph: {nodes: {on: {kind: branch, cases: {ok: '==='}}}}\n",
        "agents/helper.yaml: graph.nodes.on.cases.ok",
    ),
    "a template that is to be run": (
        "kind: agent, agent: {id: helper}",
        AGENT + b"parameters: {type: object, properties: {tone: {type: string, default: dry}}}\n",
        "agents/helper.yaml: parameters",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_a_graph_that_cannot_be_run_is_refused_before_its_documents_are_stored(
    here: Deployment, what: str
) -> None:
    node, helper, path = REFUSED[what]
    graph = f"graph: {{nodes: {{{LOOK}, ask: {{{node}}}}}}}\n".encode()
    files = {"agent.yaml": CHAIN + graph, "knowledge/handbook/a.md": RULES}
    if "helper" in node:
        files["agents/helper.yaml"] = helper
    stored = list(here.rig.documents.paths)
    refused = await bring(here, zip_of(files), 400)
    assert path in [fault["path"] for fault in refused["faults"]], refused
    assert here.rig.documents.paths == stored


async def test_a_large_text_is_too_large_where_an_archive_is_not(here: Deployment) -> None:
    refused = await here.ask("POST", "/agents/import", 413, content=b"#" * (1 << 20) + AGENT, headers={})
    assert refused.json()["code"] == "too_large"


async def test_folders_of_an_archive_are_nothing_to_refuse(here: Deployment) -> None:
    files = {"agents/": b"", "knowledge/": b"", "knowledge/handbook/": b"", **searching(**{"./rules.md": RULES})}
    made = await bring(here, zip_of(files))
    assert list(await documents_of(here, made["imported_knowledge"]["handbook"])) == ["rules.md"]
