"""Hear a fact: let everybody know whom it concerns, and forget it."""

from __future__ import annotations

from shared.domain.dead_letters import DeadLetterKind, dead_letter_id, dead_letter_path
from shared.domain.facts import Fact, FactId, fact_path
from shared.domain.records import parse
from shared.domain.writes import Delete
from shared.usecases.try_commit import try_commit
from shared.usecases.webhooks.announce_fact import announce_fact
from shared.usecases.webhooks.desk import Desk


async def hear_fact(desk: Desk, fact_id: FactId) -> bool:
    """Do what follows from a fact; safe to call any number of times. False where it was heard before.

    Raises:
        Unavailable: the store or the queue does not answer; let it be heard again.
    """
    snapshot = await desk.documents.get(fact_path(fact_id))
    if snapshot.fields is None:
        return False
    fact = parse(Fact, snapshot.fields)
    await announce_fact(desk, fact)
    forgotten = [Delete(snapshot.path)]
    if fact.due_at is None:  # it was given up before
        forgotten.append(Delete(dead_letter_path(dead_letter_id(DeadLetterKind.FACT, {"fact_id": fact.id}))))
    # Should it still be there, the sweeper publishes it again.
    await try_commit(desk.documents, forgotten)
    return True
