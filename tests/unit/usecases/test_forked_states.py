"""The state of a fork is that of then, whichever tools have changed it, and whatever became of who called them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from shared.domain.ids import RunId, SessionId
from shared.domain.records import from_json, parse
from shared.domain.runs import Run
from shared.domain.sessions import Session, StateChange, session_path, state_changes_path
from shared.domain.states import RunState
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import Documents, Query
from shared.ports.identity import Identity
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.sessions import fork_session as module
from shared.usecases.sessions.delete_session import delete_session
from shared.usecases.sessions.fork_session import ForkRequest, fork_session
from shared.usecases.sessions.get_session import get_session
from shared.usecases.sessions.open_session import NewSession, open_session
from shared.usecases.sessions.set_state import set_state
from tests.support.engine_rig import ANN, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.keeping_toolbox import KeepingToolbox
from tests.support.scripted_runner import ScriptedRunner, Step

FATES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]


def keeping(after: Sequence[str] = (), **values: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": "keep", "arguments": values, **({"after": [*after]} if after else {})}


GRAPH = {
    "told": keeping(told="{{ input.text }}", last="told"),
    "each": {
        "kind": "map",
        "over": "{{ input.items }}",
        "body": keeping(item="{{ item }} of {{ input.text }}", last="{{ item }}"),
        "after": ["told"],
    },
    "asked": {"kind": "agent", "prompt": "{{ input.text }}", "tools": ["keep"], "after": ["told"]},
}
AGENTS = {"finder": {"description": "finds", "tools": ["keep"]}}
DEFINITIONS: dict[str, dict[str, Any]] = {
    "one agent": {"tools": ["keep"]},
    "delegates": {"type": "delegation", "agents": AGENTS},
    "a graph": {"type": "graph", "graph": {"nodes": GRAPH}},
}


def _script(turn: AgentTurn) -> tuple[Step, ...]:
    if turn.agent.delegates:
        return (Step((), (("ask_finder", {"task": f"{turn.prompt}!"}),)), Step(("asked",)))
    set_twice = (("keep", {"said": turn.prompt, "last": "said"}), ("keep", {"more": [turn.prompt], "last": None}))
    return (Step((), set_twice), Step((f"re {turn.prompt}",)))


def _fail(_: Any) -> Any:
    raise ValueError("it broke")


class Talk:
    """A conversation whose tools change its state."""

    def __init__(self) -> None:
        self.rig = EngineRig(ScriptedRunner(_script))
        self.tools = KeepingToolbox(self.rig.documents, self.rig.clock, fail=_fail)
        self.rig.toolbox = self.tools
        self.session = SessionId("")

    async def open(self, **definition: Any) -> None:
        rig, state = self.rig, {"last": "nothing", "kept": 1}
        new = NewSession(await rig.make_agent(**definition), state=state)
        self.session = (await open_session(rig.documents, rig.clock, rig.ids, Identity(ANN, "user"), new)).id

    async def say(self, message: str, documents: FailingDocuments | None = None) -> Run:
        if documents is not None:
            self.tools.documents = documents
        run = (await self.rig.start(session_id=self.session, input={"text": message, "items": ["a", "b", "c"]})).run
        await self.rig.work(run.id, documents)
        return await self.rig.run(run.id)

    async def state(self, session: SessionId | None = None) -> Any:
        return from_json((await get_session(self.rig.documents, ANN, session or self.session)).state_json)

    async def fork(
        self, at_seq: int | None = None, documents: Documents | None = None, key: str | None = None
    ) -> Session:
        core = replace(self.rig.core, documents=documents or self.rig.documents)
        return await fork_session(core, ForkRequest(ANN, self.session, at_seq, key))

    async def state_at(self, run: Run) -> Any:
        """The state of a fork at the last event of a run."""
        return await self.state((await self.fork(run.last_seq)).id)


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_a_fork_has_the_state_of_then_whoever_called_the_tools(shape: str) -> None:
    talk = Talk()
    await talk.open(**DEFINITIONS[shape])
    states = [({"last": "nothing", "kept": 1}, 0)]
    for message in ("one", "two", "three"):
        run = await talk.say(message)
        assert run.state is RunState.SUCCEEDED
        assert run.last_seq is not None
        states.append((await talk.state(), run.last_seq))
    assert len({str(state) for state, _ in states}) == 4
    for state, last_seq in states:
        assert await talk.state((await talk.fork(last_seq)).id) == state


@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_a_fork_is_forked_with_the_state_of_then_too(shape: str) -> None:
    talk = Talk()
    await talk.open(**DEFINITIONS[shape])
    first = await talk.say("one")
    then = await talk.state()
    second = await talk.say("two")
    await talk.say("never heard of in the fork")
    talk.session = (await talk.fork(second.last_seq)).id
    third = await talk.say("three")
    assert await talk.state_at(first) == then
    assert await talk.state_at(third) == await talk.state()


async def test_of_changes_of_one_key_the_latest_counts_and_a_removed_one_is_gone() -> None:
    talk = Talk()
    nodes = {"z": keeping(x="z", y="z", last=None), "b": keeping(["z"], x=None, y="b"), "a": keeping(["b"], w="a")}
    await talk.open(type="graph", graph={"nodes": nodes})
    run = await talk.say("one")
    await set_state(talk.rig.documents, talk.rig.clock, talk.session, RunId("later"), {"y": "later"})
    assert await talk.state_at(run) == {"kept": 1, "y": "b", "w": "a"}


@pytest.mark.parametrize(("how", "ends"), [("fail", RunState.FAILED), ("stop", RunState.CANCELLED)])
async def test_a_run_that_does_not_succeed_keeps_what_its_tools_have_changed(how: str, ends: RunState) -> None:
    talk = Talk()

    async def stop(_: Any) -> None:
        (active,) = {path.split("/")[1] for path in talk.rig.documents.paths if path.startswith("runs/")} - over
        await cancel_run(talk.rig.core, ANN, RunId(active))

    talk.tools.tools["stop"] = stop
    broken: dict[str, Any] = {"kind": "tool", "tool": how, "arguments": {}, "after": ["told"]}
    await talk.open(type="graph", graph={"nodes": {"told": GRAPH["told"], "broken": broken}})
    over: set[str] = set()
    run = await talk.say("one")
    over.add(run.id)
    await talk.say("two")
    assert run.state is ends
    assert await talk.state_at(run) == {"kept": 1, "last": "told", "told": "one"}
    assert await talk.state() == {"kept": 1, "last": "told", "told": "two"}


async def test_what_an_attempt_that_was_given_up_changes_after_the_next_turn_belongs_to_no_earlier_fork() -> None:
    talk = Talk()
    await talk.open(**DEFINITIONS["one agent"])
    first = await talk.say("one")
    then = await talk.state()
    second = await talk.say("two")
    await set_state(talk.rig.documents, talk.rig.clock, talk.session, first.id, {"late": True})
    with patch.object(module, "PAGE", 1):
        assert await talk.state_at(first) == then
        assert await talk.state_at(second) == await talk.state()


async def test_what_such_an_attempt_changes_while_a_session_is_copied_comes_too_late_for_the_copy() -> None:
    talk = Talk()
    await talk.open(**DEFINITIONS["one agent"])
    run = await talk.say("one")
    then = await talk.state()
    with pytest.raises(Died):
        await talk.fork(documents=FailingDocuments(talk.rig.documents, at_commit(0, Fate.DIES_AFTER)), key="k")
    await set_state(talk.rig.documents, talk.rig.clock, talk.session, run.id, {"late": True})
    assert await talk.state((await talk.fork(key="k")).id) == then


async def test_only_what_becomes_another_is_told_of() -> None:
    talk = Talk()
    await talk.open(**DEFINITIONS["one agent"])
    for values in ({"a": 1, "never there": None}, {"a": 1}, {"a": True, "kept": None}):
        await set_state(talk.rig.documents, talk.rig.clock, talk.session, RunId("r"), values)
    found = await talk.rig.documents.query(Query(state_changes_path(talk.session)))
    told = [parse(StateChange, one.fields or {}) for one in found]
    assert told == [StateChange(RunId("r"), '{"a":1}'), StateChange(RunId("r"), '{"a":true,"kept":null}')]


async def commits_of(shape: str) -> int:
    talk = Talk()
    await talk.open(**DEFINITIONS[shape])
    documents = FailingDocuments(talk.rig.documents)
    await talk.say("one", documents)
    return documents.commits


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("shape", DEFINITIONS)
async def test_no_change_is_lost_or_comes_from_elsewhere_at_whichever_commit_a_worker_fails(
    shape: str, fate: Fate
) -> None:
    for at in range(await commits_of(shape)):
        talk = Talk()
        await talk.open(**DEFINITIONS[shape])
        run = await talk.say("one", FailingDocuments(talk.rig.documents, at_commit(at, fate)))
        then = await talk.state()
        assert then["kept"] == 1
        assert len(then) > 2
        await talk.say("two")
        assert await talk.state() != then
        assert await talk.state_at(run) == then


async def test_the_changes_of_a_state_go_with_its_session() -> None:
    talk = Talk()
    await talk.open(**DEFINITIONS["a graph"])
    await talk.say("one")
    assert len(await talk.rig.documents.query(Query(state_changes_path(talk.session)))) == 6
    await delete_session(talk.rig.core, ANN, talk.session)
    assert not [path for path in talk.rig.documents.paths if path.startswith(session_path(talk.session))]
