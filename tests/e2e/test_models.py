"""Models, end to end: what there is, what answers when one is down, and what an answer must fit."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.people import sign_up
from tests.support.polling import end_of

YAML = {"Content-Type": "application/yaml"}

RELIABLE = """
name: reliable
model:
  provider: local
  model: scripted
  script: [{chunks: [half an, answer], error: {status: 529, after_chunks: 1}}]
  fallbacks:
    - {provider: local, model: scripted, script: [{error: {status: 429}}]}
    - {provider: local, model: scripted, script: [{chunks: [a whole, " answer"]}]}
"""
CLERK = """
name: clerk
model:
  provider: local
  model: scripted
  script:
    - {when: "output.pages: is missing", chunks: ['{"title": "Looms", ', '"pages": 3}']}
    - {chunks: ['{"title": "Looms"}']}
output_schema:
  type: object
  properties: {title: {type: string}, pages: {type: integer}}
  required: [title, pages]
"""
SLOW = """
name: slow
model: {provider: local, model: scripted, script: [{chunks: [word], repeat: 600, delay_seconds: 0.1}]}
limits: {seconds: 1}
"""


async def make_agent(client: httpx.AsyncClient, definition: str) -> str:
    answer = await client.post("/agents", content=definition, headers=YAML)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def run_to_end(client: httpx.AsyncClient, definition: str, text: str) -> dict[str, Any]:
    body = {"agent_id": await make_agent(client, definition), "input": text}
    answer = await client.post("/runs", json=body)
    assert answer.status_code == 202, answer.text
    return await end_of(client, answer.headers["location"])


async def test_the_models_of_the_deployment_are_listed(api: httpx.AsyncClient) -> None:
    async with sign_up(api) as ada:
        listed = (await ada.get("/models")).json()
    names = [model["name"] for model in listed["items"]]
    assert {"local:extractive", "anthropic-vertex:claude-sonnet-5-5", "google:gemini-3.8-flash"} <= set(names)
    assert [model["name"] for model in listed["items"] if model["configured"]] == ["local:extractive", "local:scripted"]
    assert (listed["default"], listed["allowed"]) == ("local:extractive", ["*"])
    assert (await api.get("/models")).status_code == 401


async def test_the_next_model_answers_and_the_log_names_it(api: httpx.AsyncClient) -> None:
    async with sign_up(api) as ada:
        run = await run_to_end(ada, RELIABLE, "hello")
        events = (await ada.get(f"/sessions/{run['session_id']}/history")).json()["items"]
        nodes = (await ada.get(f"/runs/{run['id']}/nodes")).json()["items"]
    assert (run["state"], run["output"]) == ("succeeded", "a whole answer")
    assert [event["content"]["text"] for event in events] == ["hello", "a whole answer"]
    assert events[-1]["metadata"]["model"] == "local:scripted"
    assert [node["attempt"] for node in nodes] == [1]


async def test_an_output_is_a_value_that_fits_or_the_run_fails(api: httpx.AsyncClient) -> None:
    async with sign_up(api) as ada:
        fits = await run_to_end(ada, CLERK, "What about looms?")
        never = await run_to_end(ada, CLERK.replace("clerk", "stubborn").replace("is missing", "is there"), "Again.")
    assert (fits["state"], fits["output"]) == ("succeeded", {"title": "Looms", "pages": 3})
    assert fits["usage"]["requests"] == 2
    assert (never["state"], never["error"]["code"]) == ("failed", "output_invalid")


async def test_a_run_ends_with_the_time_of_its_definition(api: httpx.AsyncClient) -> None:
    async with sign_up(api) as ada:
        run = await run_to_end(ada, SLOW, "talk")
    assert (run["state"], run["error"]["code"]) == ("failed", "limit_reached")


async def test_a_definition_may_leave_the_model_to_the_deployment(api: httpx.AsyncClient) -> None:
    async with sign_up(api) as ada:
        run = await run_to_end(ada, "name: any\nmodel: {provider: default}", "What is hot? The forge is hot.")
        events = (await ada.get(f"/sessions/{run['session_id']}/history")).json()["items"]
    assert run["state"] == "succeeded"
    assert events[-1]["metadata"]["model"] == "local:extractive"
