"""Publish again what nobody has heard yet."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.dead_letters import DeadLetterKind, bury
from shared.domain.errors import Unavailable
from shared.domain.facts import FACTS, MAX_PUBLISHES, Fact
from shared.domain.records import parse, render
from shared.domain.writes import Update, Write
from shared.ports.documents import Filter, Order, Query, Snapshot
from shared.usecases.nodes.engine import Core
from shared.usecases.try_commit import try_commit


async def sweep_facts(core: Core, limit: int) -> int:
    """Publish each fact that is due, and look at it again later; how many there were.

    None where the topic does not answer: other sweeps go on, and the next one of these tries again.

    Raises:
        Unavailable: the store does not answer.
    """
    if core.topic is None:
        return 0
    now = core.clock.now()
    due = Query(FACTS, (Filter("due_at", "<=", now),), (Order("due_at"),), limit=limit)
    found = await core.documents.query(due)
    facts = [parse(Fact, snapshot.fields or {}) for snapshot in found]
    try:
        await core.topic.publish([fact.id for fact in facts])
    except Unavailable:
        return 0
    for snapshot, fact in zip(found, facts, strict=True):
        await _postpone(core, snapshot, fact)
    return len(facts)


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
