"""Processes die around waiting, deciding and going on: nothing is lost, doubled or asked twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shared.domain.approvals import Approval, ApprovalState
from shared.domain.decisions import Decision
from shared.domain.ids import RunId
from shared.domain.nodes import NodeRun
from shared.domain.records import parse
from shared.domain.states import NodeState, RunState, is_terminal
from shared.domain.writes import Update, Write
from shared.ports.documents import Committed, Documents, Query
from shared.ports.task_queue import NodeTask
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.expire_approvals import expire_approvals
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.sweep_runs import sweep_runs
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.scripted_runner import ScriptedRunner, Step

STEPS = (
    Step(("may I?",), (("echo", {"value": 1}), ("ask_human", {"question": "?"}), ("set", {"value": 2}))),
    Step(("the end",)),
)
TOOLS: list[Any] = [{"name": "echo", "requires_approval": True}, "ask_human", "set"]
GRAPH: dict[str, Any] = {
    "side": {"kind": "tool", "tool": "set", "arguments": {"value": "side"}},
    "gate": {"kind": "approval", "message": "Go on?"},
    "wipe": {"kind": "tool", "tool": "echo", "arguments": {"value": "w"}, "requires_approval": True, "after": ["gate"]},
    "all": {"kind": "join", "after": ["wipe", "side"]},
}
DEFINITIONS: dict[str, Any] = {"single": {"tools": TOOLS}, "graph": {"type": "graph", "graph": {"nodes": GRAPH}}}
OUTPUTS = {"single": "the end", "graph": ["w", "side"]}
FATES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]


class Office:
    """One deployment, whose people answer what they are asked as soon as nothing else is to be done."""

    def __init__(self) -> None:
        self.rig = EngineRig(ScriptedRunner(lambda _: STEPS, calls_at_once=True))
        self.rig.toolbox.tools["set"] = lambda args: args["value"]
        self.store: Documents | None = None

    async def start(self, shape: str) -> RunId:
        return (await self.rig.start(await self.rig.make_agent(**DEFINITIONS[shape]))).run.id

    async def approvals(self) -> list[Approval]:
        found = await self.rig.documents.query(Query("approvals"))
        return [parse(Approval, snapshot.fields or {}) for snapshot in found]

    async def live(self, run_id: RunId, store: Documents, *, answers: bool = True) -> None:
        """Let everybody act, on a store that fails until it has killed who used it."""
        self.store = store
        for _ in range(300):
            if (await self.rig.run(run_id)).completed_at is not None:
                break
            try:
                await self.act(answers=answers)
            except Died:
                self.store = None
            await self.rig.clock.advance(2)
        await self.rig.drain()

    async def act(self, *, answers: bool) -> None:
        core = Core(self.store or self.rig.documents, self.rig.queue, self.rig.clock, self.rig.ids)

        async def deliver(task: NodeTask) -> bool:
            return await self.rig.deliver(task, self.store)

        if await self.rig.queue.deliver_next(deliver) is not None:
            return
        pending = [one for one in await self.approvals() if one.state is ApprovalState.PENDING]
        if pending and answers:
            said = Decision("answer", answer="so") if pending[0].kind == "question" else Decision("approve")
            await decide_approval(core, ANN, pending[0].id, said)
            return
        await self.rig.clock.advance(601)
        await expire_approvals(core)
        await sweep_runs(core, LEASE_SECONDS)

    async def check(self, run_id: RunId, shape: str) -> None:
        run = await self.rig.run(run_id)
        events = await self.rig.events(run.session_id)
        assert run.state is RunState.SUCCEEDED
        assert await self.rig.output(run_id) == OUTPUTS[shape]
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        asked = Counter(event["actions"]["approval_id"] for event in events if "approval_id" in event["actions"])
        assert set(asked.values()) <= {1}
        states = Counter(one.state for one in await self.approvals())
        assert states == ({"approved": 1, "answered": 1} if shape == "single" else {"approved": 2})
        await self.check_nothing_is_left(run_id)

    async def check_nothing_is_left(self, run_id: RunId) -> None:
        nodes = [
            parse(NodeRun, one.fields or {}) for one in await self.rig.documents.query(Query(f"runs/{run_id}/nodes"))
        ]
        assert all(is_terminal(node.state) and not node.waits_for for node in nodes)
        assert not [path for path in self.rig.documents.paths if path.startswith("leases/")]
        assert self.rig.defects == []


async def commits_of(shape: str) -> int:
    office = Office()
    run_id = await office.start(shape)
    documents = FailingDocuments(office.rig.documents)
    await office.live(run_id, documents)
    await office.check(run_id, shape)
    return documents.commits


@pytest.mark.parametrize("shape", ["single", "graph"])
@pytest.mark.parametrize("fate", FATES)
async def test_a_failure_at_any_commit_asks_once_and_repeats_no_recorded_step(shape: str, fate: Fate) -> None:
    for at in range(await commits_of(shape)):
        office = Office()
        run_id = await office.start(shape)
        await office.live(run_id, FailingDocuments(office.rig.documents, at_commit(at, fate)))
        await office.check(run_id, shape)
        repeated = sum(count - 1 for count in office.rig.toolbox.calls.values())
        again = len(office.rig.runner.requests) - (len(STEPS) if shape == "single" else 0)
        # Calls of one response run at once: each that was in flight when the process died may run again.
        assert again <= 1
        assert repeated <= (1 if fate in {Fate.DIES_BEFORE, Fate.DIES_AFTER} else 0), f"commit {at}"


@pytest.mark.parametrize("shape", ["single", "graph"])
async def test_tasks_that_come_again_at_any_time_change_nothing(shape: str) -> None:
    office = Office()
    run_id = await office.start(shape)
    for _ in range(60):
        await office.act(answers=True)
        for task in list(office.rig.queue.accepted):
            await office.rig.deliver(task)
        if (await office.rig.run(run_id)).completed_at is not None:
            break
    await office.check(run_id, shape)
    assert set(office.rig.toolbox.calls.values()) == {1}


async def test_the_sweeper_cancels_a_run_that_had_waited_for_long_when_the_canceller_died() -> None:
    office = Office()
    run_id = await office.start("single")
    await office.rig.drain()
    for _ in range(3):  # it waits, so it need not be looked at any more
        await office.rig.clock.advance(61)
        await sweep_runs(office.rig.core, LEASE_SECONDS)
    failing = FailingDocuments(office.rig.documents, lambda _: Fate.DIES_AFTER)
    with pytest.raises(Died):
        await cancel_run(Core(failing, office.rig.queue, office.rig.clock, office.rig.ids), ANN, run_id)
    await office.rig.clock.advance(61)
    await sweep_runs(office.rig.core, LEASE_SECONDS)
    await office.rig.drain()
    assert (await office.rig.run(run_id)).state is RunState.CANCELLED


@pytest.mark.parametrize("shape", ["single", "graph"])
@pytest.mark.parametrize("fate", FATES)
async def test_a_run_that_waits_is_cancelled_wherever_the_canceller_fails(shape: str, fate: Fate) -> None:
    for at in range(4):
        office = Office()
        run_id = await office.start(shape)
        await office.rig.drain()
        failing = FailingDocuments(office.rig.documents, at_commit(at, fate))
        core = Core(failing, office.rig.queue, office.rig.clock, office.rig.ids)
        try:
            await cancel_run(core, ANN, run_id)
        except Died:
            if not (await office.rig.run(run_id)).cancel_requested:
                await cancel_run(office.rig.core, ANN, run_id)
        await office.live(run_id, office.rig.documents, answers=False)
        assert (await office.rig.run(run_id)).state is RunState.CANCELLED
        assert {one.state for one in await office.approvals()} == {ApprovalState.WITHDRAWN}
        await office.check_nothing_is_left(run_id)


class Cancelling(FailingDocuments):
    """A failing store; the run is cancelled just before the commit by which its node waits."""

    def __init__(self, office: Office, run_id: RunId, fate: Callable[[int], Fate]) -> None:
        super().__init__(office.rig.documents, fate)
        self._cancel = lambda: cancel_run(office.rig.core, ANN, run_id)
        self.cancelled = False

    async def commit(self, writes: Sequence[Write]) -> Committed:
        states = [write.fields.get("state") for write in writes if isinstance(write, Update)]
        if not self.cancelled and NodeState.WAITING in states:
            self.cancelled = True
            await self._cancel()
        return await super().commit(writes)


@pytest.mark.parametrize("fate", FATES)
async def test_a_run_that_begins_to_wait_while_it_is_cancelled_ends_wherever_the_worker_fails(fate: Fate) -> None:
    for at in range(await commits_of("single")):
        office = Office()
        run_id = await office.start("single")
        documents = Cancelling(office, run_id, at_commit(at, fate))
        await office.live(run_id, documents, answers=False)
        if not documents.cancelled:  # the worker died before, and the next one has a sound store
            await cancel_run(office.rig.core, ANN, run_id)
            await office.live(run_id, office.rig.documents, answers=False)
        assert (await office.rig.run(run_id)).state is RunState.CANCELLED
        await office.check_nothing_is_left(run_id)
