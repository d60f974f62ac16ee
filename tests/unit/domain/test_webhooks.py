"""What webhooks are sent, when again, and with which signature."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from shared.domain.egress import EgressPolicy
from shared.domain.errors import EgressRefused
from shared.domain.facts import Fact, FactId
from shared.domain.ids import Uid
from shared.domain.secrets import SecretText
from shared.domain.webhooks import (
    DELAYS,
    MAX_LOGGED,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Signer,
    Webhook,
    WebhookId,
    check_webhook_url,
    delivery_of,
    make_secret,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WEBHOOK = Webhook(
    WebhookId("w"),
    Uid("ann"),
    "https://a.example",
    ("run.failed",),
    "",
    is_enabled=True,
    created_at=NOW,
    updated_at=NOW,
)
FACT = Fact(FactId("f"), "run.failed", Uid("ann"), NOW, '{"run_id":"r"}', NOW)


def failed(status: int | None = 500, retry_after: int | None = None) -> DeliveryAttempt:
    return DeliveryAttempt(NOW, 10, status=status, retry_after_seconds=retry_after)


def tried(delivery: Delivery, attempt: DeliveryAttempt, now: datetime = NOW, share: float = 0.0) -> Delivery:
    return delivery.begun("token", now).answered(attempt, share, now)


def test_the_waits_are_those_of_the_specification_and_take_more_than_a_day() -> None:
    delivery, waits = delivery_of(WEBHOOK, FACT, NOW), list[timedelta]()
    while delivery.state is DeliveryState.PENDING:
        delivery = tried(delivery, failed())
        if delivery.next_attempt_at is not None:
            waits.append(delivery.next_attempt_at - NOW)
    assert [wait.total_seconds() for wait in waits] == [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400]
    assert sum(waits, timedelta()) == timedelta(hours=31, minutes=35, seconds=5)
    assert (delivery.state, delivery.tries, delivery.next_attempt_at) == (DeliveryState.FAILED, len(DELAYS) + 1, None)


def test_waits_are_stretched_by_a_share_of_their_own() -> None:
    delivery = tried(delivery_of(WEBHOOK, FACT, NOW), failed(), share=0.5)
    assert delivery.next_attempt_at == NOW + timedelta(seconds=5.25)


@pytest.mark.parametrize(("asked", "seconds"), [(1, 5), (60, 60), (999_999, 86_400)])
def test_a_receiver_that_asks_for_time_gets_it_within_bounds(asked: int, seconds: float) -> None:
    delivery = tried(delivery_of(WEBHOOK, FACT, NOW), failed(429, asked))
    assert delivery.next_attempt_at == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, DeliveryState.SUCCEEDED),
        (204, DeliveryState.SUCCEEDED),
        (299, DeliveryState.SUCCEEDED),
        (302, DeliveryState.PENDING),
        (404, DeliveryState.PENDING),
        (410, DeliveryState.FAILED),
        (500, DeliveryState.PENDING),
        (None, DeliveryState.PENDING),
    ],
)
def test_what_an_answer_means(status: int | None, state: DeliveryState) -> None:
    assert tried(delivery_of(WEBHOOK, FACT, NOW), failed(status)).state is state


def test_the_same_fact_is_the_same_message_and_other_facts_are_others() -> None:
    one = delivery_of(WEBHOOK, FACT, NOW)
    again = delivery_of(WEBHOOK, FACT, NOW + timedelta(hours=1))
    other = delivery_of(WEBHOOK, replace(FACT, id=FactId("g")), NOW)
    elsewhere = delivery_of(replace(WEBHOOK, id=WebhookId("v")), FACT, NOW)
    assert (one.id, one.message_id, one.body) == (again.id, again.message_id, again.body)
    assert one.message_id == elsewhere.message_id == "msg_f"
    assert len({one.id, other.id, elsewhere.id}) == 3
    assert one.body == '{"data":{"run_id":"r"},"timestamp":"2026-01-01T00:00:00+00:00","type":"run.failed"}'


def test_starting_over_keeps_the_message_and_the_log_is_bounded() -> None:
    delivery = delivery_of(WEBHOOK, FACT, NOW)
    for _ in range(4):
        while delivery.state is DeliveryState.PENDING:
            delivery = tried(delivery, failed())
        before, delivery = delivery, delivery.again(NOW + timedelta(days=2))
        assert (delivery.message_id, delivery.body, delivery.tries) == (before.message_id, before.body, 0)
    assert len(delivery.attempts) == MAX_LOGGED


def test_a_message_is_signed_as_the_reference_library_signs_it_with_each_secret() -> None:
    secrets = [make_secret(["a", "b"]), make_secret(["a", "c"])]
    headers = Signer(tuple(secrets)).headers("msg_f", '{"a":"ü"}', NOW)
    expected = [Verifier(secret.reveal()).sign("msg_f", NOW, '{"a":"ü"}') for secret in secrets]
    assert headers == {
        "webhook-id": "msg_f",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": " ".join(expected),
    }
    assert "whsec" not in repr(Signer(tuple(secrets)))


def test_secrets_are_long_and_differ() -> None:
    texts = [make_secret([str(n)]).reveal() for n in range(10)]
    assert all(text.startswith("whsec_") and len(text) == 6 + 44 for text in texts)
    assert all(one != other for one, other in pairwise(texts))


def test_a_secret_that_is_none_is_refused_without_being_told() -> None:
    with pytest.raises(ValueError, match="not base64") as refusal:
        Signer((SecretText("whsec_?!"),)).headers("msg_f", "{}", NOW)
    assert "?!" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "admitted"),
    [
        ("https://receiver.example/hooks", True),
        ("https://receiver.example:8443/hooks", True),
        ("http://receiver.example/hooks", False),
        ("http://127.0.0.1:9/", False),
        ("https://127.0.0.1/", False),
        ("https://10.0.0.1/", False),
        ("https://169.254.169.254/latest", False),
        ("https://user:pass@receiver.example/", False),
        ("ftp://receiver.example/", False),
        ("http://127.0.0.1:8000/", True),
        ("http://127.0.0.1:8001/", False),
    ],
)
def test_where_a_webhook_may_lead(url: str, *, admitted: bool) -> None:
    policy = EgressPolicy(frozenset({("127.0.0.1", 8000)}))
    if admitted:
        check_webhook_url(url, policy)
        return
    with pytest.raises(EgressRefused):
        check_webhook_url(url, policy)
