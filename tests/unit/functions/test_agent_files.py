"""Agents over HTTP as files, and with schemas: exported, imported, checked by line, run with inputs that fit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shared.edge.definition_body import parse_body
from tests.support.in_process import Deployment, deployed

RESEARCH_AGENT = (Path(__file__).parents[2] / "data" / "research-agent.yaml").read_bytes()
YAML = {"Content-Type": "application/yaml"}
REPORTER = """
name: reporter
model: local:extractive
input_schema:
  type: object
  properties:
    topic: {type: string, minLength: 3}
    depth: {type: integer, minimum: 1, default: 2}
  required: [topic]
  additionalProperties: false
prompt: "What of {{ input.topic }}, {{ input.depth }} deep? The {{ input.topic }} is hot."
"""


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


async def test_an_exported_file_imports_as_what_it_was(here: Deployment) -> None:
    made = (await here.ask("POST", "/agents/import", 201, content=RESEARCH_AGENT, headers=YAML)).json()
    assert made["provenance"]["kind"] == "import"
    assert [(one["path"], one["suggestion"]) for one in made["warnings"]] == [("model.model", "gemini-3.8-flash")]
    exported = await here.ask("GET", f"/agents/{made['id']}/export")
    assert exported.headers["content-type"] == "application/yaml"
    assert exported.headers["content-disposition"] == 'attachment; filename="custom_research_agent-1.yaml"'
    assert parse_body(exported.content, "application/yaml") == parse_body(RESEARCH_AGENT, "application/yaml")
    again = await here.ask("POST", "/agents/import", 201, by="bob", content=exported.content, headers=YAML)
    back = await here.ask("GET", f"/agents/{again.json()['id']}/export", by="bob")
    assert back.content == exported.content
    assert again.json()["provenance"]["digest"] == made["provenance"]["digest"]


async def test_a_version_is_exported_by_number_or_alias(here: Deployment) -> None:
    path = f"/agents/{(await here.make(description='one'))['id']}"
    await here.ask("PUT", path, json={"name": "helper", "model": "local:extractive", "description": "two"})
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    assert "description: one" in (await here.ask("GET", f"{path}/export?version=prod")).text
    assert "description: two" in (await here.ask("GET", f"{path}/export")).text
    await here.ask("GET", f"{path}/export?version=3", 404)
    await here.ask("GET", f"{path}/export", 404, by="bob")


async def test_an_import_does_what_it_is_told_where_the_name_is_taken(here: Deployment) -> None:
    first = await here.make(description="one")
    file = b"name: helper\nmodel: local:extractive\ndescription: two\n"

    async def bring(on_conflict: str, status: int = 201) -> dict[str, Any]:
        query = f"/agents/import?on_conflict={on_conflict}"
        return (await here.ask("POST", query, status, content=file, headers=YAML)).json()

    await bring("refuse", 409)
    await bring("whatever", 400)
    renamed = await bring("rename")
    assert (renamed["name"], renamed["definition"]["name"]) == ("helper_imported", "helper_imported")
    added = await bring("version")
    assert (added["id"], added["head"], added["description"]) == (first["id"], 2, "two")
    assert (await bring("version"))["head"] == 2
    await here.ask("DELETE", f"/agents/{first['id']}", 204)
    assert (await bring("version"))["head"] == 1


async def test_a_definition_is_judged_by_line_and_column(here: Deployment) -> None:
    body = "name: helper\nmodel: local:extractiv\ntools:\n  - grep\n  - greb\nlimits:\n  secnds: 5\n"
    told = (await here.ask("POST", "/agents/validate", content=body, headers=YAML)).json()
    assert {(one["path"], one["line"], one["column"], one["suggestion"]) for one in told["faults"]} == {
        ("model", 2, 1, "local:extractive"),
        ("tools.1", 5, 5, "grep"),
        ("limits.secnds", 7, 3, "seconds"),
    }
    for method, path in (("POST", "/agents"), ("POST", "/agents/import")):
        refused = (await here.ask(method, path, 400, content=body, headers=YAML)).json()
        assert {(one["line"], one["column"]) for one in refused["faults"]} == {(2, 1), (5, 5), (7, 3)}
    broken = (await here.ask("POST", "/agents/validate", content="a: 1\na: 2", headers=YAML)).json()
    assert [(one["line"], one["column"]) for one in broken["faults"]] == [(2, 1)]
    nothing = (await here.ask("POST", "/agents", 400, content="- a", headers=YAML)).json()
    assert [(one["line"], one["column"]) for one in nothing["faults"]] == [(1, 1)]


async def test_an_input_is_held_to_its_schema(here: Deployment) -> None:
    agent = (await here.ask("POST", "/agents", 201, content=REPORTER, headers=YAML)).json()["id"]
    run = await here.run(agent_id=agent, input={"topic": "anvil"})
    assert (run["state"], run["input"]) == ("succeeded", {"topic": "anvil", "depth": 2})
    assert "anvil" in run["output"]
    body = {"agent_id": agent, "input": {"topic": "x", "dpth": 1, "depth": 0}}
    refused = (await here.ask("POST", "/runs", 400, json=body)).json()
    assert {(one["path"], one["suggestion"]) for one in refused["faults"]} == {
        ("input.topic", None),
        ("input.depth", None),
        ("input.dpth", "depth"),
    }
    text = (await here.ask("POST", "/runs", 400, json={"agent_id": agent, "input": "anvil"})).json()
    assert {one["path"]: one["reason"] for one in text["faults"]} == {
        "input.topic": "is missing",
        "input.text": "is not a known key here",
    }
    assert len((await here.ask("GET", "/runs")).json()["items"]) == 1
    session = (await here.ask("POST", "/sessions", 201, json={"agent_id": agent})).json()["id"]
    await here.ask("POST", "/runs", 400, json={"session_id": session, "input": "anvil"})
    await here.ask("POST", "/runs", 202, json={"session_id": session, "input": {"topic": "anvil"}})


async def test_the_schema_of_definitions_is_that_of_the_repository(here: Deployment) -> None:
    schema = (await here.ask("GET", "/agents/schema")).json()
    assert schema["$id"] == "urn:fireloom:agent-definition:1"
