"""Publish again what nobody has heard yet."""

from __future__ import annotations

from shared.domain.facts import FACTS, Fact
from shared.domain.records import parse, render
from shared.domain.writes import Update
from shared.ports.documents import CommitRefused, Filter, Order, OutcomeUnknown, Query, Snapshot
from shared.usecases.nodes.engine import Core


async def sweep_facts(core: Core, limit: int) -> int:
    """Publish each fact that is due, and look at it again later; how many there were.

    Raises:
        Unavailable: the store or the topic does not answer.
    """
    if core.topic is None:
        return 0
    now = core.clock.now()
    due = Query(FACTS, (Filter("due_at", "<=", now),), (Order("due_at"),), limit=limit)
    found = await core.documents.query(due)
    facts = [parse(Fact, snapshot.fields or {}) for snapshot in found]
    await core.topic.publish([fact.id for fact in facts])
    for snapshot, fact in zip(found, facts, strict=True):
        await _postpone(core, snapshot, fact)
    return len(facts)


async def _postpone(core: Core, snapshot: Snapshot, fact: Fact) -> None:
    """Look at the fact again later, unless it was heard meanwhile."""
    again = fact.published_again(core.clock.now())
    try:
        await core.documents.commit([Update(fact.path, render(again), seen=snapshot.update_time)])
    except (CommitRefused, OutcomeUnknown):
        return
