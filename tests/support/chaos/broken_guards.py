"""The engine without one of its guards each, to see that the simulator notices: only tests ever run it so."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from unittest.mock import patch

from shared.domain import journal
from shared.domain.budgets import Amount, Fund
from shared.domain.events import append, start_event
from shared.domain.ids import RunId
from shared.domain.joins import Edge, JoinCount, edges_out, expand, needs_counter
from shared.domain.journal import Entries, Journal
from shared.domain.plan_graphs import PlanGraph
from shared.domain.records import parse
from shared.domain.runs import SWEEP_AFTER, Run, run_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.tools import Effect
from shared.domain.writes import Delete, Increment, Merge, Put, ServerTime, Update, Write
from shared.ports.documents import CommitRefused, Committed, Documents, OutcomeUnknown, Query, Snapshot
from shared.usecases.nodes import (
    attempt,
    claim_node,
    end_run,
    execute_node,
    finish_node,
    perform_work,
    purse,
    read_journal,
    wake_successors,
)
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.node_context import NodeContext, Target
from shared.usecases.nodes.node_recorder import NodeRecorder
from shared.usecases.nodes.purse import Purse
from shared.usecases.runs import cancel_run, start_run
from tests.support.chaos.definitions import CROWD, DELEGATION, HURRIED, METERED
from tests.support.chaos.faults import Fault
from tests.support.chaos.rules import EVERYTHING, QUEUE_ALONE, Rules
from tests.support.chaos.scenario import Cancel, Message, Scenario


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard that can be taken away.

    Args:
        promise: what it is for.
        broken: takes it away for a while.
        rules: under which schedules that shows.
    """

    promise: str
    broken: Callable[[], AbstractContextManager[object]]
    rules: Rules = EVERYTHING


def _replaced(owner: object, **by: Any) -> Callable[[], AbstractContextManager[object]]:
    """Puts others in the place of an owner's attributes."""

    @contextmanager
    def replacing() -> Generator[None, None, None]:
        with ExitStack() as stack:
            for name, value in by.items():
                stack.enter_context(patch.object(owner, name, value))
            yield

    return replacing


@contextmanager
def _all_of(*parts: Callable[[], AbstractContextManager[object]]) -> Generator[None, None, None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part())
        yield


# Fencing: commits do not depend on the lease.


def _unconditional(self: Attempt) -> Merge:
    return Merge(f"unfenced/{self.token}", {"beat": ServerTime(), "cancel": Increment(0)})


def _forgiving(path: str, *, must_exist: bool = False, seen: Any = None) -> Delete:
    del must_exist
    return Delete(path, seen=seen)


def _no_fencing() -> AbstractContextManager[object]:
    return _all_of(_replaced(Attempt, fence=_unconditional), _replaced(attempt, Delete=_forgiving))


# Cancelling: the run is read, then the node claimed.


class _EarlierRun:
    """Documents in which a run is still what it was."""

    def __init__(self, inner: Documents, earlier: Snapshot) -> None:
        self._inner = inner
        self._earlier = earlier

    async def get(self, path: str) -> Snapshot:
        return await self._inner.get(path)

    async def get_many(self, paths: Sequence[str]) -> list[Snapshot]:
        found = await self._inner.get_many(paths)
        return [self._earlier if snapshot.path == self._earlier.path else snapshot for snapshot in found]

    async def query(self, query: Query) -> list[Snapshot]:
        return await self._inner.query(query)

    async def commit(self, writes: Sequence[Write]) -> Committed:
        return await self._inner.commit(writes)


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
        documents: Any = _EarlierRun(engine.core.documents, earlier[attempt])
        return await enter(replace(engine, core=replace(engine.core, documents=documents)), target, attempt)

    return _replaced(execute_node, claim_node=claim_after_reading, enter_node=enter_without_reading)()


# The session's slot is released in a commit of its own.


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

    return _all_of(
        _replaced(end_run.RunEnd, _hand_over=keep),
        _replaced(execute_node, finish_node=finish_then_release),
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


# A map says how many items it has after they were set off.


def _added_late() -> AbstractContextManager[object]:
    resolution, wake = finish_node._resolution, execute_node.wake_successors  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    def not_yet(context: NodeContext, edge: Edge, outcome: Any) -> Write:
        if outcome.items:
            return Merge(edge.path, {"resolved": Increment(0), "ok": Increment(0), "added": Increment(0)})
        return resolution(context, edge, outcome)

    async def wake_then_add(core: Any, target: Target, indices: range, counts: Any) -> None:
        await wake(core, target, indices, counts)
        if target.item is None and indices and counts is not None:
            run, graph = target.run, target.graph
            edges = edges_out(graph, run.id, run.epoch, target.node.id)
            for edge in edges:
                if needs_counter(graph, edge.successor):
                    await _commit_at_last(core.documents, [expand(edge, len(indices))])

    return _all_of(_replaced(finish_node, _resolution=not_yet), _replaced(execute_node, wake_successors=wake_then_add))


async def _commit_at_last(documents: Documents, writes: list[Write]) -> None:
    while True:
        try:
            await documents.commit(writes)
        except OutcomeUnknown:
            continue
        return


# Smaller ones.


_open = Purse.__post_init__


async def _nothing(*_: Any) -> None:
    return None


def _unchecked(_: Attempt) -> None:
    return None


def _another_id(*_: Any) -> RunId:
    return RunId(f"another-{next(_OTHERS)}")


def _unheard(self: Attempt, *, at_once: bool = False) -> None:
    del self, at_once


async def _no_entries(*_: Any) -> Journal:
    return Journal()


def _own_entries(entries: Entries, earlier: Entries | None = None) -> Journal:
    del earlier
    return journal.read_journal(entries)


def _naive_counts() -> AbstractContextManager[object]:
    wake = execute_node.wake_successors

    async def trusting(core: Any, target: Target, indices: range, counts: Any) -> None:
        await wake(core, target, indices, counts or {})

    return _replaced(execute_node, wake_successors=trusting)()


def _no_intents() -> AbstractContextManager[object]:
    answer = NodeRecorder.answer

    async def careless(self: NodeRecorder, call: Any, effect: Effect, execute: Any) -> Any:
        del effect
        return await answer(self, call, Effect.NONE, execute)

    return _replaced(NodeRecorder, answer=careless)()


def _unmarked(edge: Edge, shard: JoinCount) -> list[Write]:
    sums = {"resolved": Increment(shard.resolved), "ok": Increment(shard.ok), "added": Increment(0)}
    return [Put(f"{edge.path}.done", {"resolved": shard.resolved}), Merge(edge.counter, sums)]


def _slot_overwritten() -> AbstractContextManager[object]:
    hand_over = end_run.RunEnd._hand_over  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    async def regardless(self: end_run.RunEnd, snapshot: Snapshot, slot: Slot) -> list[Write]:
        *writes, last = await hand_over(self, snapshot, slot)
        return [*writes, replace(last, seen=None)] if isinstance(last, Update) else [*writes, last]

    return _replaced(end_run.RunEnd, _hand_over=regardless)()


def _all_of_it(self: Fund, sums: Any, chunk: Amount) -> dict[str, int]:
    del sums
    return {name: chunk[name] for name in self.limits.limited}


_check = Fund.check


def _half_of_it(self: Fund, sums: Any, needed: Amount) -> None:
    halves = {name: (self.limits.limit(name) or 0) // 2 for name in self.limits.limited if name != "places"}
    _check(replace(self, limits=replace(self.limits, **halves)), sums, needed)


def _regardless(path: str, fields: Any, seen: Any = None) -> Update:
    del seen
    return Update(path, fields)


def _forgetful(self: Purse) -> None:
    self.held = None
    _open(self)


async def _send_broken_off(self: Attempt, batch: Sequence[Write]) -> Any:
    return await self._core.documents.commit(batch)  # pyright: ignore[reportPrivateUsage] # as it was


_OTHERS = count()
STOPPED = Scenario(
    DELEGATION,
    items=0,
    shard_above=50,
    workers=1,
    actions=(Message(0.0, "m0", chat=False, session=True, if_busy="reject", has_key=True), Cancel(1.2, "m0")),
)
"""Delegates at work when their asker is cancelled."""
ALONE = replace(STOPPED, actions=STOPPED.actions[:1])
"""One run that nobody cancels."""
PAYS = Rules(
    kinds=frozenset({Fault.CRASH_AFTER}), only_workers=True, scenario=replace(ALONE, definition=METERED, workers=2)
)
"""Workers die when they have paid, and before they have recorded it."""
DRAWS_LATE = Rules(kinds=frozenset({Fault.LATE}), only_workers=True, scenario=replace(ALONE, definition=METERED))
"""A draw on a budget is given up and made again, and arrives after all, while its node is still at work."""
HELD = Rules(kinds=frozenset(), scenario=replace(ALONE, definition=CROWD, workers=3))
"""Nodes hold what is left of a budget, and give it back."""
ENDS_EARLY = Rules(scenario=replace(ALONE, definition=HURRIED))
"""A run ends while one of its nodes waits for a person."""


def _no_fact(run: Run, *_: Any) -> Put:
    """Something else in the commit that ends a run."""
    return Put(f"facts/{run.id}", {})


def _run_funds(target: Target) -> tuple[Fund, ...]:
    return target.run.funds


GUARDS = {
    "fencing": Guard("a node has one outcome", _no_fencing),
    "own expiry": Guard("no recorded step runs again", _replaced(Attempt, check=_unchecked)),
    "create on claim": Guard("a node has one holder", _replaced(claim_node, Create=Put)),
    "journal": Guard("no recorded step runs again", _replaced(execute_node, read_node_journal=_no_entries)),
    "outcomes taken over": Guard("a retry repeats nothing that holds", _replaced(perform_work, carry_over=_nothing)),
    "earlier journals": Guard("a retry repeats no recorded step", _replaced(read_journal, read_journal=_own_entries)),
    "intents": Guard("what happens once happens once", _no_intents, PAYS),
    "successor re-check": Guard("no lost wake-up", _replaced(execute_node, _wake_again=_nothing), QUEUE_ALONE),
    "counters read by level": Guard("no lost wake-up", _naive_counts, QUEUE_ALONE),
    "sweeper": Guard("no lost wake-up", _all_of, Rules(sweeper=False)),
    "added with the items": Guard("a join fires when all have ended", _added_late),
    "shard marker": Guard("a join counts each edge once", _replaced(wake_successors, promote=_unmarked)),
    "claim, then read": Guard("a cancelled run asks no model", _read_then_claim),
    "marked leases": Guard("a cancelled run asks no model", _replaced(cancel_run, mark_leases=_nothing)),
    "leases marked by a pause": Guard("a paused run asks no model", _replaced(Attempt, give_way=_unheard)),
    "state read before the start": Guard("an ended run stays ended", _replaced(PlanGraph, may_end_early=False)),
    "stopped rest": Guard(
        "an ended run leaves nothing behind", _replaced(execute_node, stop_rest=_nothing), ENDS_EARLY
    ),
    "whole commits": Guard("a delegate ends once", _replaced(Attempt, _send=_send_broken_off), Rules(scenario=STOPPED)),
    "slot in the last commit": Guard("the slot ends free", _slot_apart),
    "slot compared and set": Guard("nobody waits for ever", _slot_overwritten),
    "only what is left is used": Guard("no budget is exceeded", _replaced(Fund, usable=_all_of_it)),
    "refused only at the limit": Guard("a budget can be used", _replaced(Fund, check=_half_of_it), HELD),
    "drawn also on what parts bring": Guard("no budget is exceeded", _replaced(Target, funds=property(_run_funds))),
    "nothing drawn unseen": Guard("nothing of a budget is lost", _replaced(purse, Update=_regardless), DRAWS_LATE),
    "what was drawn is taken over": Guard("no budget is exceeded", _replaced(Purse, __post_init__=_forgetful)),
    "fact in the last commit": Guard("a run's end is told of", _replaced(end_run, record_run_end=_no_fact)),
    "key makes the id": Guard("same request, same run", _replaced(start_run, id_of_key=_another_id)),
}
"""By what is taken away."""
