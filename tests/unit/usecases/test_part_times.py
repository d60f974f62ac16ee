"""A kept agent brings its limit of time along: in another's graph it counts from when the agent begins there."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from shared.domain.errors import ModelUnavailable
from shared.domain.ids import AgentId
from shared.domain.runs import Run
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn
from shared.usecases.runs.pause_run import pause_run, resume_run
from tests.support.engine_rig import ANN, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.interfering_documents import InterferingDocuments
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


GATE = {"kind": "approval", "message": "go?", "expires_after_seconds": 86_400, "default": "deny"}


async def stand_still(here: EngineRig, run: Run, by: str) -> None:
    """An hour in which the run is paused, or waits for a person at its first node."""
    if by == "pause":
        await pause_run(here.core, ANN, run.id)
    await drain(here, run)
    await here.clock.advance(3600)
    if by == "pause":
        await resume_run(here.core, ANN, run.id)
    for approval in await inbox(here):
        await decide(here, approval)


@pytest.mark.parametrize("by", ["pause", "approval"])
@pytest.mark.parametrize("deep", [False, True])
async def test_what_stood_still_before_a_kept_graph_began_gives_it_no_time(by: str, deep: Any) -> None:
    here = playing(lambda _: ())
    part = await keep(here, 10, {"deep": await keep(here, 60, CHAIN, name="inner")} if deep else CHAIN)
    before = GATE if by == "approval" else echo(0)
    run = await start(here, {"before": before, "in": {**part, "after": ["before"]}})
    await stand_still(here, run, by)
    run = await drain(here, run, pause=4)
    told = "the limit of 10 s of the agent that is in~0 is reached"
    assert await error(here, run, "in.deep.b~0" if deep else "in.c~0") == ("limit_reached", told)


async def test_each_round_of_a_kept_graph_has_its_time_from_where_it_began_itself() -> None:
    here = playing(lambda _: ())
    body = await keep(here, 14, {"gate": GATE, "a": echo(1, after=["gate"]), "b": echo("{{ a.output }}")})
    run = await start(here, {"rounds": {"kind": "loop", "body": body, "until": "false", "max_rounds": 2}})
    for _ in range(2):
        await drain(here, run, pause=4)
        await here.clock.advance(3600)
        for approval in await inbox(here):
            await decide(here, approval)
    run = await drain(here, run, pause=4)
    assert run.state is RunState.SUCCEEDED, "what a round waited for counts in no round"


async def test_a_kept_graph_whose_first_node_stood_by_in_a_pause_has_all_its_time_and_no_more() -> None:
    here = playing(lambda _: ())
    run = await start(here, {"in": await keep(here, 10, CHAIN)})
    await pause_run(here.core, ANN, run.id)
    await here.queue.deliver_next(here.deliver)
    assert (await here.node(run.id, "in.input~0")).state is NodeState.READY
    await here.clock.advance(3600)
    await resume_run(here.core, ANN, run.id)
    await here.queue.deliver_next(here.deliver)
    assert (await here.node(run.id, "in.input~0")).state is NodeState.SUCCEEDED
    await here.clock.advance(4)
    run = await drain(here, run, pause=4)
    states = [(await here.node(run.id, f"in.{name}~0")).state for name in "abc"]
    assert states == [NodeState.SUCCEEDED, NodeState.SUCCEEDED, NodeState.FAILED]


async def test_a_pause_while_its_first_node_works_gives_a_kept_graph_no_time() -> None:
    here = playing(lambda _: ())
    kept = {**await keep(here, 10, CHAIN), "input": {"text": "{{ before.output }}"}}
    run = await start(here, {"before": echo("go"), "in": kept})
    await here.queue.deliver_next(here.deliver)

    async def stand_still_a_little() -> None:
        assert (await here.node(run.id, "in.input~0")).state is NodeState.RUNNING
        await pause_run(here.core, ANN, run.id)
        here.clock.jump(8)
        await resume_run(here.core, ANN, run.id)

    reads_what_it_is_given = InterferingDocuments(here.documents, stand_still_a_little, before_read=3)
    await here.queue.deliver_next(partial(here.deliver, documents=reads_what_it_is_given))
    assert (await here.run(run.id)).waited_seconds >= 8
    assert (await here.node(run.id, "in.input~0")).state is NodeState.SUCCEEDED
    await here.clock.advance(4)
    run = await drain(here, run, pause=4)
    told = "the limit of 10 s of the agent that is in~0 is reached"
    assert await error(here, run, "in.c~0") == ("limit_reached", told)


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_gives_it_no_time_either(fate: Fate) -> None:
    names = "abcdef"
    links = {name: echo(1, **({} if name == "a" else {"after": [chr(ord(name) - 1)]})) for name in names}

    async def play(at: int) -> int:
        here = playing(lambda _: ())
        run = await start(here, {"before": echo(0), "in": {**await keep(here, 9, links), "after": ["before"]}})
        await stand_still(here, run, "pause")
        documents = FailingDocuments(here.documents, at_commit(at, fate))
        await here.work(run.id, documents)
        inside = [await here.node(run.id, f"in.{name}~0") for name in names]
        assert NodeState.FAILED in {node.state for node in inside}, f"commit {at}"
        codes = {node.error.code for node in inside if node.error is not None}
        assert codes == {"limit_reached"}, f"commit {at}"
        return documents.commits

    for at in range(await play(-1)):
        await play(at)
