"""Guards of what was done: recorded, and not done again."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from shared.domain import journal
from shared.domain.journal import Entries, Journal
from shared.domain.tools import Effect
from shared.domain.writes import Put
from shared.usecases.approvals import decide_approval
from shared.usecases.nodes import execute_node, perform_work, read_journal
from shared.usecases.nodes.node_recorder import NodeRecorder
from tests.support.chaos.broken_guards.guard import ALONE, Guard, nothing, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import METERED, SIGNED
from tests.support.chaos.rules import Rules


async def _no_entries(*_: Any) -> Journal:
    return Journal()


def _own_entries(entries: Entries, earlier: Entries | None = None) -> Journal:
    del earlier
    return journal.read_journal(entries)


def _no_intents() -> AbstractContextManager[object]:
    answer = NodeRecorder.answer

    async def careless(self: NodeRecorder, call: Any, effect: Effect, execute: Any) -> Any:
        del effect
        return await answer(self, call, Effect.NONE, execute)

    return replaced(NodeRecorder, answer=careless)()


def _forgotten(journal: str, entry: str, *_: Any) -> Put:
    """Something else in the commit of a decision."""
    return Put(f"forgotten/{journal.replace('/', '~')}~{entry}", {})


PAYS = Rules(
    kinds=frozenset({Fault.CRASH_AFTER}), only_workers=True, scenario=replace(ALONE, definition=METERED, workers=2)
)
"""Workers die when they have paid, and before they have recorded it."""
JOURNALS = {
    "journal": Guard(
        "no recorded step runs again",
        replaced(execute_node, read_node_journal=_no_entries),
        r"asks the model for step \d+, which is recorded$",
    ),
    "earlier journals": Guard(
        "a retry repeats no recorded step",
        replaced(read_journal, read_journal=_own_entries),
        r"asks the model for step \d+, which is recorded$",
    ),
    "outcomes taken over": Guard(
        "a retry repeats nothing that holds",
        replaced(perform_work, carry_over=nothing),
        r"and the outcome of runs/\S+ holds$",
    ),
    "texts taken up": Guard(
        "what was said is kept",
        replaced(NodeRecorder, take_up_text=nothing),
        r": is (failed|cancelled), keeps '.*', and had said '",
    ),
    "intents": Guard("what happens once happens once", _no_intents, r" pay happened \d+ times$", PAYS),
    "decisions in the journal": Guard(
        "what a person said is heard",
        replaced(decide_approval, record_decision=_forgotten),
        r" was attempted \d+ times without an end",
        Rules(kinds=frozenset(), scenario=replace(ALONE, definition=SIGNED)),
    ),
}
