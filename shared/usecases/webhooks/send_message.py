"""Send a message to a webhook's address, and say what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.domain.errors import DomainError
from shared.domain.redaction import Redactor
from shared.domain.secrets import SecretText
from shared.domain.webhooks import (
    MAX_SNIPPET_CHARACTERS,
    MOST_ASKED,
    SECRET_PREFIX,
    SEND_SECONDS,
    Delivery,
    DeliveryAttempt,
    Signer,
    Webhook,
    check_webhook_url,
)
from shared.ports.web_client import WebAnswer, WebRequest
from shared.usecases.secrets.read_secrets import read_secrets
from shared.usecases.webhooks.desk import Courier, Desk
from shared.usecases.webhooks.put_webhook import CURRENT, LAST, OLD

_READ_BYTES = 4_096
_READ_SECONDS = 2.0
_MOST_DIGITS = 10


async def signing_secrets(desk: Desk, webhook: Webhook) -> tuple[SecretText, ...]:
    """The secrets that sign now, the present one first.

    Raises:
        FailedPrecondition: there is none.
        Unavailable: a store does not answer.
    """
    now, former = desk.clock.now(), ((LAST, webhook.last_secret_until), (OLD, webhook.old_secret_until))
    names = [CURRENT, *(name for name, until in former if until is not None and until > now)]
    values = await read_secrets(desk.vault, webhook.secrets_owner, names)
    return tuple(dict.fromkeys(values[name] for name in names))


async def send_message(
    courier: Courier, webhook: Webhook, delivery: Delivery, secrets: tuple[SecretText, ...]
) -> DeliveryAttempt:
    """Make one request; whatever comes of it is an attempt."""
    clock = courier.desk.clock
    at, began = clock.now(), clock.monotonic()
    signed = Signer(secrets).headers(delivery.message_id, delivery.body, at)
    request = WebRequest(
        webhook.url,
        "POST",
        {"Content-Type": "application/json", **signed},
        delivery.body.encode(),
        max_bytes=_READ_BYTES,
        seconds=SEND_SECONDS,
        content_seconds=_READ_SECONDS,
    )
    keys = (SecretText(secret.reveal().removeprefix(SECRET_PREFIX)) for secret in secrets)
    hidden = Redactor([*secrets, *keys])
    try:
        check_webhook_url(webhook.url, courier.desk.egress)
        answer = await courier.web.send(request)
    except DomainError as error:
        return DeliveryAttempt(at, _since(began, clock.monotonic()), error=hidden.text(error.message))
    return DeliveryAttempt(
        at,
        _since(began, clock.monotonic()),
        status=answer.status,
        snippet=hidden.text(_text(answer))[:MAX_SNIPPET_CHARACTERS],
        retry_after_seconds=_retry_after(answer.headers, at),
    )


def _since(began: float, now: float) -> int:
    return round((now - began) * 1_000)


def _text(answer: WebAnswer) -> str:
    return answer.body.decode("utf-8", "replace")


def _retry_after(headers: Mapping[str, str], now: datetime) -> int | None:
    """The seconds that a receiver asks for, or until the date that it names.

    Source: https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    given, most = headers.get("retry-after", ""), int(MOST_ASKED.total_seconds())
    if given.isascii() and given.isdecimal():
        return min(int(given), most) if len(given) < _MOST_DIGITS else most
    try:
        at = parsedate_to_datetime(given)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    seconds = ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    return min(max(math.ceil(seconds), 0), most)
