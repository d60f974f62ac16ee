"""A run whose commit was given up and is applied all the same: who asked for it is told of the run that there is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.domain.states import RunState
from shared.domain.writes import Write
from shared.ports.documents import Committed, OutcomeUnknown
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.start_run import RunRequest, start_run
from shared.usecases.sessions.answer_message import Turn, answer_message
from shared.usecases.sessions.turn_updates import Update
from tests.support.engine_rig import ANN, EngineRig
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.passing_time import in_time


class LateFirst(ForwardingDocuments):
    """The first commit is given up, and applied when the second arrives."""

    first: Sequence[Write] | None = None
    arrived = False

    async def commit(self, writes: Sequence[Write]) -> Committed:
        if self.first is None:
            self.first = writes
            raise OutcomeUnknown("no reply in time")
        if not self.arrived:
            self.arrived = True
            await super().commit(self.first)
        return await super().commit(writes)


async def read(turn: Turn) -> list[Update]:
    return [update async for update in turn.updates()]


@pytest.mark.parametrize("key", [None, "k"])
async def test_a_start_that_arrives_late_is_the_run_that_is_told_of(key: str | None) -> None:
    rig = EngineRig()
    agent = await rig.make_agent()
    core = Core(LateFirst(rig.documents), rig.queue, rig.clock, rig.ids)
    started = await in_time(rig.clock, start_run(core, RunRequest(ANN, "hello", agent, idempotency_key=key)))
    stored = await rig.run(started.run.id)
    assert stored.session_id == started.run.session_id
    await rig.drain()
    assert (await rig.run(started.run.id)).state is RunState.SUCCEEDED
    assert len([path for path in rig.documents.paths if path.startswith("slots/")]) == 1


async def test_a_turn_whose_start_arrives_late_is_executed_in_its_own_session() -> None:
    rig = EngineRig()
    agent = await rig.make_agent()
    engine = rig.engine(LateFirst(rig.documents))
    turn = await in_time(rig.clock, answer_message(engine, RunRequest(ANN, "hello", agent)))
    await in_time(rig.clock, read(turn))
    run = await rig.run(turn.run.id)
    assert (run.state, run.session_id) == (RunState.SUCCEEDED, turn.run.session_id)
    assert [event["seq"] for event in await rig.events(run.session_id)] == [1, 2]
