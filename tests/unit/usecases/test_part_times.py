"""A kept agent brings its limit of time along: in another's graph it counts from when the agent begins there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.errors import ModelUnavailable
from shared.domain.ids import AgentId
from shared.domain.runs import Run
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn
from shared.usecases.runs.pause_run import pause_run, resume_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import Step
from tests.unit.usecases.test_approvals import GUARDED, STEPS, decide, inbox, playing


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


async def keep(here: EngineRig, seconds: float, nodes: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A node that is a kept agent with so much time."""
    graph = {} if nodes is None else {"type": "graph", "graph": {"nodes": nodes}}
    agent = await here.make_agent(name=more.pop("name", "kept"), limits={"seconds": seconds}, **graph, **more)
    return {"kind": "agent", "agent": {"id": agent}}


async def start(here: EngineRig, nodes: dict[str, Any]) -> Run:
    agent: AgentId = await here.make_agent(name="outer", type="graph", graph={"nodes": nodes})
    return (await here.start(agent)).run


async def drain(here: EngineRig, run: Run, pause: float = 0) -> Run:
    """The run at its end; `pause` seconds pass between two tasks."""
    while here.queue.pending:
        await here.queue.deliver_next(here.deliver)
        await here.clock.advance(pause)
    return await here.run(run.id)


async def error(here: EngineRig, run: Run, instance: str) -> tuple[str, str]:
    node = await here.node(run.id, instance)
    assert (node.state, node.error is not None) == (NodeState.FAILED, True)
    return ("", "") if node.error is None else (node.error.code, node.error.message)


CHAIN = {"a": echo(1), "b": echo("{{ a.output }}"), "c": echo("{{ b.output }}")}


async def test_the_time_of_a_kept_graph_counts_from_its_own_start_over_all_its_nodes() -> None:
    here = playing(lambda _: ())
    before = {"w": echo(0), "x": echo("{{ w.output }}"), "y": echo("{{ x.output }}")}
    run = await start(here, {**before, "in": {**await keep(here, 10, CHAIN), "after": ["y"]}})
    run = await drain(here, run, pause=4)
    states = [(await here.node(run.id, f"in.{name}~0")).state for name in "abc"]
    assert states == [NodeState.SUCCEEDED, NodeState.SUCCEEDED, NodeState.FAILED]
    told = "the limit of 10 s of the agent that is in~0 is reached"
    assert await error(here, run, "in.c~0") == ("limit_reached", told)
    assert here.toolbox.calls["in.c~0 echo call"] == 0


async def test_what_is_within_a_kept_graph_has_no_more_time_than_it() -> None:
    here = playing(lambda _: ())
    inner = await keep(here, 60, CHAIN, name="inner")
    run = await start(here, {"in": await keep(here, 10, {"deep": inner})})
    run = await drain(here, run, pause=4)
    told = "the limit of 10 s of the agent that is in~0 is reached"
    assert await error(here, run, "in.deep.b~0") == ("limit_reached", told)


async def test_a_kept_agent_is_stopped_in_the_middle_of_a_response_and_not_asked_again() -> None:
    here = playing(lambda _: (Step(("half an ",), before_end=asyncio.Event().wait),))
    run = await drain(here, await start(here, {"ask": await keep(here, 5), "else": echo(1, after=["ask.failed"])}))
    assert run.state is RunState.SUCCEEDED, "the rest of the graph has its own time"
    assert await error(here, run, "ask~0") == (
        "limit_reached",
        "the limit of 5 s of the agent that is ask~0 is reached",
    )
    assert (await here.node(run.id, "ask~0")).attempt == 1


async def test_the_time_of_a_kept_agent_counts_over_all_its_attempts() -> None:
    def script(_: AgentTurn) -> tuple[Step, ...]:
        raise ModelUnavailable("it is away")

    here = playing(script)
    retry = {"max_attempts": 20, "initial_seconds": 4, "factor": 1, "jitter": 0}
    run = await start(here, {"ask": {**await keep(here, 10), "retry": retry}})
    run = await drain(here, run, pause=4)
    assert await error(here, run, "ask~0") == (
        "limit_reached",
        "the limit of 10 s of the agent that is ask~0 is reached",
    )
    assert (await here.node(run.id, "ask~0")).failures in {2, 3}


async def test_each_item_of_a_map_has_its_own_time() -> None:
    here = playing(lambda _: (Step(("said",)),))
    each = {"kind": "map", "over": "{{ list.output }}", "body": await keep(here, 6)}
    run = await start(here, {"list": echo([1, 2, 3, 4, 5]), "each": each})
    assert (await drain(here, run, pause=4)).state is RunState.SUCCEEDED


async def test_waiting_for_people_takes_none_of_a_kept_agents_time() -> None:
    here = playing(lambda _: STEPS)
    run = await start(here, {"ask": await keep(here, 10, tools=GUARDED)})
    await drain(here, run)
    await here.clock.advance(3600)
    for approval in await inbox(here):
        await decide(here, approval)
    assert (await drain(here, run)).state is RunState.SUCCEEDED


@pytest.mark.parametrize("kind", ["graph", "agent"])
async def test_a_pause_takes_none_of_a_kept_agents_time(kind: str) -> None:
    here = playing(lambda _: (Step(("said",)),))
    run = await start(here, {"in": await keep(here, 10, CHAIN if kind == "graph" else None)})
    if kind == "graph":
        await here.queue.deliver_next(here.deliver)
    await pause_run(here.core, ANN, run.id)
    await drain(here, run)
    await here.clock.advance(3600)
    await resume_run(here.core, ANN, run.id)
    assert (await drain(here, run)).state is RunState.SUCCEEDED
