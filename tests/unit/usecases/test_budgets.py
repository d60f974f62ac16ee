"""Nodes of a run share its budget: together they never consume more, whatever dies, and a stopped run loses nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.budgets import Budget
from shared.domain.quotas import Quota
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn, Forecast
from shared.ports.documents import Query
from tests.support.engine_rig import ANN, CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.noting_documents import NotingDocuments
from tests.support.scripted_runner import COST, ScriptedRunner, Step

TOKENS = COST.input_tokens + COST.output_tokens
PRICE = COST.cost_usd_micros or 0
DAY = "2026-01-01"
ASKING = {"kind": "agent", "prompt": "{{ item }}"}


def steps(turn: AgentTurn) -> list[Step]:
    """An agent that calls a tool once, and answers: two model calls."""
    return [Step(("look",), (("echo", {"value": turn.prompt}),)), Step(("done",))]


def rig(**more: Any) -> EngineRig:
    runner = ScriptedRunner(steps, forecast=Forecast(TOKENS, PRICE))
    return EngineRig(runner, CountingToolbox({"echo": lambda args: args["value"]}), **more)


def wide(items: int, **more: Any) -> dict[str, Any]:
    """A graph that asks an agent about each of so many items, at the same time."""
    nodes: dict[str, Any] = {
        "list": {"kind": "tool", "tool": "echo", "arguments": {"value": list(range(items))}},
        "each": {"kind": "map", "over": "{{ list.output }}", "body": ASKING},
    }
    return {"type": "graph", "tools": ["echo"], "graph": {"nodes": nodes}, **more}


async def play_at_once(rig_: EngineRig, run_id: Any) -> None:
    """Deliver whatever is pending at the same time, again and again."""
    for _ in range(200):
        if (await rig_.run(run_id)).completed_at is not None:
            return
        tasks = list(rig_.queue.pending)
        rig_.queue.pending.clear()
        delivered = await asyncio.gather(*(rig_.deliver(task) for task in tasks))
        for task, done in zip(tasks, delivered, strict=True):
            if not done:
                rig_.queue.redeliver(task)
        await rig_.clock.advance(2)
    raise AssertionError("the run does not end")


async def ledger(rig_: EngineRig, run_id: Any) -> dict[str, Any]:
    """The run's ledger."""
    found = await rig_.documents.get(f"runs/{run_id}/ledgers/budget")
    return dict(found.fields or {})


async def day(rig_: EngineRig, uid: str = ANN, day: str = DAY) -> dict[str, Any]:
    """What a person consumed in a day."""
    return dict((await rig_.documents.get(f"usage/{uid}/days/{day}")).fields or {})


def balanced(found: dict[str, Any], *names: str) -> bool:
    """Whether nothing is held any more."""
    return all(found[f"granted_{name}"] == found[name] for name in names)


@pytest.mark.parametrize(
    ("budget", "limit", "each"),
    [({"calls": 7}, 7, 1), ({"tokens": 7 * TOKENS}, 7, 1), ({"cost_usd_micros": 7 * PRICE + 3}, 7, 1)],
)
async def test_items_of_a_map_together_make_no_call_that_would_cross_the_runs_budget(
    budget: dict[str, int], limit: int, each: int
) -> None:
    here = rig()
    started = await here.start(await here.make_agent(**wide(6, budget=budget)))
    await play_at_once(here, started.run.id)
    run = await here.run(started.run.id)
    assert run.state is RunState.FAILED
    assert run.error is not None
    assert run.error.code == "budget_exceeded"
    assert len(here.runner.requests) == limit * each
    assert run.usage.requests == limit
    (name,) = budget
    assert balanced(await ledger(here, run.id), name)


async def test_what_was_done_before_the_budget_was_reached_is_kept() -> None:
    here = rig()
    started = await here.start(await here.make_agent(**wide(4, budget={"calls": 5})))
    await here.work(started.run.id)
    nodes = [await here.node(started.run.id, f"each[{index}]~0") for index in range(4)]
    ended = [node.state for node in nodes]
    assert ended.count(NodeState.SUCCEEDED) >= 1
    failed = [node for node in nodes if node.state is NodeState.FAILED]
    assert {node.error.code for node in failed if node.error} == {"budget_exceeded"}
    assert sum(node.usage.requests for node in nodes) == 5
    assert all(node.held is None for node in nodes)


async def test_a_budget_that_is_enough_to_the_last_call_lets_every_node_finish_at_once() -> None:
    here = rig()
    started = await here.start(await here.make_agent(**wide(6, budget={"calls": 12, "tokens": 12 * TOKENS})))
    await play_at_once(here, started.run.id)
    assert (await here.run(started.run.id)).state is RunState.SUCCEEDED
    found = await ledger(here, started.run.id)
    assert (found["calls"], found["tokens"]) == (12, 12 * TOKENS)
    assert balanced(found, "calls", "tokens")


async def test_delegates_at_work_at_once_share_the_budget() -> None:
    def script(turn: AgentTurn) -> list[Step]:
        if turn.agent.name.endswith("writer"):
            return [Step(("draft",), (("echo", {"value": 1}),)), Step(("text",))]
        asks = tuple(("ask_writer", {"task": f"part {n}"}) for n in range(3))
        return [Step(("ask",), asks), Step(("all",))]

    here = EngineRig(ScriptedRunner(script, calls_at_once=True), CountingToolbox({"echo": lambda args: args["value"]}))
    writer = {"description": "writes", "tools": ["echo"]}
    agent = await here.make_agent(type="delegation", agents={"writer": writer}, budget={"calls": 6})
    started = await here.start(agent)
    await here.work(started.run.id)
    run = await here.run(started.run.id)
    assert run.error is not None
    assert run.error.code == "budget_exceeded"
    assert len(here.runner.requests) == 6
    assert balanced(await ledger(here, run.id), "calls")


async def test_whoever_asks_for_a_run_may_tighten_its_budget_and_not_widen_it() -> None:
    for asked, calls in ((Budget(calls=1), 1), (Budget(calls=9), 2)):
        here = rig()
        agent = await here.make_agent(tools=["echo"], budget={"calls": 2})
        started = await here.start(agent, budget=asked)
        await here.work(started.run.id)
        assert len(here.runner.requests) == calls


async def test_a_model_whose_price_is_not_known_is_not_asked_under_a_limit_of_cost() -> None:
    here = rig()
    here.runner.forecast = Forecast(TOKENS, None)
    started = await here.start(await here.make_agent(tools=["echo"], budget={"cost_usd_micros": 1000}))
    await here.work(started.run.id)
    run = await here.run(started.run.id)
    assert run.error is not None
    assert run.error.code == "failed_precondition"
    assert here.runner.requests == []


async def test_an_answer_is_shortened_before_a_budget_is_called_used_up() -> None:
    here = rig()
    here.runner.forecast = Forecast(10, 0, output_tokens=800, least_output_tokens=100, output_usd_micros_per_token=2)
    agent = await here.make_agent(budget={"tokens": 1000, "cost_usd_micros": 500})
    here.runner.script = lambda _: (Step(("done",)),)
    first = await here.start(agent)
    await here.work(first.run.id)
    assert here.runner.longest == [200]
    assert (await here.run(first.run.id)).state is RunState.SUCCEEDED
    poor = await here.start(agent, budget=Budget(tokens=109))
    await here.work(poor.run.id)
    assert (await here.run(poor.run.id)).state is RunState.FAILED
    assert here.runner.longest == [200]


async def test_a_run_without_budgets_touches_no_ledger() -> None:
    here = rig()
    started = await here.start(await here.make_agent(**wide(3)))
    await here.work(started.run.id)
    assert [path for path in here.documents.paths if "/ledgers/" in path] == []
    counted = await day(here)
    assert (counted["runs"], counted["calls"], counted["tokens"]) == (1, 6, 6 * TOKENS)
    assert counted["cost_usd_micros"] == 6 * PRICE


async def test_most_calls_of_a_node_write_nothing_to_a_ledger() -> None:
    def long(_: AgentTurn) -> list[Step]:
        return [*(Step(("more",), (("echo", {"value": n}),)) for n in range(15)), Step(("end",))]

    here = rig()
    here.runner.script = long
    started = await here.start(await here.make_agent(tools=["echo"], budget={"calls": 1000}))
    documents = NotingDocuments(here.documents)
    await here.work(started.run.id, documents)
    assert (await here.run(started.run.id)).usage.requests == 16
    draws = [writes for writes in documents.commits if any("/ledgers/" in write.path for write in writes)]
    assert len(draws) == 3  # two chunks of eight calls, and the node's end


@pytest.mark.parametrize(
    ("quota", "name", "each"),
    [
        (Quota(calls_per_day=5), "calls", 1),
        (Quota(tokens_per_day=5 * TOKENS), "tokens", TOKENS),
        (Quota(cost_usd_micros_per_day=5 * PRICE), "cost_usd_micros", PRICE),
    ],
)
async def test_the_runs_of_a_person_share_the_days_quota_and_the_next_day_brings_another(
    quota: Quota, name: str, each: int
) -> None:
    here = rig(quota=quota)
    agent = await here.make_agent(**wide(2))
    runs = [(await here.start(agent)).run for _ in range(2)]
    for run in runs:
        await play_at_once(here, run.id)
    ended = [await here.run(run.id) for run in runs]
    assert {run.error.code for run in ended if run.error} == {"quota_exceeded"}
    assert len(here.runner.requests) == 5
    counted = await day(here)
    assert (counted[name], counted[f"limit_{name}"], counted["runs"]) == (5 * each, 5 * each, 2)
    assert counted["resets_at"].isoformat() == "2026-01-02T00:00:00+00:00"
    here.clock.jump(24 * 3600)
    following = await here.start(agent)
    await here.work(following.run.id)
    assert (await here.run(following.run.id)).state is RunState.SUCCEEDED
    assert (await day(here, day="2026-01-02"))[name] == 4 * each


async def test_what_works_over_midnight_goes_on_with_the_quota_of_the_new_day() -> None:
    here = rig(quota=Quota(calls_per_day=4))
    here.clock.jump(24 * 3600 - 1)

    def midnight() -> None:
        if len(here.runner.requests) == 3:
            here.clock.jump(2)

    here.runner.script = lambda _: [
        *[Step(("x",), (("echo", {"value": 1}),), before_end=midnight)] * 4,
        Step(("done",)),
    ]
    run = (await here.start(await here.make_agent(tools=["echo"]))).run
    await here.work(run.id)
    assert (await here.run(run.id)).state is RunState.SUCCEEDED
    days = [await day(here), await day(here, day="2026-01-02")]
    assert [one["calls"] for one in days] == [4, 1]
    assert all(balanced(one, "calls") for one in days)


@pytest.mark.parametrize(
    ("budget", "quota", "runs"), [({"parallel_nodes": 3}, Quota(), 1), ({}, Quota(parallel_nodes=3), 2)]
)
async def test_only_so_many_nodes_of_a_graph_or_of_a_person_are_at_work_at_once(
    budget: dict[str, int], quota: Quota, runs: int
) -> None:
    most, now = 0, 0

    async def work(_: Any) -> int:
        nonlocal most, now
        now += 1
        most = max(most, now)
        await here.clock.sleep(1)
        now -= 1
        return now

    here = rig(quota=quota)
    here.toolbox.tools["work"] = work
    nodes = {f"n{n}": {"kind": "tool", "tool": "work"} for n in range(7)}
    agent = await here.make_agent(type="graph", graph={"nodes": nodes}, budget=budget)
    started = [(await here.start(agent)).run.id for _ in range(runs)]
    for run_id in started:
        await play_at_once(here, run_id)
        assert (await here.run(run_id)).state is RunState.SUCCEEDED
    assert most == 3
    path = f"runs/{started[0]}/ledgers/budget" if budget else f"usage/{ANN}/ledgers/now"
    assert (await here.documents.get(path)).fields["granted_places"] == 0


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_neither_overruns_a_budget_nor_leaves_anything_held(fate: Fate) -> None:
    budget = {"calls": 40, "tokens": 60 * TOKENS}

    async def start() -> tuple[EngineRig, Any]:
        here = rig(quota=Quota(calls_per_day=90, parallel_nodes=8))
        return here, await here.start(await here.make_agent(**wide(2, budget=budget)))

    counted, started = await start()
    counting = FailingDocuments(counted.documents)
    await counted.work(started.run.id, counting)
    assert (await ledger(counted, started.run.id))["calls"] == 4
    for at in range(counting.commits):
        here, started = await start()
        await here.work(started.run.id, FailingDocuments(here.documents, at_commit(at, fate)))
        await here.drain()
        assert (await here.run(started.run.id)).state is RunState.SUCCEEDED, f"commit {at}"
        run_ledger, person_ledger = await ledger(here, started.run.id), await day(here)
        assert balanced(run_ledger, "calls", "tokens"), f"commit {at}"
        assert balanced(person_ledger, "calls"), f"commit {at}"
        assert len(here.runner.requests) <= run_ledger["calls"] <= 40, f"commit {at}"
        assert person_ledger["calls"] == run_ledger["calls"], f"commit {at}"
        now = await here.documents.get(f"usage/{ANN}/ledgers/now")
        assert now.fields["granted_places"] == 0, f"commit {at}"
        leases = await here.documents.query(Query("leases"))
        assert leases == []
