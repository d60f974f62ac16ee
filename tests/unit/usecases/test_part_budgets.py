"""A kept agent brings its budget along: in another's graph it holds beside the run's, for each instance by itself."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.ids import AgentId, RunId
from shared.domain.runs import Run
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn, Forecast
from shared.ports.documents import Query
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from tests.support.engine_rig import ANN, CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.scripted_runner import COST, ScriptedRunner, Step
from tests.unit.usecases.test_budgets import balanced, play_at_once

TOKENS = COST.input_tokens + COST.output_tokens
PRICE = COST.cost_usd_micros or 0
SAY: dict[str, Any] = {"kind": "agent", "prompt": "{{ input.text }}"}
WORDS = {"text": "hello", "words": ["a", "b", "c"]}


def steps(turn: AgentTurn) -> list[Step]:
    """An agent that calls a tool once, and answers: two model calls."""
    return [Step(("look",), (("echo", {"value": turn.prompt}),)), Step(("done",))]


def rig() -> EngineRig:
    runner = ScriptedRunner(steps, forecast=Forecast(TOKENS, PRICE))
    return EngineRig(runner, CountingToolbox({"echo": lambda args: args["value"]}))


async def keep(here: EngineRig, name: str, nodes: dict[str, Any] | None = None, **more: Any) -> AgentId:
    """A kept agent: one that is a graph where it has nodes."""
    graph = {} if nodes is None else {"type": "graph", "graph": {"nodes": nodes}}
    return await here.make_agent(name=name, tools=["echo"], **graph, **more)


def ask(agent: AgentId, **more: Any) -> dict[str, Any]:
    return {"kind": "agent", "agent": {"id": agent}, **more}


async def run_of(here: EngineRig, nodes: dict[str, Any], **more: Any) -> Run:
    """A run to its end, with everything that is ready at work at once."""
    started = await here.start(await keep(here, "outer", nodes, **more), input=WORDS)
    await play_at_once(here, started.run.id)
    return await here.run(started.run.id)


async def ledgers(here: EngineRig, run_id: RunId) -> dict[str, dict[str, Any]]:
    """The run's ledgers by their names."""
    found = await here.documents.query(Query(f"runs/{run_id}/ledgers"))
    return {snapshot.id: dict(snapshot.fields) for snapshot in found}


async def calls_within(here: EngineRig, run_id: RunId) -> int:
    """The recorded model calls of what is in `in`."""
    nodes = await here.documents.query(Query(f"runs/{run_id}/nodes"))
    return sum(node.fields["usage"]["requests"] for node in nodes if node.id.startswith("in."))


async def failure(here: EngineRig, run: Run, instance: str) -> tuple[NodeState, str | None]:
    node = await here.node(run.id, instance)
    return node.state, None if node.error is None else node.error.code


@pytest.mark.parametrize(
    ("budget", "name"),
    [
        ({"calls": 3}, "calls"),
        ({"tokens": 3 * TOKENS}, "tokens"),
        ({"cost_usd_micros": 3 * PRICE + 1}, "cost_usd_micros"),
    ],
)
async def test_nodes_of_a_kept_graph_share_its_budget_and_the_others_do_not(budget: dict[str, int], name: str) -> None:
    here = rig()
    inner = await keep(here, "inner", {"one": SAY, "two": SAY, "three": SAY}, budget=budget)
    run = await run_of(here, {"in": ask(inner), "beside": SAY, "after": {**SAY, "after": ["in.failed"]}})
    assert run.state is RunState.SUCCEEDED, run.error
    assert await failure(here, run, "in~0") == (NodeState.FAILED, "budget_exceeded")
    assert run.usage.requests == 3 + 2 + 2, "three calls within, two by each of the others"
    found = await ledgers(here, run.id)
    assert (list(found), found["in~0"]["calls"]) == (["in~0"], 3)
    assert balanced(found["in~0"], name)


async def test_the_runs_budget_counts_what_a_kept_agent_consumes_and_is_told_apart() -> None:
    here = rig()
    inner = await keep(here, "inner", {"one": SAY, "two": SAY}, budget={"calls": 50})
    run = await run_of(here, {"in": ask(inner)}, budget={"calls": 3})
    assert run.error is not None
    assert "the run's budget of 3 model calls" in run.error.message
    found = await ledgers(here, run.id)
    assert (found["budget"]["calls"], found["in~0"]["calls"]) == (3, 3)
    assert balanced(found["budget"], "calls")
    assert balanced(found["in~0"], "calls")


async def test_each_place_where_a_kept_agent_stands_has_a_budget_by_itself() -> None:
    here = rig()
    writer = await keep(here, "writer", budget={"calls": 2})
    each = {"kind": "map", "over": "{{ input.words }}", "body": ask(writer, input="{{ item }}")}
    run = await run_of(here, {"first": ask(writer), "each": each})
    assert (run.state, run.usage.requests) == (RunState.SUCCEEDED, 8)
    found = await ledgers(here, run.id)
    assert {name: ledger["calls"] for name, ledger in found.items()} == {
        "each[0]~0": 2,
        "each[1]~0": 2,
        "each[2]~0": 2,
        "first~0": 2,
    }


async def test_an_agent_within_a_kept_graph_is_held_by_both_budgets() -> None:
    for inner_calls, middle_calls, told in ((1, 9, "the agent that is in.ask~0"), (9, 1, "the agent that is in~0")):
        here = rig()
        inner = await keep(here, "inner", budget={"calls": inner_calls})
        middle = await keep(here, "middle", {"ask": ask(inner)}, budget={"calls": middle_calls})
        run = await run_of(here, {"in": ask(middle)})
        assert run.error is not None
        assert (run.usage.requests, told in run.error.message) == (1, True), run.error.message


async def test_delegates_of_a_kept_agent_draw_on_its_budget() -> None:
    here = rig()

    def script(turn: AgentTurn) -> list[Step]:
        asks = any(tool.name == "ask_critic" for tool in turn.tools)
        return [Step((), (("ask_critic", {"task": "judge"}),)), Step(("done",))] if asks else steps(turn)

    here.runner.script = script
    critic = {"description": "Judges.", "tools": ["echo"]}
    boss = await keep(here, "boss", type="delegation", agents={"critic": critic}, budget={"calls": 2})
    run = await run_of(here, {"ask": ask(boss), "else": {**SAY, "after": ["ask.failed"]}})
    assert await failure(here, run, "ask~0") == (NodeState.FAILED, "budget_exceeded")
    assert (await ledgers(here, run.id))["ask~0"]["calls"] == 2


async def test_what_a_kept_agent_may_not_do_its_fallback_does() -> None:
    here = rig()
    writer = await keep(here, "writer", budget={"calls": 1})
    run = await run_of(here, {"ask": ask(writer, fallback={"kind": "tool", "tool": "echo", "arguments": {"value": 7}})})
    assert (run.state, await here.output(run.id)) == (RunState.SUCCEEDED, 7)
    assert await failure(here, run, "ask.main~0") == (NodeState.FAILED, "budget_exceeded")


async def test_only_so_many_nodes_of_a_kept_graph_are_at_work_at_once() -> None:
    most, now = {"within": 0, "beside": 0}, {"within": 0, "beside": 0}

    async def work(args: Any) -> None:
        where = args["where"]
        now[where] += 1
        most[where] = max(most[where], now[where])
        await here.clock.sleep(1)
        now[where] -= 1

    def tools(where: str) -> dict[str, Any]:
        return {f"n{n}": {"kind": "tool", "tool": "work", "arguments": {"where": where}} for n in range(5)}

    here = rig()
    here.toolbox.tools["work"] = work
    each = {"kind": "map", "over": "{{ input.words }}", "body": {**tools("within")["n0"]}}
    inner = await keep(here, "inner", {**tools("within"), "each": each}, budget={"parallel_nodes": 2})
    run = await run_of(here, {"in": ask(inner), **tools("beside")})
    assert (run.state, most) == (RunState.SUCCEEDED, {"within": 2, "beside": 5})
    assert (await ledgers(here, run.id))["in~0"]["granted_places"] == 0


async def test_a_repeated_run_begins_each_budget_anew() -> None:
    here = rig()
    writer = await keep(here, "writer", budget={"calls": 1})
    first = await run_of(here, {"ask": ask(writer)})
    again = await repeat_run(here.core, RepeatRequest(ANN, first.id, "retry"))
    await play_at_once(here, again.run.id)
    assert (await here.run(again.run.id)).state is RunState.SUCCEEDED, "it goes on from its journal, with one more call"
    assert (await ledgers(here, again.run.id))["ask~0"]["calls"] == 1


@pytest.mark.parametrize(
    ("limits", "calls", "told"),
    [
        ({"requests": 1}, 1, "the limit of 1 model requests is reached"),
        ({"total_tokens": TOKENS}, 1, f"the limit of {TOKENS} tokens is reached"),
        ({"cost_usd_micros": PRICE}, 1, "The agent's limit of"),
    ],
)
async def test_a_kept_agents_limits_hold_inside_as_they_do_by_itself(
    limits: dict[str, Any], calls: int, told: str
) -> None:
    here = rig()
    writer = await keep(here, "writer", limits=limits)
    alone = await here.start(writer)
    await here.work(alone.run.id)
    assert len(here.runner.requests) == calls
    run = await run_of(here, {"ask": ask(writer)})
    assert (run.usage.requests, run.state) == (calls, RunState.FAILED)
    error, own = run.error, (await here.run(alone.run.id)).error
    assert error is not None
    assert own is not None
    assert error.message == f"ask~0: {own.message}"
    assert told in error.message


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_neither_overruns_a_parts_budget_nor_leaves_anything_held(fate: Fate) -> None:
    async def start() -> tuple[EngineRig, RunId]:
        here = rig()
        inner = await keep(here, "inner", {"one": SAY, "two": SAY}, budget={"calls": 40, "parallel_nodes": 2})
        outer = await keep(here, "outer", {"in": ask(inner), "out": SAY}, budget={"calls": 60})
        return here, (await here.start(outer)).run.id

    counted, run_id = await start()
    counting = FailingDocuments(counted.documents)
    await counted.work(run_id, counting)
    assert (await ledgers(counted, run_id))["in~0"]["calls"] == 4
    for at in range(counting.commits):
        here, run_id = await start()
        await here.work(run_id, FailingDocuments(here.documents, at_commit(at, fate)))
        await here.drain()
        assert (await here.run(run_id)).state is RunState.SUCCEEDED, f"commit {at}"
        found = await ledgers(here, run_id)
        assert balanced(found["in~0"], "calls"), f"commit {at}"
        assert balanced(found["budget"], "calls"), f"commit {at}"
        assert found["in~0"]["granted_places"] == 0, f"commit {at}"
        assert await calls_within(here, run_id) <= found["in~0"]["calls"] <= 40, f"commit {at}"
