"""Runs that repeat others: only what failed or is replayed is done again; what was answered before is history."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.decisions import Decision
from shared.domain.errors import (
    DomainError,
    FailedPrecondition,
    IdempotencyKeyReused,
    InvalidArgument,
    ModelUnavailable,
    NotFound,
    SessionBusy,
)
from shared.domain.ids import NodeId, RunId, Uid
from shared.domain.runs import RepeatKind
from shared.domain.states import NodeState, RunState
from shared.domain.tools import Effect
from shared.domain.usage import Usage
from shared.ports.documents import Query, Snapshot
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from shared.usecases.runs.start_run import StartedRun
from shared.usecases.sessions.regenerate_answer import RegenerateRequest, regenerate_answer
from tests.support.engine_rig import ANN, CountingToolbox, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate
from tests.support.scripted_runner import ScriptedRunner, Step


def tool(name: str, value: Any, **more: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": name, "arguments": {"value": value}, **more}


GRAPH: dict[str, Any] = {
    "list": tool("echo", [1, 2, 3]),
    "each": {"kind": "map", "over": "{{ list.output }}", "body": tool("fragile", "{{ item }}")},
    "side": tool("echo", "{{ input.text }}"),
    "all": {"kind": "join", "after": ["each", "side"]},
    "tell": tool("echo", "{{ all.output }}"),
}


class Shop:
    """A deployment whose tool `fragile` fails for some values until they are mended."""

    def __init__(self, *broken: Any) -> None:
        self.broken: set[Any] = set(broken)
        self.rig = EngineRig(toolbox=CountingToolbox({"echo": lambda args: args["value"], "fragile": self._fragile}))

    def _fragile(self, arguments: Any) -> Any:
        if arguments["value"] in self.broken:
            raise ValueError("it is broken")
        return arguments["value"]

    async def make(self, nodes: dict[str, Any], **more: Any) -> Any:
        return await self.rig.make_agent(type="graph", graph={"nodes": nodes}, **more)

    async def run(self, nodes: dict[str, Any], **more: Any) -> RunId:
        """Run a graph to its end."""
        started = await self.rig.start(await self.make(nodes), **more)
        await self.rig.drain()
        return started.run.id

    async def repeat(self, run_id: RunId, kind: RepeatKind = "retry", **more: Any) -> RunId:
        """Repeat a run to the end of the new one, counting calls from now on."""
        self.rig.toolbox.calls.clear()
        started = await again(self.rig, run_id, kind, **more)
        await self.rig.drain()
        return started.run.id

    @property
    def called(self) -> set[str]:
        """The instances that called a tool."""
        return {call.split()[0] for call in self.rig.toolbox.calls}


async def again(rig: EngineRig, run_id: RunId, kind: RepeatKind = "retry", **more: Any) -> StartedRun:
    asked: dict[str, Any] = {"caller": ANN, "run_id": run_id, "kind": kind, **more}
    return await repeat_run(rig.core, RepeatRequest(**asked))


async def test_a_retry_does_again_what_failed_and_what_comes_after_it() -> None:
    shop = Shop(2)
    first = await shop.run(GRAPH)
    assert (await shop.rig.run(first)).state is RunState.FAILED
    shop.broken.clear()
    second = await shop.repeat(first)
    assert shop.called == {"each[1]~0", "tell~0"}
    assert await shop.rig.output(second) == [1, 2, 3, "hello"]
    run = await shop.rig.run(second)
    assert run.state is RunState.SUCCEEDED
    assert run.usage == Usage(tool_calls=2)
    assert (await shop.rig.run(first)).state is RunState.FAILED
    assert shop.rig.defects == []


async def test_a_retry_is_told_in_the_log_and_takes_the_place_of_what_it_mends() -> None:
    shop = Shop(2)
    first = await shop.run(GRAPH)
    shop.broken.clear()
    second = await shop.repeat(first)
    events = await shop.rig.events((await shop.rig.run(first)).session_id)
    assert [event["author"] for event in events] == ["user", "system", "system", "agent"]
    assert events[2]["content"]["repeats"] == {"run_id": first, "kind": "retry", "node": None}
    assert [event["superseded_by"] for event in events] == [None, second, None, None]
    assert [event["seq"] for event in events] == [1, 2, 3, 4]


async def test_a_retry_that_fails_takes_the_place_of_nothing_and_is_retried_itself() -> None:
    shop = Shop(1, 2)
    first = await shop.run(GRAPH)
    shop.broken = {2}
    second = await shop.repeat(first)
    assert (await shop.rig.run(second)).state is RunState.FAILED
    assert shop.called == {"each[0]~0", "each[1]~0"}
    shop.broken.clear()
    third = await shop.repeat(second)
    assert shop.called == {"each[1]~0", "tell~0"}
    events = await shop.rig.events((await shop.rig.run(first)).session_id)
    assert [event["superseded_by"] for event in events] == [None, third, None, third, None, None]


async def test_what_a_cancelled_retry_did_not_reach_is_taken_from_the_run_before_it() -> None:
    shop = Shop(2)
    first = await shop.run(GRAPH)
    shop.broken.clear()
    started = await again(shop.rig, first)
    await cancel_run(shop.rig.core, ANN, started.run.id)
    await shop.rig.drain()
    assert (await shop.rig.run(started.run.id)).state is RunState.CANCELLED
    third = await shop.repeat(started.run.id)
    assert shop.called == {"each[1]~0", "tell~0"}
    assert await shop.rig.output(third) == [1, 2, 3, "hello"]


async def test_a_failure_that_the_graph_handled_is_kept() -> None:
    nodes = {
        "shaky": tool("fragile", 1),
        "mend": tool("echo", "mended", after=["shaky.failed"]),
        "late": tool("fragile", 2, after=["mend"]),
    }
    shop = Shop(1, 2)
    first = await shop.run(nodes)
    shop.broken.clear()
    second = await shop.repeat(first)
    assert shop.called == {"late~0"}
    assert (await shop.rig.node(second, "shaky~0")).state is NodeState.FAILED
    assert (await shop.rig.run(second)).state is RunState.SUCCEEDED


async def test_a_branch_and_the_rounds_of_a_loop_hold() -> None:
    nodes = {
        "size": {"kind": "branch", "cases": {"small": "size(input.text) < 10"}},
        "small": tool("echo", "s", after=["size.small"]),
        "large": tool("echo", "l", after=["size.otherwise"]),
        "more": {"kind": "loop", "until": "index == 2", "max_rounds": 5, "body": tool("fragile", "{{ index }}")},
    }
    shop = Shop(2)
    first = await shop.run(nodes)
    assert (await shop.rig.run(first)).state is RunState.FAILED
    shop.broken.clear()
    second = await shop.repeat(first)
    assert shop.called == {"more[2]~0"}
    assert (await shop.rig.node(second, "large~0")).state is NodeState.SKIPPED
    assert await shop.rig.output(second) == {"small": "s", "more": 2}


async def test_a_replay_does_again_a_node_and_what_comes_after_it_on_another_input() -> None:
    shop = Shop()
    first = await shop.run(GRAPH)
    second = await shop.repeat(first, "replay", node=NodeId("side"), input="goodbye")
    assert shop.called == {"side~0", "tell~0"}
    assert await shop.rig.output(second) == [1, 2, 3, "goodbye"]
    assert await shop.rig.output(first) == [1, 2, 3, "hello"]
    third = await shop.repeat(second, "replay", node=NodeId("each"))
    assert shop.called == {"each[0]~0", "each[1]~0", "each[2]~0", "tell~0"}
    assert await shop.rig.output(third) == [1, 2, 3, "goodbye"]


def greeting(**more: Any) -> dict[str, Any]:
    """A graph within a graph, of two nodes."""
    nodes = {"a": tool("echo", "<{{ input.text }}>"), "b": tool("echo", "{{ a.output }}!")}
    return {"kind": "subgraph", "graph": {"nodes": nodes}, **more}


EACH = {"kind": "map", "max_items": 3, "over": "{{ input.list }}", "body": greeting(input="{{ item }}")}
ROUND = greeting(input={"text": "{{ input.text }}"})
FIRST, SECOND = {"text": "hello", "list": ["a", "b"]}, {"text": "goodbye", "list": ["c"]}
PARTS = {"in.a~0", "in.b~0"}


@pytest.mark.parametrize(
    ("node", "replayed", "called", "output"),
    [
        (greeting(), "in", PARTS, "<goodbye>!"),
        (greeting(), "in.a", PARTS, "<goodbye>!"),
        (greeting(), "in.b", {"in.b~0"}, "<hello>!"),
        (greeting(), "side", {"side~0"}, "<hello>!"),
        (tool("fragile", "{{ input.text }}", fallback=greeting()), "in", {"in.main~0"}, "goodbye"),
        (EACH, "in", {"in.0.a~0", "in.0.b~0"}, ["<c>!"]),
        (EACH, "in.1.b", {"in.1.b~0"}, ["<a>!", "<b>!"]),
        ({"kind": "loop", "until": "index == 0", "body": ROUND}, "in", {"in.0.a~0", "in.0.b~0"}, "<goodbye>!"),
        ({"kind": "loop", "until": "index == 0", "body": ROUND}, "in.0.a", {"in.0.a~0", "in.0.b~0"}, "<goodbye>!"),
        ({"kind": "agent", "agent": {"id": "KEPT"}}, "in", PARTS, "<goodbye>!"),
        ({"kind": "agent", "agent": {"id": "KEPT"}}, "in.a", PARTS, "<goodbye>!"),
    ],
)
async def test_a_replay_does_again_all_that_a_node_is_made_of_and_that_is_on_the_other_input(
    node: dict[str, Any], replayed: str, called: set[str], output: Any
) -> None:
    shop = Shop("hello")
    if node["kind"] == "agent":
        node = {**node, "agent": {"id": await shop.make(greeting()["graph"]["nodes"], name="kept")}}
    first = await shop.run({"side": tool("echo", 1), "in": node, "end": tool("echo", "{{ in.output }}")}, input=FIRST)
    assert (await shop.rig.run(first)).state is RunState.SUCCEEDED
    second = await shop.repeat(first, "replay", node=NodeId(replayed), input=SECOND)
    assert shop.called == called | ({"end~0"} if replayed != "side" else set())
    assert await shop.rig.output_of(second, "end~0") == output


async def test_a_graph_within_of_which_nothing_is_replayed_keeps_the_input_that_it_had() -> None:
    shop = Shop()
    first = await shop.run({"side": tool("echo", 1), "in": greeting()}, input=FIRST)
    second = await shop.repeat(first, "replay", node=NodeId("side"), input=SECOND)
    assert await shop.rig.output_of(second, "in.input~0") == FIRST


async def test_what_failed_in_a_graph_within_sees_the_other_input_of_a_replay_too() -> None:
    shop = Shop("hello")
    part = {"kind": "subgraph", "graph": {"nodes": {"a": tool("fragile", "{{ input.text }}")}}}
    first = await shop.run({"side": tool("echo", 1), "in": part})
    assert (await shop.rig.run(first)).state is RunState.FAILED
    second = await shop.repeat(first, "replay", node=NodeId("side"), input="goodbye")
    assert shop.called == {"side~0", "in.a~0"}
    assert await shop.rig.output_of(second, "in~0") == "goodbye"


STEPS = (Step(("look",), (("echo", {"value": "a"}), ("pay", {"value": "b"}))), Step(("the end",)))


def down(times: int) -> tuple[EngineRig, list[int]]:
    """A single agent whose second model request fails so often."""
    left = [times]

    def fail() -> None:
        if left[0]:
            left[0] -= 1
            raise ModelUnavailable("down")

    steps = (STEPS[0], Step(("the end",), before_end=fail))
    rig = EngineRig(ScriptedRunner(lambda _: steps))
    rig.toolbox.tools["pay"] = lambda args: args["value"]
    rig.toolbox.effects["pay"] = Effect.ONCE
    return rig, left


async def test_an_agent_goes_on_from_what_it_recorded_and_pays_nothing_twice() -> None:
    rig, _ = down(3)
    first = await rig.start(await rig.make_agent(tools=["echo", "pay"]))
    await rig.drain()
    assert (await rig.run(first.run.id)).state is RunState.FAILED
    rig.runner.requests.clear()
    second = await again(rig, first.run.id)
    await rig.drain()
    run = await rig.run(second.run.id)
    assert run.state is RunState.SUCCEEDED
    assert rig.runner.requests == [("hello", 1)]
    assert list(rig.toolbox.calls.values()) == [1, 1]
    assert run.usage.requests == 1
    stored: list[Snapshot] = await rig.documents.query(Query(f"sessions/{run.session_id}/messages"))
    assert [(one.fields or {})["message_json"] for one in stored] == [
        "request 0",
        "response 0",
        "request 1",
        "response 1",
    ]


async def test_a_replay_of_an_agent_begins_anew() -> None:
    rig, _ = down(3)
    first = await rig.start(await rig.make_agent(tools=["echo", "pay"]))
    await rig.drain()
    rig.runner.requests.clear()
    await again(rig, first.run.id, "replay", node=NodeId("main"))
    await rig.drain()
    assert rig.runner.requests == [("hello", 0), ("hello", 1)]


async def test_a_call_that_may_have_happened_and_was_given_up_is_asked_about_again() -> None:
    rig, _ = down(0)
    agent = await rig.make_agent(tools=["echo", "pay"])
    first = await rig.start(agent)

    def dies_while_paying(_: int) -> Fate:
        return Fate.DIES_BEFORE if any("pay" in call for call in rig.toolbox.calls) else Fate.APPLIED

    with pytest.raises(Died):
        await rig.deliver(rig.queue.pending.popleft(), FailingDocuments(rig.documents, dies_while_paying))
    await rig.clock.advance(31)
    await rig.deliver(rig.queue.accepted[0])
    await decide(rig, Decision("deny"))
    assert (await rig.run(first.run.id)).error is not None
    second = await again(rig, first.run.id)
    await rig.drain()
    assert (await rig.run(second.run.id)).state is RunState.WAITING
    await decide(rig, Decision("answer", answer="paid"))
    assert await rig.output(second.run.id) == "the end"
    assert {call.split()[1]: count for call, count in rig.toolbox.calls.items()} == {"echo": 1, "pay": 1}


async def decide(rig: EngineRig, decision: Decision) -> None:
    found = await rig.documents.query(Query("approvals"))
    (pending,) = [one.id for one in found if one.fields["state"] == "pending"]
    await decide_approval(rig.core, ANN, pending, decision)
    await rig.drain()


async def test_an_answer_is_made_again_with_the_history_before_it_and_history_holds_only_the_new_one() -> None:
    rig = EngineRig(ScriptedRunner(lambda turn: (Step((f"{turn.prompt} {len(rig.runner.turns)}",)),)))
    first = await rig.start(await rig.make_agent(), input="one")
    session = first.run.session_id
    await rig.drain()
    second = await rig.start(session_id=session, input="two")
    await rig.drain()
    new: list[RunId] = []
    for _ in range(2):
        new.append((await regenerate_answer(rig.core, RegenerateRequest(ANN, session))).run.id)
        await rig.drain()
        assert rig.runner.turns[-1].prompt == "two"
        assert len(rig.runner.turns[-1].history) == 2
    await rig.start(session_id=session, input="three")
    await rig.drain()
    assert len(rig.runner.turns[-1].history) == 4
    events = await rig.events(session)
    told = [(event["content"]["text"], event["superseded_by"]) for event in events if event["author"] == "agent"]
    assert [text for text, _ in told] == ["one 1", "two 2", "two 3", "two 4", "three 5"]
    assert [by is not None for _, by in told] == [False, True, True, False, False]
    assert [by for _, by in told[1:3]] == new
    assert (await rig.run(new[1])).turn == second.run.id


async def test_an_answer_that_could_not_be_made_again_keeps_the_one_before() -> None:
    steps = [Step(("fine",)), Step(before_end=lambda: (_ for _ in ()).throw(FailedPrecondition("no"))), Step(("new",))]
    rig = EngineRig(ScriptedRunner(lambda _: (steps[len(rig.runner.turns) - 1],)))
    first = await rig.start(await rig.make_agent())
    session = first.run.session_id
    await rig.drain()
    failed = await regenerate_answer(rig.core, RegenerateRequest(ANN, session))
    await rig.drain()
    assert (await rig.run(failed.run.id)).state is RunState.FAILED
    assert [event["superseded_by"] for event in await rig.events(session)] == [None] * 4
    new = await regenerate_answer(rig.core, RegenerateRequest(ANN, session))
    await rig.drain()
    by = new.run.id
    assert [event["superseded_by"] for event in await rig.events(session)] == [None, by, None, by, None, None]


async def test_what_cannot_be_repeated_is_refused() -> None:
    shop = Shop(2)
    agent = await shop.make(GRAPH)
    active = (await shop.rig.start(agent)).run
    session = active.session_id
    refused: list[tuple[type[DomainError], Any]] = [
        (FailedPrecondition, again(shop.rig, active.id)),
        (SessionBusy, regenerate_answer(shop.rig.core, RegenerateRequest(ANN, session))),
        (NotFound, again(shop.rig, active.id, caller=Uid("bob"))),
        (NotFound, again(shop.rig, RunId("nothing"))),
        (NotFound, regenerate_answer(shop.rig.core, RegenerateRequest(Uid("bob"), session))),
    ]
    for error, asking in refused:
        with pytest.raises(error):
            await asking
    shop.broken.clear()
    await shop.rig.drain()
    ended: list[tuple[type[DomainError], Any]] = [
        (FailedPrecondition, again(shop.rig, active.id)),
        (InvalidArgument, again(shop.rig, active.id, "replay", node=NodeId("nowhere"))),
        (InvalidArgument, again(shop.rig, active.id, "replay", node=NodeId("$end"))),
        (InvalidArgument, again(shop.rig, active.id, "replay", node=NodeId("side"), input="")),
    ]
    for error, asking in ended:
        with pytest.raises(error):
            await asking


async def test_an_edited_input_must_fit_the_agents_schema() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    shop = Shop()
    started = await shop.rig.start(
        await shop.make({"a": tool("echo", "{{ input.n }}")}, input_schema=schema), input={"n": 1}
    )
    await shop.rig.drain()
    with pytest.raises(InvalidArgument, match="input_schema"):
        await again(shop.rig, started.run.id, "replay", node=NodeId("a"), input={"n": "x"})
    second = await shop.repeat(started.run.id, "replay", node=NodeId("a"), input={"n": 2})
    assert await shop.rig.output(second) == 2


async def test_the_same_request_gives_the_same_run() -> None:
    shop = Shop(2)
    first = await shop.run(GRAPH)
    second = await again(shop.rig, first, idempotency_key="k")
    with pytest.raises(SessionBusy):
        await again(shop.rig, first)
    waiting = await again(shop.rig, first, if_busy="enqueue")
    await shop.rig.drain()
    assert (await again(shop.rig, first, idempotency_key="k")).run.id == second.run.id
    with pytest.raises(IdempotencyKeyReused):
        await again(shop.rig, first, "replay", node=NodeId("side"), idempotency_key="k")
    session = waiting.run.session_id
    new = await regenerate_answer(shop.rig.core, RegenerateRequest(ANN, session, "r"))
    await shop.rig.drain()
    assert (await regenerate_answer(shop.rig.core, RegenerateRequest(ANN, session, "r"))).run.id == new.run.id
