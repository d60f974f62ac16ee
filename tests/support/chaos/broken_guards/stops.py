"""Guards of what must stop: cancelled, paused, or ended without some of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from shared.domain.plan_graphs import PlanGraph
from shared.ports.documents import Documents, Snapshot
from shared.usecases.nodes import execute_node, release_waiting
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext, Target
from shared.usecases.runs import cancel_run
from tests.support.chaos.broken_guards.guard import ALONE, STOPPED, Guard, nothing, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import HASTY, HURRIED, METERED, QUORUM
from tests.support.chaos.rules import Rules
from tests.support.chaos.scenario import Cancel, Pause
from tests.support.forwarding_documents import ForwardingDocuments


class _EarlierRun(ForwardingDocuments):
    """Documents in which a run is still what it was, for who reads it beside others."""

    def __init__(self, inner: Documents, earlier: Snapshot) -> None:
        super().__init__(inner)
        self._earlier = earlier

    async def get(self, path: str) -> Snapshot:
        return await self.inner.get(path)

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        found = await super().get_many(paths)
        return [self._earlier if snapshot.path == self._earlier.path else snapshot for snapshot in found]


def _read_then_claim() -> AbstractContextManager[object]:
    earlier: dict[Attempt, Snapshot] = {}
    claim, enter = execute_node.claim_node, execute_node.enter_node

    async def claim_after_reading(engine: Engine, target: Target) -> Any:
        run = await engine.core.documents.get(target.run.path)
        claimed = await claim(engine, target)
        if isinstance(claimed, Attempt):
            earlier[claimed] = run
        return claimed

    async def enter_without_reading(engine: Engine, target: Target, attempt: Attempt) -> NodeContext | None:
        documents = _EarlierRun(engine.core.documents, earlier[attempt])
        return await enter(replace(engine, core=replace(engine.core, documents=documents)), target, attempt)

    return replaced(execute_node, claim_node=claim_after_reading, enter_node=enter_without_reading)()


def _nobody(*_: object) -> bool:
    return False


def _unheard(self: Attempt, *, at_once: bool = False) -> None:
    del self, at_once


ENDS_EARLY = Rules(scenario=replace(ALONE, definition=HURRIED))
"""A run ends while one of its nodes waits for a person, or has not begun."""
ENDS_WITHOUT_ASKER = Rules(kinds=frozenset({Fault.UNAVAILABLE}), scenario=replace(ALONE, definition=HASTY, workers=2))
"""A run ends while an agent that has asked another is to be tried again."""
CANCELLED_EARLY = Rules(
    kinds=frozenset({Fault.SLOW, Fault.STALL}),
    only_workers=True,
    scenario=replace(STOPPED, definition=QUORUM, items=4, workers=2, actions=(STOPPED.actions[0], Cancel(0.45, "m0"))),
)
"""A run is cancelled while workers that are slow take up its nodes."""
PAUSED = Rules(
    kinds=frozenset(), scenario=replace(ALONE, definition=METERED, actions=(ALONE.actions[0], Pause(5.0, "m0", 90.0)))
)
"""An agent that is long at work is paused."""
ASKED = r" (asks the model|calls \w+) at [\d.]+, "
STOPS = {
    "claim, then read": Guard(
        "a cancelled run asks no model", _read_then_claim, rf"{ASKED}cancelled at", CANCELLED_EARLY
    ),
    "marked leases": Guard(
        "a cancelled run asks no model", replaced(cancel_run, mark_leases=nothing), rf"{ASKED}cancelled at"
    ),
    "leases marked by a pause": Guard(
        "a paused run asks no model", replaced(Attempt, give_way=_unheard), rf"{ASKED}paused at", PAUSED
    ),
    "state read before the start": Guard(
        "an ended run stays ended",
        replaced(PlanGraph, starts_with_its_claim=True),
        r"^run \w+ goes from (succeeded|failed|cancelled) to running$",
        ENDS_EARLY,
    ),
    "stopped rest": Guard(
        "an ended run leaves nothing behind",
        replaced(execute_node, stop_rest=nothing),
        r" is pending$|^lease .* remains$",
        ENDS_EARLY,
    ),
    "delegates of who is to be tried again": Guard(
        "an ended run leaves nothing behind",
        replaced(release_waiting, may_ask_delegates=_nobody),
        r": talk\.writer\.[^ ]+: is running$",
        ENDS_WITHOUT_ASKER,
    ),
}
