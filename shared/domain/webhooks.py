"""Webhooks: addresses that are told what happened, signed as Standard Webhooks says.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shared.domain.egress import EgressPolicy, check_url
from shared.domain.errors import EgressRefused
from shared.domain.facts import RUN_ENDS, Fact, FactId
from shared.domain.ids import DeliveryId, Uid, hashed_id
from shared.domain.records import from_json, to_json
from shared.domain.secrets import SecretText

WebhookId = NewType("WebhookId", str)

WEBHOOKS = "webhooks"
DELIVERIES = "deliveries"
EVENTS = tuple(RUN_ENDS.values())
"""What a webhook may ask for."""
MAX_WEBHOOKS = 20
"""How many one person may have."""
OLD_SECRET_LIVES = timedelta(hours=24)
"""So long both the new and the old secret sign, for receivers to change over."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one

DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
)
"""After each failure, until the next try: the specification's example, as far as 31 hours and 35 minutes."""
MOST_BEGUN = 2 * (len(DELAYS) + 1)
"""So many tries may begin, those included of which nobody knows what came of them: some end whoever makes them."""
JITTER = 0.1
MOST_ASKED = timedelta(hours=24)
"""The longest that a receiver's `Retry-After` is obeyed."""
SEND_SECONDS = 20.0
"""How long a receiver may take; the specification recommends 15 to 30 s."""
HELD_FOR = timedelta(seconds=60)
"""After so long a try that has come to nothing is made again."""
MAX_SNIPPET_CHARACTERS = 500
MAX_LOGGED = 20
"""Of a delivery's attempts, the last so many are kept."""
DELIVERIES_KEPT = timedelta(days=30)
GONE = 410


@dataclass(frozen=True, slots=True)
class Webhook:
    """The document `webhooks/{id}`. Its secrets are in the vault, under its own id (`secrets_owner`).

    Args:
        url: where to; it may hold credentials of its own, so it is never logged.
        events: the kinds of facts to tell.
        disabled_reason: why it is told nothing; None while it is enabled.
        old_secret_until: until when the secret before the first rotation of a day signs too.
        last_secret_until: likewise the one before the last further rotation of such a day.
    """

    id: WebhookId
    owner_uid: Uid
    url: str
    events: tuple[str, ...]
    description: str
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    disabled_reason: str | None = None
    old_secret_until: datetime | None = None
    last_secret_until: datetime | None = None

    @property
    def path(self) -> str:
        """Where it is stored."""
        return webhook_path(self.id)

    @property
    def secrets_owner(self) -> Uid:
        """Whose secrets its own are in the vault: nobody's who could name them in a definition, or list them."""
        return Uid(f"webhook-{self.id}")

    @property
    def former_sign_until(self) -> datetime | None:
        """Until when a secret before the present one signs too."""
        return max((until for until in (self.old_secret_until, self.last_secret_until) if until), default=None)

    def wants(self, kind: str) -> bool:
        """Whether it is to be told of such a fact."""
        return self.is_enabled and kind in self.events

    def disabled(self, reason: str, now: datetime) -> Webhook:
        """Told nothing any more."""
        return replace(self, is_enabled=False, disabled_reason=reason, updated_at=now)


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DeliveryAttempt:
    """One request to the receiver.

    Args:
        status: the HTTP status; None where there was no answer.
        latency_ms: how long it took.
        error: why there was no answer.
        snippet: the beginning of the answer.
        retry_after_seconds: how long the receiver asks to be left alone.
    """

    at: datetime
    latency_ms: int
    status: int | None = None
    error: str | None = None
    snippet: str | None = None
    retry_after_seconds: int | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own class


@dataclass(frozen=True, slots=True)
class Delivery:
    """The document `deliveries/{id}`: one fact on its way to one webhook.

    Args:
        body: what is sent, byte for byte the same each time.
        began_at: when the present series of tries began.
        tries: how many tries of this series were begun.
        next_attempt_at: when it is to be tried again, or looked after; None once it has ended.
        token: the present try's mark.
        attempts: what the receiver said, the latest last.
        expires_at: the store forgets it then.
    """

    id: DeliveryId
    owner_uid: Uid
    webhook_id: WebhookId
    fact_id: FactId
    kind: str
    body: str
    state: DeliveryState
    created_at: datetime
    began_at: datetime
    expires_at: datetime
    next_attempt_at: datetime | None
    tries: int = 0
    token: str | None = None
    attempts: tuple[DeliveryAttempt, ...] = ()
    ended_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where it is stored."""
        return delivery_path(self.id)

    @property
    def message_id(self) -> str:
        """The `webhook-id` that receivers see: the same for the same fact, however often it comes."""
        return f"msg_{self.fact_id}"

    @property
    def is_hopeless(self) -> bool:
        """Whether nothing is known of so many tries that another would end likewise."""
        return self.tries >= MOST_BEGUN

    def begun(self, token: str, now: datetime) -> Delivery:
        """With a try that begins, and is looked after should nothing come of it."""
        return replace(self, token=token, tries=self.tries + 1, next_attempt_at=now + HELD_FOR)

    def answered(self, attempt: DeliveryAttempt, share: float, now: datetime) -> Delivery:
        """After a try: ended, or to be tried again.

        Args:
            attempt: what came of it.
            share: a number from 0 to 1, so that not all who failed together come back together.
            now: the time.
        """
        said = replace(self, attempts=(*self.attempts, attempt)[-MAX_LOGGED:], token=None)
        if attempt.is_success:
            return said.ended(DeliveryState.SUCCEEDED, now)
        if self.tries > len(DELAYS) or attempt.status == GONE:
            return said.ended(DeliveryState.FAILED, now)
        wait = DELAYS[max(self.tries, 1) - 1] * (1 + JITTER * share)
        asked = min(timedelta(seconds=attempt.retry_after_seconds or 0), MOST_ASKED)
        return replace(said, next_attempt_at=now + max(wait, asked))

    def ended(self, state: DeliveryState, now: datetime) -> Delivery:
        """With nothing left to do."""
        return replace(self, state=state, next_attempt_at=None, token=None, ended_at=now)

    def again(self, now: datetime) -> Delivery:
        """From the beginning of the schedule, as the same message."""
        return replace(
            self,
            state=DeliveryState.PENDING,
            began_at=now,
            next_attempt_at=now,
            tries=0,
            token=None,
            ended_at=None,
            expires_at=now + DELIVERIES_KEPT,
        )


def webhook_path(webhook_id: WebhookId) -> str:
    """Where a webhook is stored."""
    return f"{WEBHOOKS}/{webhook_id}"


def delivery_path(delivery_id: DeliveryId) -> str:
    """Where a delivery is stored."""
    return f"{DELIVERIES}/{delivery_id}"


def delivery_of(webhook: Webhook, fact: Fact, now: datetime) -> Delivery:
    """The one delivery of a fact to a webhook."""
    payload = {"type": fact.kind, "timestamp": fact.at.isoformat(), "data": from_json(fact.data_json)}
    return Delivery(
        id=DeliveryId(hashed_id("delivery", webhook.id, fact.id)),
        owner_uid=webhook.owner_uid,
        webhook_id=webhook.id,
        fact_id=fact.id,
        kind=fact.kind,
        body=to_json(payload),
        state=DeliveryState.PENDING,
        created_at=now,
        began_at=now,
        expires_at=now + DELIVERIES_KEPT,
        next_attempt_at=now,
    )


def check_webhook_url(url: str, policy: EgressPolicy) -> None:
    """Refuse an address to which nothing of anybody's may be sent: it must be https, save for the policy's exceptions.

    Raises:
        EgressRefused: it is not.
    """
    destination = check_url(url, policy)
    if destination.scheme != "https" and not policy.admits_loopback(destination):
        raise EgressRefused("The address of a webhook must begin with https://.")


def make_secret(randomness: Iterable[str]) -> SecretText:
    """A signing secret of 256 bits from texts that nobody can guess."""
    key = hashlib.sha256("\x1f".join(randomness).encode()).digest()
    return SecretText(SECRET_PREFIX + base64.b64encode(key).decode())


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what is sent, with the present secret and the one before it."""

    secrets: tuple[SecretText, ...] = field(repr=False)

    def headers(self, message_id: str, body: str, at: datetime) -> Mapping[str, str]:
        """The headers of a message that is sent at an instant."""
        stamp = str(int(at.timestamp()))
        content = f"{message_id}.{stamp}.{body}".encode()
        signatures = (_signature(secret, content) for secret in self.secrets)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": stamp,
            "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
        }


def _signature(secret: SecretText, content: bytes) -> str:
    try:
        key = base64.b64decode(secret.reveal().removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("the secret of a webhook is not base64") from None
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()
