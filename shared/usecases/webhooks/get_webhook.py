"""Read webhooks, and what was sent to them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import NotFound
from shared.domain.ids import DeliveryId, Uid
from shared.domain.pages import DEFAULT_LIMIT, Page
from shared.domain.records import parse
from shared.domain.webhooks import (
    DELIVERIES,
    WEBHOOKS,
    Delivery,
    DeliveryState,
    Webhook,
    WebhookId,
    delivery_path,
    webhook_path,
)
from shared.ports.documents import Documents, Filter, Order, Query, Snapshot
from shared.usecases.read_owned import read_owned
from shared.usecases.read_page import read_page


async def open_webhook(documents: Documents, caller: Uid, webhook_id: WebhookId) -> Webhook:
    """The caller's webhook.

    Raises:
        NotFound: there is no such webhook, or it is somebody else's.
        Unavailable: the store does not answer.
    """
    return read_webhook(await documents.get(webhook_path(webhook_id)), caller)


def read_webhook(snapshot: Snapshot, caller: Uid) -> Webhook:
    """The caller's webhook in a snapshot.

    Raises:
        NotFound: there is no such webhook, or it is somebody else's.
    """
    return read_owned(snapshot, Webhook, caller, "webhook")


async def open_delivery(
    documents: Documents, caller: Uid, webhook_id: WebhookId, delivery_id: DeliveryId
) -> tuple[Delivery, Snapshot]:
    """A delivery to the caller's webhook.

    Raises:
        NotFound: there is no such delivery to a webhook of the caller's.
        Unavailable: the store does not answer.
    """
    await open_webhook(documents, caller, webhook_id)
    snapshot = await documents.get(delivery_path(delivery_id))
    delivery = None if snapshot.fields is None else parse(Delivery, snapshot.fields)
    if delivery is None or delivery.webhook_id != webhook_id:
        raise NotFound("There is no such delivery.")
    return delivery, snapshot


async def list_webhooks(documents: Documents, caller: Uid, limit: int, page_token: str | None) -> Page[Webhook]:
    """A page of the caller's webhooks, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    query = Query(WEBHOOKS, (Filter("owner_uid", "==", caller),), (Order("created_at", descending=True),))
    return await read_page(documents, query, limit, page_token, lambda fields: parse(Webhook, fields))


@dataclass(frozen=True, slots=True)
class DeliverySearch:
    """Which deliveries, and which page of them."""

    state: DeliveryState | None = None
    limit: int = DEFAULT_LIMIT
    page_token: str | None = None


async def list_deliveries(
    documents: Documents, caller: Uid, webhook_id: WebhookId, search: DeliverySearch
) -> Page[Delivery]:
    """A page of what was sent to a webhook, the newest first.

    Raises:
        NotFound: there is no such webhook, or it is somebody else's.
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    await open_webhook(documents, caller, webhook_id)
    where = [Filter("webhook_id", "==", webhook_id)]
    if search.state is not None:
        where.append(Filter("state", "==", str(search.state)))
    query = Query(DELIVERIES, tuple(where), (Order("created_at", descending=True),))
    return await read_page(documents, query, search.limit, search.page_token, lambda fields: parse(Delivery, fields))
