"""The HTTP face of webhooks."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.egress import MAX_URL_CHARACTERS
from shared.domain.ids import DeliveryId
from shared.domain.records import from_json
from shared.domain.webhooks import EVENTS, Delivery, DeliveryState, Webhook, WebhookId
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.usecases.webhooks.desk import Desk
from shared.usecases.webhooks.get_webhook import DeliverySearch, list_deliveries, list_webhooks, open_webhook
from shared.usecases.webhooks.put_webhook import (
    Subscription,
    create_webhook,
    delete_webhook,
    replace_webhook,
    rotate_secret,
)
from shared.usecases.webhooks.redeliver_message import redeliver_message


class WebhookBody(BaseModel):
    """Where to tell what."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(max_length=MAX_URL_CHARACTERS, description="An https address on the public internet.")
    events: list[str] = Field(default=list(EVENTS), max_length=20, description=f"Of {', '.join(EVENTS)}; all of them.")
    description: str = Field(default="", max_length=500)

    @property
    def subscription(self) -> Subscription:
        """As the use cases take it."""
        return Subscription(self.url, tuple(dict.fromkeys(self.events)), self.description)


class ChangedWebhookBody(WebhookBody):
    """What a webhook is to be from now on."""

    is_enabled: bool = Field(default=True, description="Enabling forgives what failed before.")


class WebhookView(BaseModel):
    """A webhook; its secret is shown only where it is made."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    url: str
    events: list[str]
    description: str
    is_enabled: bool
    disabled_reason: str | None
    old_secret_until: datetime | None = Field(description="Until then a secret before the present one signs too.")
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(WebhookView):
    """A webhook, and its secret, which is shown this once."""

    secret: str = Field(description="`whsec_…`, as libraries of Standard Webhooks take it.")


class AttemptView(BaseModel):
    """One request to the receiver."""

    model_config = ConfigDict(from_attributes=True)

    at: datetime
    latency_ms: int
    status: int | None
    error: str | None
    snippet: str | None = Field(description="The beginning of the answer.")


class DeliveryView(BaseModel):
    """What was sent, or is to be."""

    id: str
    webhook_id: str
    message_id: str = Field(description="The receiver's `webhook-id`; the same whenever the same is sent again.")
    event: str
    payload: Any
    state: DeliveryState
    attempts: list[AttemptView] = Field(description="The latest last.")
    next_attempt_at: datetime | None
    created_at: datetime
    ended_at: datetime | None


class WebhookPage(BaseModel):
    """A page of webhooks."""

    items: list[WebhookView]
    next_page_token: str | None


class DeliveryPage(BaseModel):
    """A page of deliveries."""

    items: list[DeliveryView]
    next_page_token: str | None


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    state: DeliveryState | None = Field(default=None, description="Every state if left out.")


def webhook_routes(desk: Desk) -> APIRouter:
    """The routes that make, show, change and forget webhooks."""
    router = APIRouter(tags=["webhooks"], route_class=JsonRoute)

    @router.post("/webhooks", status_code=201, responses=problem_responses(400, 401, 429, 503))
    async def create(caller: Caller, body: WebhookBody, response: Response) -> WebhookWithSecret:
        """Have an address told what happens to your runs; keep the secret, it is not shown again."""
        webhook, secret = await create_webhook(desk, caller.uid, body.subscription)
        response.headers["Location"] = f"/webhooks/{webhook.id}"
        return WebhookWithSecret(**_webhook(webhook).model_dump(), secret=secret.reveal())

    @router.get("/webhooks", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[PageQuery, Query()]) -> WebhookPage:
        """List your webhooks, the newest first."""
        page = await list_webhooks(desk.documents, caller.uid, query.limit, query.page_token)
        return WebhookPage(items=[_webhook(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/webhooks/{webhook_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, webhook_id: ResourceId) -> WebhookView:
        """Read a webhook."""
        return _webhook(await open_webhook(desk.documents, caller.uid, WebhookId(webhook_id)))

    @router.put("/webhooks/{webhook_id}", responses=problem_responses(400, 401, 404, 409))
    async def replace(caller: Caller, webhook_id: ResourceId, body: ChangedWebhookBody) -> WebhookView:
        """Say anew where a webhook leads and what it tells, or disable it."""
        changed = await replace_webhook(
            desk, caller.uid, WebhookId(webhook_id), body.subscription, enabled=body.is_enabled
        )
        return _webhook(changed)

    @router.delete("/webhooks/{webhook_id}", status_code=204, responses=problem_responses(401, 404, 409, 503))
    async def delete(caller: Caller, webhook_id: ResourceId) -> None:
        """Forget a webhook; what is on its way to it is not sent."""
        await delete_webhook(desk, caller.uid, WebhookId(webhook_id))

    @router.post("/webhooks/{webhook_id}/rotate-secret", responses=problem_responses(401, 404, 409, 503))
    async def rotate(caller: Caller, webhook_id: ResourceId) -> WebhookWithSecret:
        """Make a new secret; for a day the old one signs too, so that receivers can change over."""
        webhook, secret = await rotate_secret(desk, caller.uid, WebhookId(webhook_id))
        return WebhookWithSecret(**_webhook(webhook).model_dump(), secret=secret.reveal())

    return router


def delivery_log_routes(desk: Desk) -> APIRouter:
    """The routes that show what was sent, and send it again."""
    router = APIRouter(tags=["webhooks"], route_class=JsonRoute)

    @router.get("/webhooks/{webhook_id}/deliveries", responses=problem_responses(400, 401, 404))
    async def log(caller: Caller, webhook_id: ResourceId, query: Annotated[DeliveryQuery, Query()]) -> DeliveryPage:
        """List what was sent in the last 30 days, the newest first, with what the receiver said."""
        search = DeliverySearch(query.state, query.limit, query.page_token)
        page = await list_deliveries(desk.documents, caller.uid, WebhookId(webhook_id), search)
        return DeliveryPage(items=[_delivery(one) for one in page.items], next_page_token=page.next_page_token)

    @router.post(
        "/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver",
        status_code=202,
        responses=problem_responses(400, 401, 404, 409, 503),
    )
    async def redeliver(caller: Caller, webhook_id: ResourceId, delivery_id: ResourceId) -> DeliveryView:
        """Send the same message again, with the same `webhook-id`."""
        delivery = await redeliver_message(desk, caller.uid, WebhookId(webhook_id), DeliveryId(delivery_id))
        return _delivery(delivery)

    return router


def _webhook(webhook: Webhook) -> WebhookView:
    view = WebhookView.model_validate(webhook)
    return view.model_copy(update={"old_secret_until": webhook.former_sign_until})


def _delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        id=delivery.id,
        webhook_id=delivery.webhook_id,
        message_id=delivery.message_id,
        event=delivery.kind,
        payload=from_json(delivery.body),
        state=delivery.state,
        attempts=[AttemptView.model_validate(one) for one in delivery.attempts],
        next_attempt_at=delivery.next_attempt_at,
        created_at=delivery.created_at,
        ended_at=delivery.ended_at,
    )
