"""Agents that are kept on their own as parts of a graph: pinned when a run starts, for those who may run them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from shared.domain.agents import Proposal
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import GrantUsedUp, InvalidArgument
from shared.domain.grants import Permission, grant_path
from shared.domain.ids import AgentId, Uid
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn
from shared.ports.identity import Identity
from shared.ports.tools import ToolContext
from shared.usecases.agents.check_graph import check_graph
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from shared.usecases.grants.revoke_grant import revoke_grant
from tests.support.engine_rig import CountingToolbox
from tests.support.passing_time import in_time
from tests.support.scripted_runner import Step
from tests.support.sharing_rig import OWNER, SharingRig, person
from tests.support.slow_documents import SlowDocuments

BOB = person("bob")
WRITER = {"name": "writer", "model": "local:scripted", "prompt": "Write about {{ input.text }}"}


@pytest.fixture
async def here() -> SharingRig:
    found = SharingRig()
    await found.settle("bob")
    return found


def shelf(here: SharingRig) -> Shelf:
    return Shelf(here.documents, here.rig.clock, here.rig.ids)


async def make(here: SharingRig, raw: dict[str, Any], owner: Identity = OWNER) -> AgentId:
    agent, _ = await create_agent(shelf(here), owner, Proposal(parse_definition(raw), raw))
    return agent.id


async def publish(here: SharingRig, agent: AgentId, raw: dict[str, Any]) -> None:
    await update_agent(shelf(here), OWNER, agent, Proposal(parse_definition(raw), raw))


def calling(agent: AgentId, name: str = "caller", **node: Any) -> dict[str, Any]:
    """A graph that runs a kept agent."""
    reference = {"id": agent, **node.pop("reference", {})}
    nodes = {"ask": {"kind": "agent", "agent": reference, **node}}
    return {"name": name, "model": "local:scripted", "type": "graph", "graph": {"nodes": nodes}}


async def output(here: SharingRig, agent: AgentId, who: str = "ann", **request: Any) -> Any:
    started = await here.start(agent, who, **request)
    await here.rig.drain()
    run = await here.rig.run(started.run.id)
    assert run.state is RunState.SUCCEEDED, run.error
    return await here.rig.output(run.id)


async def test_a_kept_agent_answers_as_it_would_by_itself(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    caller = await make(here, calling(writer, input="{{ input.text }}!"))
    assert await output(here, caller) == "echo: Write about hello!"


async def test_a_map_runs_a_kept_agent_for_each_item(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    raw = calling(writer)
    body = {"kind": "agent", "agent": {"id": writer}, "input": "{{ item }}"}
    raw["graph"]["nodes"] = {"each": {"kind": "map", "over": "{{ input.words }}", "body": body}}
    found = await output(here, await make(here, raw), input={"words": ["a", "b"]})
    assert found == ["echo: Write about a", "echo: Write about b"]


async def test_a_kept_graph_is_a_part_of_the_graph_that_runs_it(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    inner = await make(here, calling(writer, "inner", input="{{ input.topic }}"))
    outer = await make(here, calling(inner, "outer", input={"topic": "{{ input.text }}"}))
    assert await output(here, outer) == "echo: Write about hello"


async def test_a_kept_delegation_asks_its_agents(here: SharingRig) -> None:
    def script(turn: AgentTurn) -> list[Step]:
        asks = any(tool.name == "ask_critic" for tool in turn.tools)
        return [Step((), (("ask_critic", {"task": "judge"}),)), Step(("done",))] if asks else [Step(("good",))]

    here.rig.runner.script = script
    agents = {"critic": {"description": "Judges."}}
    boss = await make(here, {"name": "boss", "model": "local:scripted", "type": "delegation", "agents": agents})
    caller = await make(here, calling(boss))
    assert await output(here, caller) == "done"


async def test_a_failing_delegate_does_not_fail_the_graph(here: SharingRig) -> None:
    def script(turn: AgentTurn) -> list[Step]:
        asks = any(tool.name == "ask_critic" for tool in turn.tools)
        return (
            [Step((), (("ask_critic", {"task": "judge"}),)), Step(("done",))] if asks else [Step((), (("echo", {}),))]
        )

    here.rig.runner.script = script
    agents = {"critic": {"description": "Judges."}}
    raw = {"name": "boss", "model": "local:scripted", "type": "delegation", "agents": agents, "limits": {"requests": 2}}
    caller = await make(here, calling(await make(here, raw)))
    started = await here.start(caller, "ann")
    await here.rig.drain()
    run = await here.rig.run(started.run.id)
    assert (await here.rig.node(run.id, "ask~0")).state is NodeState.FAILED
    assert run.error is not None
    assert run.error.message.startswith("ask~0: "), "the delegate's own failure is its asker's affair"


async def test_what_does_not_fit_the_agents_schema_fails_the_node_and_says_why(here: SharingRig) -> None:
    schema = {"type": "object", "properties": {"topic": {"type": "string"}}, "required": ["topic"]}
    writer = await make(here, {**WRITER, "prompt": "{{ input.topic }}", "input_schema": schema})
    started = await here.start(await make(here, calling(writer)), "ann")
    await here.rig.drain()
    error = (await here.rig.run(started.run.id)).error
    assert error is not None
    assert (error.code, "input.topic is missing" in error.message) == ("invalid_argument", True)


async def test_a_run_keeps_what_its_references_meant_when_it_began(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    latest = await make(here, calling(writer, "latest"))
    pinned = await make(here, calling(writer, "pinned", reference={"version": 1}))
    began = await here.start(latest, "ann")
    await publish(here, writer, {**WRITER, "prompt": "Sing of {{ input.text }}"})
    await here.rig.drain()
    assert await here.rig.output(began.run.id) == "echo: Write about hello"
    assert await output(here, latest) == "echo: Sing of hello"
    assert await output(here, pinned) == "echo: Write about hello"


async def test_what_a_reference_has_grown_to_is_refused_when_a_run_starts(here: SharingRig) -> None:
    say = {"kind": "agent", "prompt": "Hm"}
    each = {"kind": "map", "over": "{{ input.words }}", "max_items": 20, "body": say}
    small = {**calling(AgentId("none"), "inner"), "graph": {"nodes": {"one": say}}}
    inner = await make(here, small)
    outer = await make(here, calling(inner))
    here.rig.most_node_runs = 23
    assert await output(here, outer) == "echo: Hm"
    await publish(here, inner, {**small, "graph": {"nodes": {"each": each}}})
    with pytest.raises(InvalidArgument) as refusal:
        await here.start(outer, "ann")
    reason = "a run may come to 24 node runs, 23 of them here, and 23 are the most"
    assert [(fault.path, fault.reason) for fault in refusal.value.faults] == [("graph.nodes.ask", reason)]


async def test_only_who_may_run_the_kept_agent_makes_or_runs_the_graph(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    caller = await make(here, calling(writer))
    await here.grant(caller, "bob", Permission.RUN)
    path, reason = "graph.nodes.ask.agent.id", f"there is no agent '{writer}' that you may run"
    for attempt in (here.start(caller, "bob"), make(here, calling(writer), BOB)):
        with pytest.raises(InvalidArgument) as refusal:
            await attempt
        assert [(fault.path, fault.reason) for fault in refusal.value.faults] == [(path, reason)]
    await here.grant(writer, "bob", Permission.VIEW)
    with pytest.raises(InvalidArgument) as refusal:
        await here.start(caller, "bob")
    assert refusal.value.faults[0].reason == f"you cannot run '{writer}': You may see this agent, but not run it."
    await here.grant(writer, "bob", Permission.RUN)
    assert await output(here, caller, "bob") == "echo: Write about hello"
    await revoke_grant(here.documents, OWNER, writer, Uid("bob"))
    with pytest.raises(InvalidArgument):
        await here.start(caller, "bob")


async def test_a_run_counts_for_the_grants_of_the_agents_that_are_a_part_of_it(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    await here.grant(writer, "bob", Permission.RUN, max_runs=1)
    caller = await make(here, calling(writer), BOB)
    assert await output(here, caller, "bob") == "echo: Write about hello"
    assert (await here.documents.get(grant_path(writer, Uid("bob")))).fields["runs_used"] == 1
    with pytest.raises(GrantUsedUp):
        await here.start(caller, "bob")


async def test_what_is_granted_up_to_a_cost_runs_only_by_itself(here: SharingRig) -> None:
    writer = await make(here, WRITER)
    caller = await make(here, calling(writer))
    await here.grant(caller, "bob", Permission.RUN)
    await here.grant(writer, "bob", Permission.RUN, max_cost_usd_micros_per_day=5)
    with pytest.raises(InvalidArgument) as refusal:
        await here.start(caller, "bob")
    assert "only by itself" in refusal.value.faults[0].reason


async def test_tools_of_a_kept_agent_use_the_secrets_of_who_wrote_it(here: SharingRig) -> None:
    authors: list[tuple[str, Uid | None]] = []

    class Noting(CountingToolbox):
        async def tools_for(self, kit: Any, context: ToolContext) -> Any:
            authors.append((context.instance, context.author_uid))
            return await super().tools_for(kit, context)

    here.rig.toolbox = Noting(here.rig.toolbox.tools)
    writer = await make(here, WRITER)
    await here.grant(writer, "bob", Permission.RUN)
    raw = calling(writer)
    raw["graph"]["nodes"]["own"] = {"kind": "agent", "prompt": "Hm"}
    await output(here, await make(here, raw, BOB), "bob")
    assert sorted(authors) == [("ask~0", "ann"), ("own~0", "bob")]


def asking(*references: tuple[str, Any], name: str = "caller") -> dict[str, Any]:
    """A graph that runs several kept agents."""
    nodes = {
        f"n{n}": {"kind": "agent", "agent": {"id": agent} | ({"version": version} if version else {})}
        for n, (agent, version) in enumerate(references)
    }
    return {"name": name, "model": "local:scripted", "type": "graph", "graph": {"nodes": nodes}}


async def round_trips(here: SharingRig, raw: dict[str, Any], by: Identity = OWNER) -> int:
    """Of checking a definition, one after the other, whatever comes of it."""
    clock = here.rig.clock
    slow = Shelf(SlowDocuments(here.documents, clock), clock, here.rig.ids)
    began = clock.now()
    with suppress(InvalidArgument):
        await in_time(clock, check_graph(slow, by, parse_definition(raw)), 0.5)
    return round((clock.now() - began).total_seconds())


async def test_many_agents_cost_as_many_round_trips_as_one(here: SharingRig) -> None:
    agents = [await make(here, {**WRITER, "name": f"writer{n}"}) for n in range(5)]
    inner = [await make(here, calling(agent, f"inner{n}")) for n, agent in enumerate(agents)]
    for agent in [*agents, *inner]:
        await here.grant(agent, "bob", Permission.RUN)
    few, many = asking((inner[0], None)), asking(*((agent, None) for agent in inner))
    assert [await round_trips(here, raw) for raw in (few, many)] == [4, 4], "agents and versions, level by level"
    assert [await round_trips(here, raw, BOB) for raw in (few, many)] == [6, 6], "and the grants of others' agents"


async def test_what_is_not_there_is_looked_for_once(here: SharingRig) -> None:
    agent = await make(here, WRITER)
    raw = asking(*[(agent, 7)] * 4, *[("nosuch", None)] * 4)
    assert await round_trips(here, raw) == await round_trips(here, asking((agent, 7), ("nosuch", None))) == 2
    with pytest.raises(InvalidArgument) as refused:
        await check_graph(shelf(here), OWNER, parse_definition(raw))
    assert [fault.path for fault in refused.value.faults] == [f"graph.nodes.n{n}.agent.id" for n in range(8)]


async def test_more_references_than_a_plan_has_nodes_are_not_even_loaded(
    here: SharingRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = [await make(here, {**WRITER, "name": f"writer{n}"}) for n in range(4)]
    inner = await make(here, asking(*((agent, None) for agent in agents), name="inner"))
    raw = asking((inner, None))
    whole = await round_trips(here, raw)
    monkeypatch.setattr("shared.usecases.agents.find_kept_agents.MAX_NODES", 3)
    assert await round_trips(here, raw) < whole
    with pytest.raises(InvalidArgument) as refused:
        await check_graph(shelf(here), OWNER, parse_definition(raw))
    assert [(fault.path, fault.reason) for fault in refused.value.faults] == [
        ("graph.nodes.n0", "comes to more than 3 nodes")
    ]
