"""Guards of a session: one run at a time, a log without a gap, one run for one request, and the fact of its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from typing import Any

from shared.domain.events import Event, append, start_event
from shared.domain.ids import RunId
from shared.domain.records import parse
from shared.domain.runs import SWEEP_AFTER, Run, run_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.writes import Put, Update, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.usecases.nodes import end_run, execute_node
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import NodeRecorder
from shared.usecases.nodes.session_log import SessionLog
from shared.usecases.runs import start_run
from tests.support.chaos.broken_guards.guard import ALONE, Guard, all_of, commit_at_last, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import SINGLE
from tests.support.chaos.rules import Rules


def _slot_apart() -> AbstractContextManager[object]:
    finish = execute_node.finish_node

    async def keep(self: end_run.RunEnd, snapshot: Snapshot, slot: Slot) -> list[Write]:
        del self
        fields = {"next_seq": slot.next_seq + 1}
        return [Update(snapshot.path, fields, seen=snapshot.update_time)]

    async def finish_then_release(engine: Engine, context: NodeContext, outcome: Any, live: Any = ()) -> Any:
        counts = await finish(engine, context, outcome, live)
        if context.log is not None:
            await _release(engine, context.run, len(outcome.messages))
        return counts

    return all_of(
        replaced(end_run.RunEnd, _hand_over=keep),
        replaced(execute_node, finish_node=finish_then_release),
    )


async def _release(engine: Engine, run: Run, messages: int) -> None:
    documents, now = engine.core.documents, engine.core.clock.now()
    while True:
        snapshot = await documents.get(slot_path(run.session_id))
        slot = parse(Slot, snapshot.fields or {})
        fields: dict[str, Any] = {"run_id": None, "queue": list(slot.queue[1:])}
        fields["next_message"] = slot.next_message + messages
        writes: list[Write] = []
        if slot.queue:
            following = parse(Run, (await documents.get(run_path(slot.queue[0]))).fields or {})
            fields |= {"run_id": following.id, "next_seq": slot.next_seq + 1}
            writes = [append(run.session_id, start_event(following, slot.next_seq, now))]
            writes.append(Update(following.path, {"next_sweep_at": now + SWEEP_AFTER}))
        try:
            await documents.commit([*writes, Update(snapshot.path, fields, seen=snapshot.update_time)])
        except (CommitRefused, OutcomeUnknown):
            if slot.run_id != run.id:
                return
            continue
        return


def _slot_overwritten() -> AbstractContextManager[object]:
    hand_over = end_run.RunEnd._hand_over  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    async def regardless(self: end_run.RunEnd, snapshot: Snapshot, slot: Slot) -> list[Write]:
        *writes, last = await hand_over(self, snapshot, slot)
        return [*writes, replace(last, seen=None)] if isinstance(last, Update) else [*writes, last]

    return replaced(end_run.RunEnd, _hand_over=regardless)()


_OTHERS = count()


def _another_id(*_: Any) -> RunId:
    return RunId(f"another-{next(_OTHERS)}")


def _no_fact(run: Run, *_: Any) -> Put:
    """Something else in the commit that ends a run."""
    return Put(f"facts/{run.id}", {})


def _counted_apart() -> AbstractContextManager[object]:
    """An event's number is taken in a commit of its own, before the one that writes it."""
    writes, record = SessionLog.writes, NodeRecorder._commit  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    def uncounted(self: SessionLog, *events: Event) -> list[Write]:
        return writes(self, *events)[: len(events)]

    async def count_then_record(
        self: NodeRecorder, records: Sequence[Write], witness: str, event: Event | None = None
    ) -> None:
        context = self._context  # pyright: ignore[reportPrivateUsage] # as it has it
        if context.log is not None and event is not None:
            counted = Update(slot_path(context.log.session_id), {"next_seq": context.log.next_seq + 1})
            await commit_at_last(self._engine.core.documents, [counted])  # pyright: ignore[reportPrivateUsage]
        await record(self, records, witness, event)

    return all_of(replaced(SessionLog, writes=uncounted), replaced(NodeRecorder, _commit=count_then_record))


QUEUED = Rules(
    kinds=frozenset({Fault.SLOW}),
    only_workers=True,
    scenario=replace(
        ALONE,
        definition=SINGLE,
        actions=tuple(
            replace(ALONE.actions[0], at=1.5 * number, text=f"m{number}", if_busy="enqueue") for number in range(5)
        ),
    ),
)
"""Messages come while others are answered, whose ends take long."""
SESSIONS = {
    "counted with the event": Guard("the log has no gap", _counted_apart, r"^event \d+ of \w+ is number \d+$"),
    "slot in the last commit": Guard("the slot ends free", _slot_apart, r": the slot is Slot\("),
    "slot compared and set": Guard(
        "nobody waits for ever", _slot_overwritten, r"something is still to be done: .* runs \[.*\w+ queued'", QUEUED
    ),
    "fact in the last commit": Guard(
        "a run's end is told of", replaced(end_run, record_run_end=_no_fact), r", and tells None at None$"
    ),
    "key makes the id": Guard(
        "same request, same run", replaced(start_run, id_of_key=_another_id), r"^message \w+ has two runs: "
    ),
}
