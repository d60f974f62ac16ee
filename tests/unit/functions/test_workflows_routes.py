"""`POST /workflows/*`: runs of definitions that come with the request, and of agents of a certain type."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.runs import Shape
from tests.support.in_process import Deployment, deployed

MODEL: dict[str, Any] = {"provider": "local", "model": "scripted", "script": [{"chunks": ["Hello."]}]}
ALONE: dict[str, Any] = {"name": "alone", "model": MODEL}
BOSS: dict[str, Any] = {**ALONE, "agents": {"critic": {"description": "Judges."}}}
CALC: dict[str, Any] = {"kind": "tool", "tool": "calculator", "arguments": {"expression": "{{ input.sum }}"}}
SUMS: dict[str, Any] = {"name": "sums", "model": MODEL, "graph": {"nodes": {"sum": CALC}}}
DEFINITIONS: dict[Shape, dict[str, Any]] = {"single": ALONE, "delegation": BOSS, "graph": SUMS}


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as found:
        yield found


async def run(here: Deployment, shape: str, /, status: int = 202, **body: Any) -> Any:
    headers = {"Idempotency-Key": body.pop("key")} if "key" in body else {}
    answer = await here.ask("POST", f"/workflows/{shape}", status, json={"input": "Hi.", **body}, headers=headers)
    return answer.json()


async def ended(here: Deployment, run_id: str) -> Any:
    await here.rig.drain()
    return (await here.ask("GET", f"/runs/{run_id}", 200)).json()


@pytest.mark.parametrize(("shape", "output"), [("single", "Hello."), ("delegation", "Hello."), ("graph", "4")])
async def test_a_definition_runs_without_an_agent(here: Deployment, shape: Shape, output: Any) -> None:
    given = {"sum": "2 + 2"} if shape == "graph" else "Hi."
    began = await run(here, shape, definition=DEFINITIONS[shape], input=given)
    assert (began["state"], began["shape"], began["agent_id"]) == ("queued", shape, "ad_hoc")
    found = await ended(here, began["id"])
    assert found["state"] == "succeeded", found["error"]
    assert (found["output"]["result"] if shape == "graph" else found["output"]) == output


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_an_agent_of_the_type_runs_as_it_does_by_its_id(here: Deployment, shape: Shape) -> None:
    made = await here.ask("POST", "/agents", 201, json={"type": shape, **DEFINITIONS[shape]})
    agent_id = made.json()["id"]
    given = {"sum": "1"}
    began = await run(here, shape, agent_id=agent_id, version=1, input=given | {"text": "Hi."})
    assert (began["agent_id"], began["version"]) == (agent_id, 1)
    assert (await ended(here, began["id"]))["state"] == "succeeded"
    for other in DEFINITIONS:
        if other != shape:
            refusal = await run(here, other, 400, agent_id=agent_id)
            assert refusal["detail"] == f"This is of the type '{shape}': POST /workflows/{shape}."


async def test_every_fault_is_told_at_once_with_its_place(here: Deployment) -> None:
    broken = {"name": "x", "model": MODEL, "tools": ["calculater"], "graph": {"nodes": {"a": {**CALC, "after": ["b"]}}}}
    told = await run(here, "graph", 400, definition=broken, agent_id="agent", version=1)
    assert [fault["path"] for fault in told["faults"]] == [
        "body.definition.tools.0",
        "body.definition.graph.nodes.a.after.0",
        "body.agent_id",
        "body.version",
    ]


async def test_what_may_come_to_more_than_the_deployment_runs_is_refused_before_anything_is_stored() -> None:
    each = {"kind": "map", "over": "{{ input.sums }}", "max_items": 20, "body": CALC}
    graph = {**SUMS, "type": "graph", "graph": {"nodes": {"sum": CALC, "each": each}}}
    reason = "a run may come to 23 node runs, 21 of them here, and 22 are the most"
    async with deployed(most_node_runs=22) as here:
        told = await run(here, "graph", 400, definition=graph)
        assert [(fault["path"], fault["reason"]) for fault in told["faults"]] == [
            ("body.definition.graph.nodes.each", reason)
        ]
        assert (await here.ask("GET", "/runs")).json()["items"] == []
        refusal = (await here.ask("POST", "/agents", 400, json=graph)).json()
        assert [(fault["path"], fault["reason"]) for fault in refusal["faults"]] == [("graph.nodes.each", reason)]
    async with deployed(most_node_runs=23) as here:
        assert (await run(here, "graph", definition=graph))["bounds"]["node_runs"] == 23


async def test_who_starts_a_run_that_may_cost_more_than_its_budget_is_told_both_figures(here: Deployment) -> None:
    model = {"provider": "anthropic", "model": "claude-haiku-4-5", "max_tokens": 1000}
    dear = {"name": "dear", "model": model, "limits": {"requests": 2}, "budget": {"cost_usd_micros": 400_000}}
    began = await run(here, "single", definition=dear)
    assert began["bounds"]["cost_usd_micros"] == 410_000
    reason = "a run may come to $0.41, and is stopped before it costs more than $0.4"
    assert began["warnings"] == [{"path": "budget.cost_usd_micros", "reason": reason}]
    assert (await here.ask("GET", f"/runs/{began['id']}")).json()["warnings"] == began["warnings"]
    made = (await here.ask("POST", "/agents", 201, json=dear)).json()
    assert [warning["reason"] for warning in made["warnings"]] == [reason]
    tight = (await run(here, "single", agent_id=made["id"], budget={"cost_usd_micros": 5}))["warnings"]
    told = "a run may come to $0.41, and is stopped before it costs more than $0.000005"
    assert [warning["reason"] for warning in tight] == [told]
    enough = {**dear, "budget": {"cost_usd_micros": 410_000}}
    assert (await run(here, "single", definition=enough))["warnings"] == []


async def test_the_type_is_that_of_the_path(here: Deployment) -> None:
    told = await run(here, "single", 400, definition={"type": "graph", **SUMS})
    assert told["faults"][0] | {"suggestion": "single"} == told["faults"][0]
    assert told["faults"][0]["reason"] == "is run by POST /workflows/graph"
    told = await run(here, "single", 400, definition=SUMS)
    assert told["faults"][0]["path"] == "body.definition.type"


async def test_a_template_is_not_run(here: Deployment) -> None:
    parameters = {"type": "object", "properties": {"tone": {"type": "string", "default": "dry"}}}
    told = await run(here, "single", 400, definition={**ALONE, "parameters": parameters, "system_prompt": "${tone}"})
    assert told["faults"][0]["path"] == "body.definition.parameters"


async def test_something_must_be_named(here: Deployment) -> None:
    assert (await run(here, "single", 400))["code"] == "invalid_argument"


async def test_the_same_key_and_definition_are_the_same_run(here: Deployment) -> None:
    first = await run(here, "single", definition=ALONE, key="k")
    assert (await run(here, "single", definition=ALONE, key="k"))["id"] == first["id"]
    refusal = await run(here, "single", 409, definition={**ALONE, "system_prompt": "Be brief."}, key="k")
    assert refusal["code"] == "idempotency_key_reused"


async def test_a_session_goes_on_with_definitions(here: Deployment) -> None:
    first = await run(here, "single", definition=ALONE)
    session = first["session_id"]
    busy = await run(here, "single", 409, definition=ALONE, session_id=session)
    assert busy["code"] == "session_busy"
    waits = await run(here, "graph", definition=SUMS, session_id=session, input={"sum": "1"}, if_busy="enqueue")
    assert (await ended(here, waits["id"]))["state"] == "succeeded"
    refusal = await here.ask("POST", "/runs", 400, json={"session_id": session, "input": "Hi."})
    assert refusal.json()["detail"] == "the session has no agent: each of its runs comes with its definition"


async def test_a_session_of_an_agent_runs_nothing_else(here: Deployment) -> None:
    agent = (await here.ask("POST", "/agents", 201, json=ALONE)).json()["id"]
    began = (await here.ask("POST", "/runs", 202, json={"agent_id": agent, "input": "Hi."})).json()
    await here.rig.drain()
    refusal = await run(here, "single", 400, definition=ALONE, session_id=began["session_id"])
    assert refusal["detail"].startswith("the session is pinned to version 1 of agent")


async def test_a_failed_run_of_a_definition_can_be_tried_again(here: Deployment) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "string"}}, "required": ["sum"]}
    began = await run(here, "graph", definition={**SUMS, "input_schema": schema}, input={"sum": "1 +"})
    assert (await ended(here, began["id"]))["state"] == "failed"
    again = (await here.ask("POST", f"/runs/{began['id']}/retry", 202, json={})).json()
    assert (await ended(here, again["id"]))["state"] == "failed"
    replay = {"from": "sum", "input": {"sum": "1 + 1"}}
    other = (await here.ask("POST", f"/runs/{began['id']}/replay", 202, json=replay)).json()
    assert (await ended(here, other["id"]))["output"]["result"] == "2"
    misfit = await here.ask("POST", f"/runs/{began['id']}/replay", 400, json={"from": "sum", "input": {"sun": 1}})
    assert misfit.json()["faults"][0]["path"] == "input.sum"


async def test_a_definition_may_refer_to_agents_that_one_may_run(here: Deployment) -> None:
    agent = (await here.ask("POST", "/agents", 201, json=ALONE)).json()["id"]
    graph = {**SUMS, "graph": {"nodes": {"ask": {"kind": "agent", "agent": {"id": agent}}}}}
    began = await run(here, "graph", definition=graph)
    assert (await ended(here, began["id"]))["output"] == "Hello."
    refusal = await here.ask(
        "POST",
        "/workflows/graph",
        400,
        json={"definition": graph, "input": "Hi."},
        headers={"Authorization": "Bearer bob"},
    )
    assert refusal.json()["faults"][0]["path"] == "body.definition.graph.nodes.ask.agent.id"


async def test_an_input_of_nothing_is_an_input_whose_defaults_are_filled_in(here: Deployment) -> None:
    schema = {"type": "object", "properties": {"sum": {"type": "string", "default": "1 + 1"}}}
    nodes = {"sum": {"kind": "tool", "tool": "calculator", "arguments": {"expression": "{{ input.sum }}"}}}
    definition = {**SUMS, "input_schema": schema, "graph": {"nodes": nodes}}
    began = await run(here, "graph", definition=definition, input={})
    assert began["input"] == {"sum": "1 + 1"}
    assert (await ended(here, began["id"]))["output"]["result"] == "2"


async def test_a_definition_is_held_against_the_agents_that_it_refers_to_before_it_runs(here: Deployment) -> None:
    schema = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    taking = {**ALONE, "prompt": "{{ input.topic }}", "input_schema": schema}
    agent = (await here.ask("POST", "/agents", 201, json=taking)).json()["id"]
    ask = {"kind": "agent", "agent": {"id": agent}, "input": {"topc": "x"}}
    told = await run(here, "graph", 400, definition={**SUMS, "graph": {"nodes": {"ask": ask}}})
    assert [(fault["path"], fault["reason"]) for fault in told["faults"]] == [
        ("body.definition.graph.nodes.ask.input.topic", "is missing: it must be text")
    ]
    assert (await here.ask("GET", "/runs")).json()["items"] == []


async def test_conditions_are_tried_on_the_types_of_what_they_refer_to(here: Deployment) -> None:
    nodes = {
        "say": {"kind": "agent", "prompt": "Hm."},
        "size": {"kind": "branch", "cases": {"long": "say.output > 100", "typo": "sey.output == 'x'"}},
    }
    told = await run(here, "graph", 400, definition={**SUMS, "graph": {"nodes": nodes}})
    assert [(fault["path"], fault["reason"].partition(":")[0]) for fault in told["faults"]] == [
        ("body.definition.graph.nodes.size.cases.long", "does not fit the types of what it compares"),
        (
            "body.definition.graph.nodes.size.cases.typo",
            "'sey' is no node beside this one, and not the input",
        ),
    ]
    assert (await here.ask("GET", "/runs")).json()["items"] == []
