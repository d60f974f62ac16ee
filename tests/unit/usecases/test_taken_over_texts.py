"""What a worker had shown when it died is kept by whoever ends its node without going on: live text expires."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shared.domain.errors import FailedPrecondition, ModelUnavailable
from shared.domain.ids import Instance, RunId
from shared.domain.nodes import NodeRun
from shared.domain.runs import Run
from shared.domain.segments import TRIES_PER_ATTEMPT, segments_path, shown_text
from shared.domain.states import NodeState, RunState
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import Query, Snapshot
from shared.usecases.runs.cancel_run import cancel_run
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.scripted_runner import ScriptedRunner, Step

ECHO = (("echo", {"value": "a"}),)
LOOKS = Step(("let me ", "look"), ECHO)
SINGLE = {"tools": ["echo"]}
GRAPH = {"type": "graph", "tools": ["echo"], "graph": {"nodes": {"say": {"kind": "agent", "prompt": "hello"}}}}
HELPED = {"type": "delegation", "agents": {"helper": {"description": "helps", "tools": ["echo"]}}}
TALK = {"kind": "agent", "prompt": "hello", "tools": ["echo"]}
EITHER = {"quick": {"kind": "tool", "tool": "echo", "arguments": {"value": 1}, "after": ["begin"]}}
HELPER = "main.helper.0000-call-0-0~0"
LONG = tuple(f"word {number} " for number in range(400))
Script = Callable[[EngineRig], Sequence[Step]]


def dying(here: EngineRig, *said: str, most: int = 1) -> Step:
    """Says something, and the process dies once it is shown; so often at most."""
    deaths = 0

    async def die() -> None:
        nonlocal deaths
        await here.clock.sleep(3)
        deaths += 1
        if deaths <= most:
            raise Died

    return Step(said, before_end=die)


def playing(script: Script) -> EngineRig:
    here = EngineRig()
    steps = script(here)
    here.runner = ScriptedRunner(lambda _: steps)
    return here


def helped(script: Script) -> EngineRig:
    """Who is asked plays the script."""
    here = playing(script)
    steps = here.runner.script

    def play(turn: AgentTurn) -> Sequence[Step]:
        return (Step(("I ask",), (("ask_helper", {"task": "look"}),)),) if turn.agent.delegates else steps(turn)

    here.runner = ScriptedRunner(play)
    return here


async def until_it_died(here: EngineRig, **definition: Any) -> RunId:
    """A run whose worker has died."""
    run = (await here.start(await here.make_agent(**definition))).run
    await die_again(here)
    return run.id


async def die_again(here: EngineRig) -> None:
    """Deliver until the worker dies, and until nobody hears of it any more."""
    with pytest.raises(Died):
        await here.drain()
    here.clock.jump(LEASE_SECONDS + 1)


async def cancelled(here: EngineRig, run_id: RunId, documents: FailingDocuments | None = None) -> Run:
    await cancel_run(here.core, ANN, run_id)
    asked = len(here.runner.requests)
    await here.work(run_id, documents)
    assert len(here.runner.requests) == asked, "no model is asked any more"
    run = await here.run(run_id)
    assert run.state is RunState.CANCELLED
    return run


async def shown(here: EngineRig, run_id: RunId, instance: str) -> str:
    """What a listener is shown at the end of a node's last step; all of it, as its end says."""
    found = await here.documents.query(Query(segments_path(run_id, Instance(instance))))
    last = [one.fields for one in found if one.id.rpartition("-")[0] == found[-1].id.rpartition("-")[0]]
    assert [fields["final"] for fields in last] == [False] * (len(last) - 1) + [True]
    return "".join(fields["text"] for fields in last)


async def kept(here: EngineRig, run_id: RunId, instance: str) -> NodeRun:
    node = await here.node(run_id, instance)
    assert (node.text or "").endswith(await shown(here, run_id, instance))
    return node


@pytest.mark.parametrize(("definition", "name"), [(SINGLE, "main~0"), (GRAPH, "say~0")])
async def test_a_node_whose_worker_died_in_the_middle_of_an_answer_is_cancelled_with_all_that_it_said(
    definition: dict[str, Any], name: str
) -> None:
    here = playing(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    run_id = await until_it_died(here, **definition)
    await cancelled(here, run_id)
    node = await kept(here, run_id, name)
    assert (node.state, node.attempt, node.text) == (NodeState.CANCELLED, 2, "let me look\n\nit is")


async def test_the_last_event_says_it_too_and_names_the_live_text_that_it_replaces() -> None:
    here = playing(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    run = await cancelled(here, await until_it_died(here, **SINGLE))
    last = (await here.events(run.session_id))[-1]
    assert (last["content"]["text"], last["partial"], last["turn_complete"]) == ("it is", True, True)
    assert (last["metadata"]["step"], last["metadata"]["try"]) == (1, TRIES_PER_ATTEMPT)
    assert await shown(here, run.id, "main~0") == "it is"


async def test_an_answer_of_many_segments_is_kept_whole() -> None:
    here = playing(lambda rig: (dying(rig, *LONG),))
    run_id = await until_it_died(here)
    found = await here.documents.query(Query(segments_path(run_id, Instance("main~0"))))
    assert len(found) > 1
    await cancelled(here, run_id)
    assert (await kept(here, run_id, "main~0")).text == "".join(LONG)


async def test_a_delegate_whose_worker_died_is_cancelled_with_what_it_said_and_so_is_who_asked_it() -> None:
    here = helped(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    run_id = await until_it_died(here, **HELPED)
    await cancelled(here, run_id)
    helper = await kept(here, run_id, HELPER)
    assert (helper.state, helper.text) == (NodeState.CANCELLED, "let me look\n\nit is")
    assert (await here.node(run_id, "main~0")).text == "I ask"


async def test_what_the_last_try_showed_is_kept_and_not_what_was_shown_before_it() -> None:
    def script(turn: AgentTurn) -> tuple[Step, ...]:
        del turn
        return (dying(here, "first"),) if not here.runner.requests else (dying(here, "second"),)

    here = EngineRig(ScriptedRunner(script))
    run_id = await until_it_died(here)
    await die_again(here)
    await cancelled(here, run_id)
    node = await kept(here, run_id, "main~0")
    assert (node.attempt, node.text) == (3, "second")


async def test_a_step_that_was_recorded_is_not_said_twice() -> None:
    """The process died while a tool was at work."""

    async def die(_: Any) -> None:
        raise Died

    here = EngineRig(ScriptedRunner(lambda _: (LOOKS, Step(("it is",)))))
    here.toolbox.tools["echo"] = die
    run_id = await until_it_died(here, **SINGLE)
    await cancelled(here, run_id)
    assert (await here.node(run_id, "main~0")).text == "let me look"


async def test_who_fails_without_going_on_keeps_it_too() -> None:
    """An agent's time is over when its node is taken over."""
    here = playing(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    run_id = await until_it_died(here, **SINGLE, limits={"seconds": 20})
    await here.work(run_id)
    node = await kept(here, run_id, "main~0")
    assert (node.state, node.error and node.error.code) == (NodeState.FAILED, "limit_reached")
    assert node.text == "let me look\n\nit is"


async def test_a_node_that_was_attempted_too_often_keeps_it() -> None:
    here = playing(lambda rig: (dying(rig, "it ", "is", most=30),))
    run_id = await until_it_died(here)
    for _ in range(19):
        await die_again(here)
    await here.work(run_id)
    node = await kept(here, run_id, "main~0")
    assert (node.state, node.error and node.error.code) == (NodeState.FAILED, FailedPrecondition.code)
    assert node.text == "it is"


async def test_a_delegate_that_fails_without_going_on_keeps_it() -> None:
    here = helped(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    run_id = await until_it_died(here, **HELPED, budget={"calls": 3})
    await here.work(run_id)
    helper = await kept(here, run_id, HELPER)
    assert (helper.state, helper.text) == (NodeState.FAILED, "let me look\n\nit is")


def early(talk: dict[str, Any]) -> dict[str, Any]:
    """A graph that ends without an agent which is at work by then."""
    begin = {"kind": "tool", "tool": "echo", "arguments": {"value": 0}}
    nodes = {
        "talk": talk,
        "begin": begin,
        **EITHER,
        "first": {"kind": "join", "policy": "any", "after": ["talk", "quick"]},
    }
    return {"type": "graph", "tools": ["echo"], "graph": {"nodes": nodes}}


async def end_early(here: EngineRig, talk: dict[str, Any]) -> RunId:
    """A run that ended without a node whose worker had died, which somebody took over then."""
    run = (await here.start(await here.make_agent(**early(talk)))).run
    with pytest.raises(Died):
        await here.drain()
    await here.work(run.id)
    ended, talks = await here.run(run.id), await here.node(run.id, "talk~0")
    assert ended.state is RunState.SUCCEEDED
    assert (ended.completed_at or here.clock.now()) < (talks.completed_at or ended.created_at)
    return run.id


async def test_a_node_whose_worker_died_and_whose_run_ended_without_it_is_cancelled_with_what_it_said() -> None:
    here = playing(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    node = await kept(here, await end_early(here, TALK), "talk~0")
    assert (node.state, node.text) == (NodeState.CANCELLED, "let me look\n\nit is")


async def test_so_is_a_delegate_whose_worker_died_and_whose_run_ended_without_it() -> None:
    here = helped(lambda rig: (LOOKS, dying(rig, "it ", "is")))
    agent = await here.make_agent(**{**HELPED, "name": "kept"})
    run_id = await end_early(here, {"kind": "agent", "agent": {"id": agent}})
    helper, talk = await kept(here, run_id, f"talk{HELPER.removeprefix('main')}"), await here.node(run_id, "talk~0")
    assert (helper.state, helper.text) == (NodeState.CANCELLED, "let me look\n\nit is")
    assert (talk.state, talk.text) == (NodeState.CANCELLED, "I ask")


async def test_a_node_that_was_to_be_tried_again_when_its_run_ended_without_it_keeps_what_it_said() -> None:
    def fail() -> None:
        raise ModelUnavailable("it is away")

    here = playing(lambda _: (LOOKS, Step(("it is",), before_end=fail)))
    retry = {"max_attempts": 5, "initial_seconds": 600, "max_seconds": 600}
    run = (await here.start(await here.make_agent(**early({**TALK, "retry": retry})))).run
    await here.work(run.id)
    node = await here.node(run.id, "talk~0")
    assert (node.state, node.text) == (NodeState.CANCELLED, "let me look\n\nit is")


class Watching(ForwardingDocuments):
    """Notes of which collections somebody asks."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.asked: list[str] = []

    async def query(self, query: Query) -> list[Snapshot]:
        self.asked.append(query.collection.rpartition("/")[2])
        return await super().query(query)


async def segment_reads(here: EngineRig, run_id: RunId) -> int:
    watching = Watching(here.documents)
    while here.queue.pending:
        await here.queue.deliver_next(lambda task: here.deliver(task, watching))
    assert (await here.run(run_id)).completed_at is not None
    return watching.asked.count("segments")


async def test_only_who_ends_a_node_without_going_on_reads_the_live_text_of_the_attempt_before() -> None:
    going_on, stopped = [playing(lambda rig: (LOOKS, dying(rig, "it ", "is"))) for _ in range(2)]
    assert await segment_reads(going_on, await until_it_died(going_on, **SINGLE)) == 0
    run_id = await until_it_died(stopped, **SINGLE)
    await cancel_run(stopped.core, ANN, run_id)
    assert await segment_reads(stopped, run_id) == 1


@pytest.mark.parametrize("definition", [SINGLE, HELPED])
async def test_a_first_attempt_reads_none_however_it_ends(definition: dict[str, Any]) -> None:
    def fail() -> None:
        raise FailedPrecondition("it broke")

    here = helped(lambda _: (LOOKS, Step(("it is",), before_end=fail)))
    run = (await here.start(await here.make_agent(**definition))).run
    await cancel_soon(here, run.id)
    assert await segment_reads(here, run.id) == 0


async def cancel_soon(here: EngineRig, run_id: RunId) -> None:
    """Cancel a run when its first tool is called."""

    async def cancel(_: Any) -> str:
        await cancel_run(here.core, ANN, run_id)
        return "a"

    here.toolbox.tools["echo"] = cancel


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
@pytest.mark.parametrize(("definition", "names"), [(SINGLE, ["main~0"]), (GRAPH, ["say~0"]), (HELPED, [HELPER])])
async def test_a_failure_at_any_commit_of_the_end_loses_none_of_it(
    fate: Fate, definition: dict[str, Any], names: list[str]
) -> None:
    async def end(at: int | None) -> int:
        make = helped if definition is HELPED else playing
        here = make(lambda rig: (LOOKS, dying(rig, "it ", "is")))
        run_id = await until_it_died(here, **definition)
        documents = FailingDocuments(here.documents, at_commit(-1 if at is None else at, fate))
        await cancelled(here, run_id, documents)
        for name in names:
            assert (await kept(here, run_id, name)).text == "let me look\n\nit is", f"commit {at}"
        assert here.defects == []
        return documents.commits

    for at in range(await end(None)):
        await end(at)


def segment(n: int, text: str, start: int, try_: int = 0, step: int = 1) -> dict[str, Any]:
    return {"step": step, "try": try_, "n": n, "start": start, "text": text}


@pytest.mark.parametrize(
    ("segments", "text"),
    [
        ([], ""),
        ([segment(0, "it ", 0), segment(1, "is", 3)], "it is"),
        ([segment(0, "it ", 0), segment(0, "that", 0, try_=1)], "that"),
        ([segment(0, "it ", 0), segment(2, "so", 5)], "it "),
        ([segment(0, "later", 0, step=2)], ""),
    ],
)
def test_what_was_shown_of_a_step_is_the_text_of_its_last_try_up_to_a_gap(
    segments: list[dict[str, Any]], text: str
) -> None:
    assert shown_text(segments, 1) == text
