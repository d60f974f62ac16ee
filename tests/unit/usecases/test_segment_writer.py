"""What a listener is shown, and when: the sizes and pauses of the live preview, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.domain.errors import ModelUnavailable, Unavailable
from shared.domain.ids import Instance, RunId, Token, Uid
from shared.domain.nodes import lease_fields, lease_path
from shared.domain.runs import Run
from shared.domain.segments import segments_path
from shared.domain.states import RunState
from shared.domain.writes import Delete, Put, Write
from shared.ports.documents import CommitRefused, Committed, Documents, OutcomeUnknown, Query, Snapshot
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.segment_writer import SegmentWriter
from tests.support.engine_rig import EngineRig
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.passing_time import in_time
from tests.support.scripted_runner import ScriptedRunner, Step

RUN, MAIN, TOKEN, ANN = RunId("r1"), Instance("main~0"), Token("t"), Uid("ann")
STEP, TRY = 2, 100
A_KILOBYTE = 1024


@dataclass
class Shown:
    """One write of a segment: when it was sent, and the document."""

    at: float
    id: str
    fields: dict[str, Any]


@dataclass
class SegmentLog(ForwardingDocuments):
    """`Documents` over another one that takes its time for a commit, and notes the segments in it.

    Attributes:
        most_at_once: how many commits with segments were under way together, at most.
        refuse: how many of the coming ones are refused.
        give_up: which of them, counted from 0, is given up; `late` holds it from then on.
    """

    inner: Documents
    clock: MemoryClock
    seconds: float = 0
    shown: list[Shown] = field(default_factory=list[Shown])
    under_way: int = 0
    most_at_once: int = 0
    refuse: int = 0
    give_up: int | None = None
    late: Sequence[Write] = ()

    async def commit(self, writes: Sequence[Write]) -> Committed:
        puts = [write for write in writes if not isinstance(write, Delete) and "/segments/" in write.path]
        now = self.clock.monotonic()
        number = len(self.shown)
        self.shown += [Shown(now, put.path.rpartition("/")[2], dict(put.fields)) for put in puts]
        if not puts:
            return await super().commit(writes)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            if self.seconds:
                await self.clock.sleep(self.seconds)
            if self.refuse:
                self.refuse -= 1
                raise CommitRefused
            if number == self.give_up:
                self.late = writes
                raise OutcomeUnknown
            return await super().commit(writes)
        finally:
            self.under_way -= 1

    @property
    def times(self) -> list[float]:
        """When segments were sent."""
        return [round(shown.at, 3) for shown in self.shown]

    def text(self) -> str:
        """What the latest revisions join to."""
        latest = {shown.id: shown.fields for shown in self.shown}
        return "".join(latest[id_]["text"] for id_ in sorted(latest))


class Rig:
    """A writer on a store of its own."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.log = SegmentLog(MemoryDocuments(self.clock), self.clock)
        core = Core(self.log, MemoryTaskQueue(), self.clock, MemoryIds())
        attempt = Attempt(core, run_id=RUN, instance=MAIN, number=2, token=TOKEN, lease_seconds=30, sent=0)
        self.writer = SegmentWriter(core, attempt, ANN, STEP, TRY)

    async def hold_lease(self) -> None:
        """Store the lease with which beats are committed."""
        await self.log.inner.commit([Put(lease_path(RUN, MAIN, 2), lease_fields(RUN, MAIN, TOKEN))])

    async def say(self, seconds: float, every: float = 0.01) -> str:
        """Add a character each hundredth of a second."""
        said = ""
        for _ in range(round(seconds / every)):
            said += chr(ord("a") + len(said) % 26)
            self.writer.append(said[-1])
            await self.clock.advance(every)
        return said

    async def finish(self) -> None:
        """End the step, as the commit does that records it."""
        await in_time(self.clock, self.log.commit(await in_time(self.clock, self.writer.finish())))


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    await rig.hold_lease()
    return rig


async def test_the_first_text_is_shown_at_once_and_the_rest_after_pauses_that_grow(rig: Rig) -> None:
    rig.log.seconds = 0.03
    await rig.say(5)
    tenths = [0.0, 0.13, 0.26, 0.39, 0.52, 0.65, 0.78, 0.91]
    quarters = [1.04, 1.32, 1.6, 1.88, 2.16, 2.44, 2.72]
    halves = [3.0, 3.53, 4.06, 4.59]
    assert rig.log.times == [*tenths, *quarters, *halves]
    assert [shown.fields["text"] for shown in rig.log.shown[:1]] == ["a"]


async def test_a_segment_is_written_eight_times_at_most_and_then_the_next_opens(rig: Rig) -> None:
    said = await rig.say(5)
    await rig.finish()
    written = [(shown.id, shown.fields["rev"]) for shown in rig.log.shown]
    assert len(written) > 2 * 8
    assert written == [(f"0002-0100-{at // 8:06}", at % 8) for at in range(len(written))]
    assert rig.log.text() == said


async def test_a_segment_closes_with_the_write_that_brings_it_to_a_kilobyte(rig: Rig) -> None:
    pieces = [600, 423, 1, 5, 3000, 7]
    for length in pieces:
        rig.writer.append("x" * length)
        await rig.clock.advance(0.1)
    await rig.finish()
    told = [(s.fields["n"], s.fields["rev"], s.fields["start"], len(s.fields["text"])) for s in rig.log.shown]
    assert told == [
        (0, 0, 0, 600),
        (0, 1, 0, 1023),
        (0, 2, 0, 1024),
        (1, 0, 1024, 5),
        (1, 1, 1024, 3005),
        (2, 0, 4029, 7),
        (2, 1, 4029, 7),
    ]
    assert [shown.fields["final"] for shown in rig.log.shown] == [False] * 6 + [True]


async def test_a_long_answer_costs_bytes_in_proportion_to_its_length(rig: Rig) -> None:
    for _ in range(500):
        rig.writer.append("word " * 10)
        await rig.clock.advance(0.01)
    await rig.finish()
    written = sum(len(shown.fields["text"]) for shown in rig.log.shown)
    assert len(rig.log.text()) == 25_000
    assert written < 25_000 + len(rig.log.shown) * A_KILOBYTE
    ends = [shown.fields["start"] + len(shown.fields["text"]) for shown in rig.log.shown]
    assert all(before <= after for before, after in pairwise(ends))


async def test_one_write_is_in_flight_at_a_time_and_text_gathers_behind_it(rig: Rig) -> None:
    rig.log.seconds = 0.703
    said = await rig.say(3)
    await rig.finish()
    assert rig.log.most_at_once == 1
    *before, last = rig.log.times
    assert before == [0.0, 0.803, 1.756, 2.709]
    assert last >= 2.709 + 0.703
    assert [len(shown.fields["text"]) for shown in rig.log.shown] == [1, 81, 176, 271, 300]
    assert rig.log.text() == said


async def test_what_a_refused_write_would_have_shown_comes_with_the_next(rig: Rig) -> None:
    rig.log.refuse = 1
    said = await rig.say(0.15)
    assert [(s.fields["rev"], s.fields["text"]) for s in rig.log.shown] == [(0, said[0]), (1, said[:11])]


async def stored(rig: Rig) -> list[tuple[str, bool]]:
    """The text of each stored segment, and whether it is the last."""
    found = await rig.log.inner.query(Query(segments_path(RUN, MAIN)))
    return [(fields["text"], fields["final"]) for snapshot in found if (fields := snapshot.fields)]


@pytest.mark.parametrize("write", [0, 3], ids=["the first", "a later"])
@pytest.mark.parametrize("more", [0.15, 5.0], ids=["before the next segment", "after it"])
async def test_a_write_that_was_given_up_replaces_nothing_that_was_written_since(
    rig: Rig, write: int, more: float
) -> None:
    rig.log.give_up = write
    said = await rig.say(0.3 + more)
    shown = await stored(rig)
    with pytest.raises(CommitRefused):
        await rig.log.inner.commit(rig.log.late)
    assert await stored(rig) == shown
    await rig.finish()
    assert "".join(text for text, _ in await stored(rig)) == said


@pytest.mark.parametrize("write", [0, 3], ids=["the first", "a later"])
async def test_a_write_that_was_given_up_and_applied_before_the_next_is_built_upon(rig: Rig, write: int) -> None:
    rig.log.give_up = write
    said = await rig.say(write * 0.1 + 0.05)
    await rig.log.inner.commit(rig.log.late)
    said += await rig.say(0.3)
    shown = "".join(text for text, _ in await stored(rig))
    assert said.startswith(shown)
    assert len(shown) > len(said) - 15, "what came in the last pauses is not shown yet"


async def test_what_was_given_up_does_not_shorten_the_answer_once_it_has_ended(rig: Rig) -> None:
    rig.log.give_up = 3
    said = await rig.say(0.35)
    await rig.finish()
    with pytest.raises(CommitRefused):
        await rig.log.inner.commit(rig.log.late)
    assert await stored(rig) == [(said, True)]


async def test_what_ends_the_step_is_written_again_where_nobody_knows_whether_it_was(rig: Rig) -> None:
    rig.writer.append("x")
    await rig.clock.advance(0.01)
    rig.writer.append("y" * 2 * A_KILOBYTE)
    await rig.writer.finish()
    await rig.finish()
    assert await stored(rig) == [("x" + "y" * 2 * A_KILOBYTE, True)]


async def test_a_store_that_cannot_be_read_costs_no_more_than_a_pause(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def down(_: str) -> Snapshot:
        raise Unavailable("it does not answer")

    rig.log.refuse = 1
    with monkeypatch.context() as patched:
        patched.setattr(rig.log, "get", down)
        said = await rig.say(0.05)
    said += await rig.say(0.3)
    await rig.finish()
    assert await stored(rig) == [(said, True)]


async def play(*steps: Step) -> tuple[SegmentLog, Run]:
    """An agent that plays a script in no time, as often as it is tried again."""
    rig = EngineRig(ScriptedRunner(lambda _: steps))
    started = await rig.start(await rig.make_agent(tools=["echo"]))
    log = SegmentLog(rig.documents, rig.clock)
    while rig.queue.pending:
        await rig.queue.deliver_next(lambda task: rig.deliver(task, log))
        await rig.clock.advance(5)
    return log, await rig.run(started.run.id)


async def test_a_tool_call_is_shown_at_once_with_the_text_before_it() -> None:
    log, run = await play(Step(("let ", "me ", "see"), (("echo", {"value": 1}),)), Step(("done",)))
    assert run.state is RunState.SUCCEEDED
    first, called = (shown for shown in log.shown if shown.fields["step"] == 0)
    assert [part["name"] for part in called.fields["parts"]] == ["echo"]
    assert (called.fields["text"], called.fields["final"]) == ("let me see", True)
    assert called.at - first.at < 0.1


def breaks_off() -> None:
    raise ModelUnavailable("gone in the middle")


async def test_an_error_that_ends_the_node_shows_all_that_was_said_and_one_that_does_not_voids_it() -> None:
    log, run = await play(Step(("what ", "was ", "said"), before_end=breaks_off))
    assert run.state is RunState.FAILED
    told = [(shown.fields["try"], shown.fields["text"], shown.fields["final"]) for shown in log.shown]
    voided = [(0, "what ", False), (100, "what ", False)]
    assert told == [*voided, (200, "what ", False), (200, "what was said", True)]
    assert log.shown[-1].at - log.shown[-2].at < 0.1
