"""Deliver a message to a webhook: one try, recorded once, and the next one enqueued where it failed."""

from __future__ import annotations

from contextlib import suppress

from shared.domain.dead_letters import DeadLetterKind, bury
from shared.domain.errors import DomainError, FailedPrecondition
from shared.domain.ids import DeliveryId, share_of
from shared.domain.records import parse, render
from shared.domain.webhooks import (
    DELIVERIES,
    GONE,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Webhook,
    delivery_path,
    webhook_path,
)
from shared.domain.writes import Put, Update, Write
from shared.ports.documents import Filter, Order, Query, Snapshot
from shared.ports.task_queue import DeliveryTask
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.try_commit import try_commit
from shared.usecases.webhooks.desk import Courier, Desk
from shared.usecases.webhooks.put_webhook import change_webhook
from shared.usecases.webhooks.send_message import send_message, signing_secrets

EARLY_SECONDS = 1.0
"""So much before its time a task may come: clocks differ."""
TRIES = 10
PAUSE_SECONDS = 0.02
USED_UP = "nothing has arrived there for more than a day"
SAID_GONE = "its server answered that it is gone (410)"


async def deliver_message(courier: Courier, delivery_id: DeliveryId) -> Acknowledgement:
    """Send what a task says, if it is due and nobody else is at it; safe to call any number of times.

    Raises:
        shared.domain.errors.Unavailable: a store does not answer; deliver the task again.
    """
    desk = courier.desk
    snapshot = await desk.documents.get(delivery_path(delivery_id))
    delivery = None if snapshot.fields is None else parse(Delivery, snapshot.fields)
    now = desk.clock.now()
    if delivery is None or delivery.next_attempt_at is None:
        return Acknowledgement.DONE
    if (delivery.next_attempt_at - now).total_seconds() > EARLY_SECONDS:
        return Acknowledgement.DONE  # a task of its own, or else the sweeper, comes in time
    webhook = await _webhook(desk, delivery)
    try:
        # Read before the try begins, so that no store that is down uses one up.
        secrets = await signing_secrets(desk, webhook) if webhook is not None and webhook.is_enabled else ()
    except FailedPrecondition:
        secrets = ()
    if webhook is None or not secrets or delivery.is_hopeless:
        await _give_up(desk, snapshot, delivery, webhook)
        return Acknowledgement.DONE
    begun = delivery.begun(desk.ids.new(), now)
    if not await try_commit(desk.documents, [Update(begun.path, render(begun), seen=snapshot.update_time)]):
        return Acknowledgement.DONE  # somebody else is at it; or it is us, and the sweeper comes
    attempt = await send_message(courier, webhook, begun, secrets)
    recorded = await _record(desk, begun, attempt)
    if recorded is not None:
        await _follow_up(desk, webhook, recorded, attempt)
    return Acknowledgement.DONE


async def _webhook(desk: Desk, delivery: Delivery) -> Webhook | None:
    fields = (await desk.documents.get(webhook_path(delivery.webhook_id))).fields
    return None if fields is None else parse(Webhook, fields)


async def _give_up(desk: Desk, snapshot: Snapshot, delivery: Delivery, webhook: Webhook | None) -> None:
    """End what has nowhere to go, or ends whoever sends it; what belonged to a deleted webhook is no dead letter."""
    ended = delivery.ended(DeliveryState.FAILED, desk.clock.now())
    writes: list[Write] = [Update(ended.path, render(ended), seen=snapshot.update_time)]
    if webhook is not None:
        reason = f"{delivery.tries} tries were begun, and nobody knows what came of the last"
        if not delivery.is_hopeless:
            reason = f"the webhook is disabled: {webhook.disabled_reason or 'it has no secret'}"
        writes.append(_dead(ended, reason))
    await try_commit(desk.documents, writes)


async def _record(desk: Desk, begun: Delivery, attempt: DeliveryAttempt) -> Delivery | None:
    """Store what came of a try; None where that is not known, or somebody else has taken the delivery over."""
    share = share_of(begun.token or "")
    for n in range(TRIES):
        snapshot = await desk.documents.get(begun.path)
        delivery = None if snapshot.fields is None else parse(Delivery, snapshot.fields)
        if delivery is None:
            return None
        if delivery.attempts[-1:] == (attempt,):
            return delivery
        late = delivery.token != begun.token
        if late and not (attempt.is_success and delivery.state is DeliveryState.PENDING):
            return None
        after = delivery.answered(attempt, share, desk.clock.now())
        writes: list[Write] = [Update(after.path, render(after), seen=snapshot.update_time)]
        if after.state is DeliveryState.FAILED:
            writes.append(_dead(after, attempt.error or f"the receiver answered {attempt.status}"))
        if await try_commit(desk.documents, writes):
            return after
        await desk.clock.sleep(PAUSE_SECONDS * n)
    return None


async def _follow_up(desk: Desk, webhook: Webhook, delivery: Delivery, attempt: DeliveryAttempt) -> None:
    """Enqueue the next try, or disable a webhook that is no use."""
    if delivery.next_attempt_at is not None:
        cause = f"{delivery.began_at.isoformat()} try {delivery.tries + 1}"
        with suppress(DomainError):  # the sweeper finds it when it is due
            await desk.queue.enqueue([DeliveryTask(delivery.id, cause, delivery.next_attempt_at)])
    if delivery.state is not DeliveryState.FAILED:
        return
    if attempt.status != GONE and await _has_arrived_since(desk, delivery):
        return
    reason = SAID_GONE if attempt.status == GONE else USED_UP
    with suppress(DomainError):  # it was deleted, or the next failure disables it
        await change_webhook(desk, webhook.owner_uid, webhook.id, lambda one: one.disabled(reason, desk.clock.now()))


async def _has_arrived_since(desk: Desk, delivery: Delivery) -> bool:
    """Whether the webhook took anything since the first try of a delivery."""
    where = (
        Filter("webhook_id", "==", delivery.webhook_id),
        Filter("state", "==", str(DeliveryState.SUCCEEDED)),
        Filter("ended_at", ">=", delivery.began_at),
    )
    return bool(await desk.documents.query(Query(DELIVERIES, where, (Order("ended_at"),), limit=1)))


def _dead(delivery: Delivery, reason: str) -> Put:
    subject = {"webhook_id": delivery.webhook_id, "delivery_id": delivery.id}
    at = delivery.ended_at or delivery.began_at
    return bury(DeadLetterKind.DELIVERY, delivery.owner_uid, subject, reason, at)
