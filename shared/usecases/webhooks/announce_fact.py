"""Announce a fact to the webhooks that want to know of it."""

from __future__ import annotations

from shared.domain.errors import Unavailable
from shared.domain.facts import Fact
from shared.domain.records import parse, render
from shared.domain.webhooks import MAX_WEBHOOKS, WEBHOOKS, Delivery, Webhook, delivery_of
from shared.domain.writes import Create
from shared.ports.documents import CommitRefused, Filter, OutcomeUnknown, Query
from shared.ports.task_queue import DeliveryTask
from shared.usecases.webhooks.desk import Desk


async def announce_fact(desk: Desk, fact: Fact) -> None:
    """Make a delivery for each webhook of whom the fact concerns, once, and enqueue it, as often as this is called.

    Raises:
        Unavailable: the store or the queue does not answer; announce it again.
    """
    owned = Query(WEBHOOKS, (Filter("owner_uid", "==", fact.owner_uid),), limit=MAX_WEBHOOKS)
    webhooks = [parse(Webhook, found.fields or {}) for found in await desk.documents.query(owned)]
    deliveries = [delivery_of(webhook, fact, desk.clock.now()) for webhook in webhooks if webhook.wants(fact.kind)]
    for delivery in deliveries:
        await _store(desk, delivery)
    await desk.queue.enqueue([DeliveryTask(delivery.id, "first") for delivery in deliveries])


async def _store(desk: Desk, delivery: Delivery) -> None:
    """Create the delivery, unless it was created before.

    Raises:
        Unavailable: it is not there.
    """
    try:
        await desk.documents.commit([Create(delivery.path, render(delivery))])
    except (CommitRefused, OutcomeUnknown):
        if not (await desk.documents.get(delivery.path)).exists:
            raise Unavailable("The store does not answer.") from None
