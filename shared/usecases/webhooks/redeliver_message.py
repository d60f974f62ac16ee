"""Deliver again what was delivered, or could not be."""

from __future__ import annotations

from shared.domain.dead_letters import DeadLetterKind, dead_letter_id, dead_letter_path
from shared.domain.errors import Aborted, FailedPrecondition
from shared.domain.ids import DeliveryId, Uid
from shared.domain.records import render
from shared.domain.webhooks import Delivery, DeliveryState, WebhookId
from shared.domain.writes import Delete, Update
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.ports.task_queue import DeliveryTask
from shared.usecases.webhooks.desk import Desk
from shared.usecases.webhooks.get_webhook import open_delivery, open_webhook


async def redeliver_message(desk: Desk, caller: Uid, webhook_id: WebhookId, delivery_id: DeliveryId) -> Delivery:
    """Send the same message again, from the beginning of the schedule; one that is on its way stays so.

    Raises:
        NotFound: there is no such delivery to a webhook of the caller's.
        FailedPrecondition: the webhook is disabled.
        Aborted: the delivery is changing; try again.
        Unavailable: the store or the queue does not answer; where it was stored, the sweeper enqueues it.
    """
    webhook = await open_webhook(desk.documents, caller, webhook_id)
    if not webhook.is_enabled:
        raise FailedPrecondition(f"The webhook is disabled: {webhook.disabled_reason}. Enable it first.")
    delivery, snapshot = await open_delivery(desk.documents, caller, webhook_id, delivery_id)
    if delivery.state is DeliveryState.PENDING:
        return delivery
    again = delivery.again(desk.clock.now())
    letter = dead_letter_id(DeadLetterKind.DELIVERY, {"webhook_id": webhook_id, "delivery_id": delivery_id})
    try:
        await desk.documents.commit(
            [Update(again.path, render(again), seen=snapshot.update_time), Delete(dead_letter_path(letter))]
        )
    except (CommitRefused, OutcomeUnknown):
        raise Aborted("The delivery is changing; look, and try again.", retry_after_seconds=1) from None
    await desk.queue.enqueue([DeliveryTask(again.id, f"{again.began_at.isoformat()} try 1")])
    return again
