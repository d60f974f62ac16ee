"""Make webhooks, change and delete them, and give them new secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from shared.domain.errors import EgressRefused, Fault, InvalidArgument, NotFound, TooManyKept
from shared.domain.ids import Uid
from shared.domain.records import render
from shared.domain.secrets import SecretText
from shared.domain.webhooks import (
    EVENTS,
    MAX_WEBHOOKS,
    OLD_SECRET_LIVES,
    WEBHOOKS,
    Webhook,
    WebhookId,
    check_webhook_url,
    make_secret,
    webhook_path,
)
from shared.domain.writes import Create, Update
from shared.ports.documents import Filter, Query, Snapshot
from shared.usecases.change_record import Change, change_record, delete_record
from shared.usecases.create_record import create_record
from shared.usecases.secrets.destroy_secrets import destroy_secrets
from shared.usecases.secrets.put_secret import put_secret
from shared.usecases.secrets.read_secrets import read_secrets
from shared.usecases.webhooks.desk import Desk
from shared.usecases.webhooks.get_webhook import open_webhook, read_webhook

CURRENT, OLD, LAST = "current", "old", "last"
"""The names of a webhook's secrets."""
UNFINISHED = "it is being made"


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a person wants to be told, and where."""

    url: str
    events: tuple[str, ...] = EVENTS
    description: str = ""


async def create_webhook(desk: Desk, caller: Uid, wanted: Subscription) -> tuple[Webhook, SecretText]:
    """Make a webhook, and its secret, which is told this once.

    It is enabled last: a death in between leaves one that says so, tells nothing, and can be deleted with its secret.

    Raises:
        InvalidArgument: the address may not be reached, or the events are not right.
        TooManyKept: the caller has the most webhooks that one may have.
        NotFound: the caller has deleted it meanwhile.
        Aborted, Unavailable: a store does not answer; there may be a webhook that was not finished.
    """
    _check(desk, wanted)
    owned = Query(WEBHOOKS, (Filter("owner_uid", "==", caller),), limit=MAX_WEBHOOKS)
    if len(await desk.documents.query(owned)) >= MAX_WEBHOOKS:
        raise TooManyKept(f"You have {MAX_WEBHOOKS} webhooks, which is the most; delete one first.")
    now = desk.clock.now()
    webhook = Webhook(
        id=WebhookId(desk.ids.new()),
        owner_uid=caller,
        url=wanted.url,
        events=wanted.events,
        description=wanted.description,
        is_enabled=False,
        created_at=now,
        updated_at=now,
        disabled_reason=UNFINISHED,
    )
    await create_record(desk.documents, [Create(webhook.path, render(webhook))], "webhook")
    secret = _new_secret(desk)
    await put_secret(desk.vault, webhook.secrets_owner, CURRENT, secret)
    try:
        finished = await change_webhook(
            desk, caller, webhook.id, lambda one: replace(one, is_enabled=True, disabled_reason=None)
        )
    except NotFound:  # whoever deleted it meanwhile has not seen what was put
        await destroy_secrets(desk.vault, webhook.secrets_owner)
        raise
    return finished, secret


async def replace_webhook(
    desk: Desk, caller: Uid, webhook_id: WebhookId, wanted: Subscription, *, enabled: bool
) -> Webhook:
    """Say anew where a webhook leads and what it tells; enabling forgives what failed before.

    Raises:
        InvalidArgument: the address may not be reached, or the events are not right.
        NotFound: there is no such webhook, or it is somebody else's.
        Aborted: it changes too fast.
    """
    _check(desk, wanted)

    def change(webhook: Webhook) -> Webhook:
        if webhook.disabled_reason == UNFINISHED:
            raise NotFound("The webhook was never finished; delete it, and make another.")
        new = replace(webhook, url=wanted.url, events=wanted.events, description=wanted.description)
        reason = None if enabled else webhook.disabled_reason or "its owner has disabled it"
        return replace(new, is_enabled=enabled, disabled_reason=reason)

    return await change_webhook(desk, caller, webhook_id, change)


async def rotate_secret(desk: Desk, caller: Uid, webhook_id: WebhookId) -> tuple[Webhook, SecretText]:
    """Give a webhook a new secret, which is told this once; for a day the old one signs too.

    Another rotation within that day keeps both, as the answer of the first may have been lost, or not. A third one
    keeps the first old one and the last.

    Raises:
        NotFound: there is no such webhook, or it is somebody else's.
        Aborted, Unavailable: a store does not answer; rotating again is safe.
    """
    webhook = await open_webhook(desk.documents, caller, webhook_id)
    try:
        rotated = await _rotate(desk, caller, webhook)
        await open_webhook(desk.documents, caller, webhook_id)
    except NotFound:  # whoever deleted it meanwhile has not seen what was put
        await destroy_secrets(desk.vault, webhook.secrets_owner)
        raise
    return rotated


async def _rotate(desk: Desk, caller: Uid, webhook: Webhook) -> tuple[Webhook, SecretText]:
    now = desk.clock.now()
    until = now + OLD_SECRET_LIVES
    current = (await read_secrets(desk.vault, webhook.secrets_owner, [CURRENT]))[CURRENT]
    if webhook.old_secret_until is None or webhook.old_secret_until <= now:
        name, signs = OLD, {"old_secret_until": until}
    else:
        name, signs = LAST, {"last_secret_until": until}
    await put_secret(desk.vault, webhook.secrets_owner, name, current)
    webhook = await change_webhook(desk, caller, webhook.id, lambda one: replace(one, **signs))
    secret = _new_secret(desk)
    await put_secret(desk.vault, webhook.secrets_owner, CURRENT, secret)
    return webhook, secret


async def delete_webhook(desk: Desk, caller: Uid, webhook_id: WebhookId) -> None:
    """Forget a webhook and its secrets; what is on its way to it is not sent.

    Raises:
        NotFound: there is no such webhook, or it is somebody else's.
        Aborted, Unavailable: a store does not answer; deleting again is safe.
    """
    webhook = await open_webhook(desk.documents, caller, webhook_id)
    await destroy_secrets(desk.vault, webhook.secrets_owner)
    await delete_record(desk.documents, desk.clock, webhook.path)
    await destroy_secrets(desk.vault, webhook.secrets_owner)  # of a rotation that found the webhook still there


async def change_webhook(
    desk: Desk, caller: Uid, webhook_id: WebhookId, change: Callable[[Webhook], Webhook]
) -> Webhook:
    """Store what `change` makes of the webhook as it is.

    Raises:
        NotFound: there is no such webhook, or it is somebody else's.
        Aborted: it changes too fast.
    """

    async def decide(snapshot: Snapshot) -> Change[Webhook]:
        webhook = read_webhook(snapshot, caller)
        new = change(webhook)
        if new == webhook:
            return Change(webhook)
        new = replace(new, updated_at=desk.clock.now())
        return Change(new, [Update(new.path, render(new), seen=snapshot.update_time)])

    return await change_record(desk.documents, desk.clock, webhook_path(webhook_id), decide)


def _check(desk: Desk, wanted: Subscription) -> None:
    faults: list[Fault] = []
    try:
        check_webhook_url(wanted.url, desk.egress)
    except EgressRefused as error:
        faults.append(Fault("url", error.message))
    unknown = [event for event in wanted.events if event not in EVENTS]
    faults += [Fault("events", f"there is no event {event[:80]!r}; there are {', '.join(EVENTS)}") for event in unknown]
    if not wanted.events:
        faults.append(Fault("events", f"names none; there are {', '.join(EVENTS)}"))
    if faults:
        raise InvalidArgument("The webhook is not valid.", tuple(faults))


def _new_secret(desk: Desk) -> SecretText:
    return make_secret(desk.ids.new() for _ in range(3))
