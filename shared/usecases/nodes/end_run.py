"""End a run: its state, its last event, its messages, and the slot, in one commit with the end of its last node.

A run that nobody has begun ends without one.
"""

from __future__ import annotations

from typing import Any

from shared.domain.budgets import FundKind, count_run
from shared.domain.events import Event, append, event_path, start_event
from shared.domain.facts import record_run_end
from shared.domain.ids import Instance, RunId
from shared.domain.nodes import Outcome
from shared.domain.quotas import count_off
from shared.domain.records import parse, render, to_json
from shared.domain.runs import SWEEP_AFTER, Failure, Run, run_path
from shared.domain.sessions import Message, Slot, message_path, session_path, slot_path
from shared.domain.states import NodeState, RunState
from shared.domain.usage import Usage
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Snapshot
from shared.usecases.nodes.engine import Core, Viewer

_RUN_STATES = {
    NodeState.SUCCEEDED: RunState.SUCCEEDED,
    NodeState.FAILED: RunState.FAILED,
    NodeState.CANCELLED: RunState.CANCELLED,
}


def cancelled(usage: Usage, text: str = "") -> Outcome:
    """The outcome of what was cancelled; `text` is what there was by then."""
    error = Failure("cancelled", "the run was cancelled")
    return Outcome(NodeState.CANCELLED, error=error, usage=usage, text=text)


def output_fields(outcome: Outcome) -> dict[str, Any]:
    """The output, or where it is kept, as nodes and runs have it."""
    is_kept = outcome.output is None or outcome.output_file is not None
    return {
        "output_json": None if is_kept else to_json(outcome.output),
        "output_file": None if outcome.output_file is None else render(outcome.output_file),
    }


def _file_content(outcome: Outcome) -> dict[str, Any]:
    return {} if outcome.output_file is None else {"file": render(outcome.output_file)}


class RunEnd:
    """The writes that end a run, made anew for each try, because the session's queue may have grown meanwhile."""

    def __init__(self, core: Core, run: Run, instance: Instance, outcome: Outcome) -> None:
        """End a run with the outcome of its last node."""
        self._core = core
        self._run = run
        self._instance = instance
        self._outcome = outcome
        self._event: Event | None = None

    async def writes(self) -> list[Write]:
        """The writes, for the slot as it is now."""
        run = self._run
        snapshot = await self._core.documents.get(slot_path(run.session_id))
        now = self._core.clock.now()
        slot = Slot() if snapshot.fields is None else parse(Slot, snapshot.fields)
        self._event = self._last_event(slot.next_seq)
        return [
            append(run.session_id, self._event),
            *self._messages(slot),
            *self._superseded(),
            Update(run.path, self._run_fields(slot.next_seq)),
            record_run_end(run, _RUN_STATES[self._outcome.state], self._outcome.error, now),
            count_run(run.owner_uid, now, self._outcome.usage, metered=self._is_metered),
            *count_off(run),
            *await self._hand_over(snapshot, slot),
        ]

    def tell(self, viewer: Viewer | None) -> None:
        """Tell who watches in this process that the last event was committed."""
        if viewer is not None and self._event is not None:
            viewer.event(self._event)

    def _last_event(self, seq: int) -> Event:
        outcome, run = self._outcome, self._run
        return Event(
            owner_uid=run.owner_uid,
            seq=seq,
            run_id=run.id,
            author="agent" if outcome.error is None else "system",
            created_at=self._core.clock.now(),
            content={"text": outcome.text, **_file_content(outcome)},
            metadata={"instance": self._instance, **outcome.position},
            partial=outcome.error is not None,
            turn_complete=True,
            error_code=None if outcome.error is None else outcome.error.code,
            error_message=None if outcome.error is None else outcome.error.message,
        )

    def _messages(self, slot: Slot) -> list[Write]:
        run = self._run
        return [
            Create(message_path(run.session_id, slot.next_message + n), render(Message(run.id, message, run.turn)))
            for n, message in enumerate(self._outcome.messages)
        ]

    @property
    def _is_metered(self) -> bool:
        """Whether the nodes have counted on the day's ledger themselves what they consumed."""
        return any(fund.kind is FundKind.DAY for fund in self._run.funds)

    def _superseded(self) -> list[Write]:
        """A new answer to an old message takes the place of the old answers, which stay in the log."""
        run = self._run
        if run.repeats is None or self._outcome.state is not NodeState.SUCCEEDED:
            return []
        return [Update(event_path(run.session_id, seq), {"superseded_by": run.id}) for seq in run.repeats.answers]

    def _run_fields(self, last_seq: int) -> dict[str, Any]:
        outcome = self._outcome
        return {
            "state": _RUN_STATES[outcome.state],
            **({"cancel_requested": True} if outcome.state is NodeState.CANCELLED else {}),
            **output_fields(outcome),
            "error": None if outcome.error is None else render(outcome.error),
            "usage": render(outcome.usage),
            "completed_at": self._core.clock.now(),
            "next_sweep_at": None,
            "last_seq": last_seq,
            "paused_at": None,
            "is_counted": False,
        }

    async def _hand_over(self, snapshot: Snapshot, slot: Slot) -> list[Write]:
        """Give the slot to the next waiting run, whose message enters the log now."""
        run = self._run
        path = slot_path(run.session_id)
        fields: dict[str, Any] = {
            "run_id": None,
            "queue": list(slot.queue[1:]),
            "next_seq": slot.next_seq + 1,
            "next_message": slot.next_message + len(self._outcome.messages),
        }
        writes: list[Write] = []
        now = self._core.clock.now()
        if slot.queue:
            following = await self._read_run(slot.queue[0])
            fields |= {"run_id": following.id, "next_seq": slot.next_seq + 2}
            writes = [
                append(run.session_id, start_event(following, slot.next_seq + 1, now)),
                Update(following.path, {"next_sweep_at": now + SWEEP_AFTER}),
            ]
        touched = Update(session_path(run.session_id), {"updated_at": now})
        return [*writes, touched, Update(path, fields, seen=snapshot.update_time)]

    async def _read_run(self, run_id: RunId) -> Run:
        snapshot = await self._core.documents.get(run_path(run_id))
        return parse(Run, snapshot.fields or {})
