"""Maps and loops whose body is a graph: what they come to, what fails or is skipped with them, and doing them again."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import InvalidArgument
from shared.domain.ids import NodeId, RunId
from shared.domain.nodes import nodes_path
from shared.domain.runs import WAVE, Run
from shared.domain.states import NodeState, RunState, is_terminal
from shared.ports.documents import Query
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from tests.support.engine_rig import ANN, CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit

WORDS = {"words": ["a", "b"], "rounds": 2, "broken": "none"}


def tools() -> CountingToolbox:
    def check(args: Any) -> Any:
        if args["value"] == args["broken"]:
            raise ValueError(f"{args['value']} broke")
        return args["value"]

    return CountingToolbox({"echo": lambda args: args["value"], "check": check})


def echo(value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "echo", "arguments": {"value": value}, **more}


def subgraph(nodes: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "subgraph", "graph": {"nodes": nodes}, **more}


CHECK = {"kind": "tool", "tool": "check", "arguments": {"value": "{{ input.word }}", "broken": "{{ input.broken }}"}}
PARTS = {
    "check": CHECK,
    "one": echo("{{ check.output }}1"),
    "two": echo("{{ check.output }}2"),
    "both": {"kind": "join", "after": ["one", "two"], "reducer": "text"},
}
GIVEN = {"word": "{{ item }}", "n": "{{ index }}", "broken": "{{ input.broken }}"}
BODY = subgraph(PARTS, input=GIVEN)
EACH: dict[str, Any] = {"kind": "map", "over": "{{ input.words }}", "max_items": 4, "body": BODY}
ADD = {"was": echo("{{ input.before }}"), "now": echo("{{ was.output }}+{{ input.n }}")}
AGAIN: dict[str, Any] = {
    "kind": "loop",
    "body": subgraph(ADD, input={"before": "{{ item }}", "n": "{{ index }}"}),
    "until": "index + 1 >= input.rounds",
    "max_rounds": 4,
}


async def start(
    nodes: dict[str, Any], given: Any = WORDS, wave: int = WAVE, **definition: Any
) -> tuple[EngineRig, RunId]:
    rig = EngineRig(toolbox=tools(), wave=wave)
    agent = await rig.make_agent(type="graph", graph={"nodes": nodes}, **definition)
    return rig, (await rig.start(agent, input=given)).run.id


async def play(nodes: dict[str, Any], given: Any = WORDS, **more: Any) -> tuple[EngineRig, Run]:
    """A run of the graph to its end."""
    rig, run_id = await start(nodes, given, **more)
    await rig.drain()
    assert rig.defects == []
    return rig, await rig.run(run_id)


async def states(rig: EngineRig, run: Run) -> dict[str, NodeState]:
    """How every node has ended."""
    found = await rig.documents.query(Query(nodes_path(run.id)))
    return {node.fields["node"]: NodeState(node.fields["state"]) for node in found}


async def test_a_map_gives_what_its_graph_gives_for_each_item_in_their_order() -> None:
    rig, run = await play(
        {"each": EACH, "tell": echo("{{ each.output[1] }}!"), "all": {"kind": "join", "after": ["each"]}}
    )
    assert await rig.output(run.id) == {"tell": "b1\n\nb2!", "all": ["a1\n\na2", "b1\n\nb2"]}
    assert await rig.output_of(run.id, "each.1.input~0") == {"word": "b", "n": 1, "broken": "none"}
    assert await rig.output_of(run.id, "each.items~0") == ["a", "b"]
    ended = await states(rig, run)
    assert {name for name, state in ended.items() if state is NodeState.SKIPPED} == {
        f"each.{index}{part}" for index in (2, 3) for part in ("", ".input", ".check", ".one", ".two", ".both")
    }, "what there is no item for is skipped"


@pytest.mark.parametrize(("words", "output"), [([], []), (["a"], ["a1\n\na2"]), (["a"] * 4, ["a1\n\na2"] * 4)])
async def test_a_list_may_be_empty_and_as_long_as_the_map_takes(words: list[str], output: list[str]) -> None:
    rig, run = await play({"each": EACH}, {**WORDS, "words": words})
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, output)


@pytest.mark.parametrize("words", [["a"] * 5, "a"])
async def test_what_is_no_list_or_too_long_fails_the_map(words: Any) -> None:
    rig, run = await play({"each": EACH, "else": echo("handled", after=["each.failed"])}, {**WORDS, "words": words})
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, "handled")
    assert rig.toolbox.calls["each.0.check~0 check call"] == 0


async def test_an_item_that_fails_fails_the_map_and_the_others_go_on() -> None:
    rig, run = await play({"each": EACH, "next": echo("{{ each.output }}")}, {**WORDS, "broken": "b"})
    assert run.error is not None
    assert run.error.message == "each~0: each.1~0: each.1.check~0: check: b broke"
    ended = await states(rig, run)
    assert [ended[name] for name in ("each.0", "each.1", "each.1.both", "next")] == [
        NodeState.SUCCEEDED,
        NodeState.FAILED,
        NodeState.SKIPPED,
        NodeState.SKIPPED,
    ]


async def test_a_failure_that_is_handled_within_an_item_does_not_fail_it() -> None:
    body = subgraph({"check": CHECK, "else": echo("instead", after=["check.failed"])}, input=GIVEN)
    rig, run = await play({"each": {**EACH, "body": body}}, {**WORDS, "broken": "b"})
    assert await rig.output(run.id) == [None, "instead"]


async def test_a_map_that_is_skipped_begins_nothing() -> None:
    rig, run = await play(
        {"size": {"kind": "branch", "cases": {"no": "false"}}, "each": {**EACH, "after": ["size.no"]}}
    )
    ended = await states(rig, run)
    assert {state for name, state in ended.items() if name.startswith("each")} == {NodeState.SKIPPED}


@pytest.mark.parametrize(("rounds", "output"), [(1, "+0"), (2, "+0+1"), (9, "+0+1+2+3")])
async def test_a_loop_hands_each_round_what_the_one_before_gave_until_its_condition_holds(
    rounds: int, output: str
) -> None:
    rig, run = await play({"again": AGAIN, "tell": echo("{{ again.output }}")}, {**WORDS, "rounds": rounds})
    assert run.state is RunState.SUCCEEDED, run.error
    assert await rig.output(run.id) == output


async def test_a_condition_sees_what_a_round_was_given_and_gave() -> None:
    until = "index == 2 && item == 'x1' && output == 'x2' && input.words[0] == 'a'"
    body = subgraph({"say": echo("x{{ input.n }}")}, input={"n": "{{ index }}"})
    rig, run = await play({"again": {**AGAIN, "body": body, "until": until}})
    assert await rig.output(run.id) == "x2"
    assert (await states(rig, run))["again.3"] is NodeState.SKIPPED


async def test_a_round_that_fails_fails_the_loop_whose_fallback_is_done_instead() -> None:
    body = subgraph({"check": CHECK}, input={"word": "{{ index }}", "broken": 1})
    again = {**AGAIN, "body": body, "until": "false", "fallback": echo("instead")}
    rig, run = await play({"again": again})
    assert await rig.output(run.id) == "instead"
    ended = await states(rig, run)
    assert (ended["again.main.1"], ended["again.main.2"]) == (NodeState.FAILED, NodeState.SKIPPED)


async def test_maps_stand_within_maps() -> None:
    inner = {
        "kind": "map",
        "over": "{{ input.letters }}",
        "max_items": 2,
        "body": subgraph({"say": echo("<{{ input }}>")}, input="{{ item }}"),
    }
    body = subgraph({"inner": inner}, input={"letters": "{{ item }}"})
    rig, run = await play({"each": {**EACH, "body": body}}, {"words": [["a", "b"], ["c"]]})
    assert await rig.output(run.id) == [['<{"text": "a"}>', '<{"text": "b"}>'], ['<{"text": "c"}>']]


async def test_a_retry_does_again_only_the_items_that_failed() -> None:
    rig, run = await play({"each": EACH}, {**WORDS, "broken": "b"})
    again = (await repeat_run(rig.core, RepeatRequest(ANN, run.id, "retry"))).run
    await rig.drain()
    assert (await rig.run(again.id)).state is RunState.FAILED
    assert (rig.toolbox.calls["each.0.check~0 check call"], rig.toolbox.calls["each.0.one~0 echo call"]) == (1, 1)
    replayed = RepeatRequest(ANN, run.id, "replay", node=NodeId("each.1.input"), input={**WORDS, "broken": "none"})
    other = (await repeat_run(rig.core, replayed)).run
    await rig.drain()
    assert await rig.output(other.id) == ["a1\n\na2", "b1\n\nb2"]
    assert rig.toolbox.calls["each.0.check~0 check call"] == 1


async def test_cancelling_ends_every_item() -> None:
    rig, run_id = await start({"each": EACH})
    for _ in range(4):
        await rig.queue.deliver_next(rig.deliver)
    await cancel_run(rig.core, ANN, run_id)
    await rig.drain()
    run = await rig.run(run_id)
    assert run.state is RunState.CANCELLED
    assert set((await states(rig, run)).values()) <= {
        NodeState.SUCCEEDED,
        NodeState.CANCELLED,
        NodeState.SKIPPED,
    }


MANY = {**WORDS, "words": list("abcdefg")}
WIDE = {**EACH, "max_items": 8}


async def begun(rig: EngineRig, run_id: RunId) -> int:
    """How many graphs of items were set off and have not ended."""
    ended = await states(rig, await rig.run(run_id))
    queued = [task.instance.removesuffix("~0") for task in rig.queue.pending]
    inside = {name.split(".")[1] for name in (*ended, *queued) if name.startswith("each.")} - {"items"}
    return sum(f"each.{index}" not in ended for index in inside)


@pytest.mark.parametrize(("wave", "expected"), [(1, 1), (2, 2), (500, 8)])
async def test_never_more_graphs_than_a_wave_are_begun_and_all_are_done(wave: int, expected: int) -> None:
    rig, run_id = await start({"each": WIDE}, MANY, wave)
    most = 0
    while rig.queue.pending:
        most = max(most, await begun(rig, run_id))
        await rig.queue.deliver_next(rig.deliver)
    assert most == expected
    assert await rig.output(run_id) == [f"{word}1\n\n{word}2" for word in "abcdefg"]


async def test_an_item_that_fails_begins_the_one_a_wave_behind_it_too() -> None:
    rig, run = await play({"each": WIDE}, {**MANY, "broken": "b"}, wave=1)
    assert run.state is RunState.FAILED
    ended = await states(rig, run)
    assert [ended[f"each.{n}"] for n in range(8)] == [
        NodeState.SUCCEEDED,
        NodeState.FAILED,
        *[NodeState.SUCCEEDED] * 5,
        NodeState.SKIPPED,
    ]


async def test_a_map_that_is_skipped_or_fails_ends_all_its_graphs_in_waves() -> None:
    for node, given in (({**WIDE, "after": ["size.no"]}, MANY), (WIDE, {**MANY, "words": "a"})):
        size = {"kind": "branch", "cases": {"no": "false"}}
        rig, run = await play({"size": size, "each": node}, given, wave=2)
        assert run.completed_at is not None
        ended = await states(rig, run)
        assert {ended[f"each.{n}"] for n in range(8)} == {NodeState.SKIPPED}


async def test_the_sweeper_finds_the_graph_whose_task_was_lost() -> None:
    lost = 0
    for at in range(2, 60):
        rig, run_id = await start({"each": WIDE}, MANY, wave=2)
        for _ in range(at):
            await rig.queue.deliver_next(rig.deliver)
        if not rig.queue.pending:
            break
        if rig.queue.pending[0].instance.endswith(".input~0"):
            lost += 1
            rig.queue.lose_next()
        await rig.work(run_id)
        assert await rig.output(run_id) == [f"{word}1\n\n{word}2" for word in "abcdefg"]
    assert lost > 4


@pytest.mark.parametrize("delivered", range(2, 14))
async def test_cancelling_ends_also_the_graphs_that_no_wave_has_begun(delivered: int) -> None:
    rig, run_id = await start({"each": WIDE}, MANY, wave=2)
    for _ in range(delivered):
        await rig.queue.deliver_next(rig.deliver)
    await cancel_run(rig.core, ANN, run_id)
    calls = sum(rig.toolbox.calls.values())
    await rig.work(run_id)
    assert (await rig.run(run_id)).state is RunState.CANCELLED
    assert sum(rig.toolbox.calls.values()) == calls
    assert all(is_terminal(state) for state in (await states(rig, await rig.run(run_id))).values())


async def test_a_kept_graph_is_a_body_with_a_budget_for_each_item() -> None:
    rig = EngineRig(toolbox=tools())
    say = {"kind": "agent", "prompt": "{{ input.text }}"}
    kept = await rig.make_agent(name="kept", type="graph", graph={"nodes": {"say": say}}, budget={"calls": 1})
    body = {"kind": "agent", "agent": {"id": kept}, "input": "{{ item }}"}
    agent = await rig.make_agent(name="outer", type="graph", graph={"nodes": {"each": {**EACH, "body": body}}})
    run = (await rig.start(agent, input=WORDS)).run
    await rig.drain()
    assert await rig.output(run.id) == ["echo: a", "echo: b"]
    ledgers = await rig.documents.query(Query(f"runs/{run.id}/ledgers"))
    assert {ledger.id: ledger.fields["calls"] for ledger in ledgers} == {"each.0~0": 1, "each.1~0": 1}


@pytest.mark.parametrize(
    ("node", "path", "reason"),
    [
        ({**EACH, "max_items": 900}, "each.max_items", "times the nodes of the graph comes to more than 5,000 nodes"),
        (
            {**AGAIN, "max_rounds": 1000, "body": BODY},
            "each.max_rounds",
            "times the nodes of the graph comes to more than 5,000 nodes",
        ),
        (
            {**EACH, "max_parallel": 2},
            "each.max_parallel",
            "is for a body that is a single step, and this one is a graph",
        ),
        (
            {**EACH, "timeout_seconds": 2},
            "each.timeout_seconds",
            "is for a body that is a single step, and this one is a graph",
        ),
    ],
)
async def test_what_cannot_be_planned_is_told_with_its_place(node: dict[str, Any], path: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await start({"each": node})
    assert [(fault.path, fault.reason) for fault in refusal.value.faults] == [(f"graph.nodes.{path}", reason)]


@pytest.mark.parametrize("wave", [1, 500])
@pytest.mark.parametrize("nodes", [{"each": EACH}, {"again": AGAIN}], ids=["map", "loop"])
@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_changes_nothing(nodes: dict[str, Any], fate: Fate, wave: int) -> None:
    given = {**WORDS, "words": ["a"]}
    nodes = {name: {**node, "max_items" if name == "each" else "max_rounds": 2} for name, node in nodes.items()}
    counted, run_id = await start(nodes, given, wave)
    counting = FailingDocuments(counted.documents)
    await counted.work(run_id, counting)
    expected, output = await states(counted, await counted.run(run_id)), await counted.output(run_id)
    for at in range(counting.commits):
        rig, run_id = await start(nodes, given, wave)
        await rig.work(run_id, FailingDocuments(rig.documents, at_commit(at, fate)))
        await rig.drain()
        run = await rig.run(run_id)
        assert run.state is RunState.SUCCEEDED, f"commit {at}"
        assert await rig.output(run_id) == output, f"commit {at}"
        assert await states(rig, run) == expected, f"commit {at}"
        assert await rig.documents.query(Query("leases")) == [], f"commit {at}"
