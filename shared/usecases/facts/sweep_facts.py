"""Publish again what nobody has heard yet."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from shared.domain.dead_letters import DeadLetterKind, bury
from shared.domain.errors import Unavailable
from shared.domain.facts import FACTS, MAX_PUBLISHES, MOST_UNHEARD, Fact
from shared.domain.records import parse, render
from shared.domain.writes import Update, Write
from shared.ports.documents import Filter, Order, Query, Snapshot
from shared.usecases.nodes.engine import Core
from shared.usecases.sweep_each import Report, make_due_again, surface, sweep_each
from shared.usecases.try_commit import try_commit


async def sweep_facts(core: Core, limit: int, report: Report = surface) -> int:
    """Publish each fact that is due, and look at it again later; how many there were.

    None where the topic does not answer: other sweeps go on, and the next one of these tries again. One that cannot be
    read is put off, so that it holds up no other.

    Raises:
        Unavailable: the store does not answer.
    """
    if core.topic is None:
        return 0
    now = core.clock.now()
    due = Query(FACTS, (Filter("due_at", "<=", now),), (Order("due_at"),), limit=limit)
    later = partial(make_due_again, core.documents, "due_at", now + MOST_UNHEARD)
    found = await sweep_each(await core.documents.query(due), _read, later, report)
    try:
        await core.topic.publish([fact.id for _, fact in found])
    except Unavailable:
        return 0
    for snapshot, fact in found:
        await _postpone(core, snapshot, fact)
    return len(found)


async def _read(snapshot: Snapshot) -> tuple[Snapshot, Fact]:
    return snapshot, parse(Fact, snapshot.fields or {})


async def _postpone(core: Core, snapshot: Snapshot, fact: Fact) -> None:
    """Look at the fact again later, unless it was heard meanwhile; a person should know of one that nobody hears."""
    now = core.clock.now()
    again = fact.published_again(now)
    writes: list[Write] = []
    if again.publishes >= MAX_PUBLISHES:
        again = replace(again, due_at=None)
        reason = f"{fact.kind}: nobody has heard it in {MAX_PUBLISHES} tries"
        writes = [bury(DeadLetterKind.FACT, fact.owner_uid, {"fact_id": fact.id}, reason, now)]
    await try_commit(core.documents, [Update(fact.path, render(again), seen=snapshot.update_time), *writes])
