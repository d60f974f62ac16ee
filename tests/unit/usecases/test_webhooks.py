"""Webhooks: everything that happens is told once it can be, signed, and never lost; no secret is ever told."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound, TooManyKept, Unavailable
from shared.domain.facts import FACTS, Fact
from shared.domain.ids import Uid
from shared.domain.records import parse, render
from shared.domain.webhooks import (
    DELAYS,
    HELD_FOR,
    MAX_WEBHOOKS,
    MOST_BEGUN,
    OLD_SECRET_LIVES,
    DeliveryState,
    Webhook,
)
from shared.domain.writes import Put
from shared.ports.documents import Documents, Query
from shared.usecases.webhooks.deliver_message import SAID_GONE, USED_UP
from shared.usecases.webhooks.get_webhook import DeliverySearch, list_deliveries, list_webhooks, open_webhook
from shared.usecases.webhooks.put_webhook import (
    Subscription,
    create_webhook,
    delete_webhook,
    replace_webhook,
    rotate_secret,
)
from shared.usecases.webhooks.redeliver_message import redeliver_message
from tests.support.engine_rig import ANN
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.hooks_rig import URL, HooksRig, answer, down, signed_with
from tests.support.interfering_documents import InterferingDocuments

FATES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]
BOB = Uid("bob")


@pytest.fixture
def here() -> HooksRig:
    return HooksRig()


async def test_the_end_of_a_run_is_told_signed(here: HooksRig) -> None:
    webhook, secret = await here.webhook()
    run_id = await here.run()
    (fact,) = [found.id for found in await here.rig.documents.query(Query(FACTS))]
    await here.rig.clock.advance(1)
    assert await here.hear(await _fact(here))
    await here.drain()
    (request,) = here.web.sent
    delivery = await here.only()
    assert (request.url, request.method, request.headers["webhook-id"]) == (URL, "POST", f"msg_{fact}")
    assert request.headers["webhook-timestamp"] == str(int(here.rig.clock.now().timestamp()))
    assert request.headers["Content-Type"] == "application/json"
    assert signed_with(secret, request)
    assert f'"run_id":"{run_id}"' in (request.body or b"").decode()
    assert (delivery.state, delivery.webhook_id, [one.status for one in delivery.attempts]) == (
        DeliveryState.SUCCEEDED,
        webhook.id,
        [200],
    )
    assert [one.snippet for one in delivery.attempts] == ["thanks"]
    assert await here.rig.documents.query(Query(FACTS)) == []


async def _fact(here: HooksRig) -> Fact:
    (found,) = await here.rig.documents.query(Query(FACTS))
    return parse(Fact, found.fields or {})


async def test_only_those_are_told_who_want_to_know(here: HooksRig) -> None:
    failures, _ = await here.webhook("run.failed")
    disabled, _ = await here.webhook()
    await replace_webhook(here.desk(), ANN, disabled.id, Subscription(URL), enabled=False)
    await create_webhook(here.desk(), BOB, Subscription(URL))
    await here.hear(await here.happen("one", "run.succeeded"))
    assert await here.deliveries() == []
    await here.hear(await here.happen("two", "run.failed"))
    assert [one.webhook_id for one in await here.deliveries()] == [failures.id]


async def test_a_fact_that_comes_again_is_sent_once(here: HooksRig) -> None:
    await here.webhook()
    fact = await here.happen()
    assert await here.hear(fact)
    await here.drain()
    assert not await here.hear(fact)
    await here.happen()  # as if the same end had been stored again
    assert await here.hear(fact)
    await here.drain()
    assert len(here.web.sent) == len(await here.deliveries()) == 1


@pytest.mark.parametrize("fate", FATES)
async def test_a_failure_at_any_commit_of_who_hears_loses_and_doubles_nothing(fate: Fate) -> None:
    for failing in range(4):
        here = HooksRig()
        await here.webhook()
        await here.webhook("run.succeeded")
        fact = await here.happen()

        try:
            await here.hear(fact, FailingDocuments(here.rig.documents, at_commit(failing, fate)))
        except (Died, Unavailable):
            await here.hear(fact)
        await here.pass_time(1)
        assert [one.state for one in await here.deliveries()] == [DeliveryState.SUCCEEDED] * 2
        assert len(here.web.sent) == 2


async def test_a_queue_that_does_not_answer_makes_the_fact_come_again(here: HooksRig) -> None:
    await here.webhook()
    fact = await here.happen()
    here.queue.fail_next()
    with pytest.raises(Unavailable):
        await here.hear(fact)
    assert len(await here.rig.documents.query(Query(FACTS))) == 1
    await here.hear(fact)
    await here.drain()
    assert len(here.web.sent) == 1


@pytest.mark.parametrize("fate", FATES)
async def test_a_failure_at_any_commit_of_a_try_delivers_in_the_end_under_one_id(fate: Fate) -> None:
    for failing in range(2):
        here = HooksRig()
        await here.webhook()
        await here.hear(await here.happen())

        task = here.queue.pending.popleft()
        with contextlib.suppress(Died):
            await here.deliver(task, FailingDocuments(here.rig.documents, at_commit(failing, fate)))
        for _ in range(3):
            await here.pass_time(HELD_FOR.total_seconds())
        assert (await here.only()).state is DeliveryState.SUCCEEDED
        # At least once: only a try whose outcome died with its process is made again, as the same message.
        assert len(here.web.sent) == (2 if failing == 1 and fate == Fate.DIES_BEFORE else 1)
        assert {request.headers["webhook-id"] for request in here.web.sent} == {"msg_factone"}
        assert {request.body for request in here.web.sent} == {here.web.sent[0].body}


async def test_tasks_that_come_twice_or_too_early_send_nothing_more(here: HooksRig) -> None:
    await here.webhook()
    await here.hear(await here.happen())
    (task,) = here.queue.accepted
    here.web.says = [500]
    await asyncio.gather(*(here.deliver(task) for _ in range(3)))
    assert len(here.web.sent) == 1
    assert await here.drain() == 2  # the first task and the next try's, which comes at once as the emulator's do
    assert len(here.web.sent) == 1
    await here.pass_time(6)
    assert (len(here.web.sent), (await here.only()).state) == (2, DeliveryState.SUCCEEDED)


async def test_a_receiver_that_fails_is_asked_again_for_more_than_a_day_and_then_disabled(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [down(), 500, 404, 302, 503, down(), 500, 500]
    await here.drain()
    for delay in DELAYS:
        assert (await here.only()).state is DeliveryState.PENDING
        await here.pass_time(delay.total_seconds() * 1.1 + 1)
    delivery = await here.only()
    assert (delivery.state, len(here.web.sent)) == (DeliveryState.FAILED, len(DELAYS) + 1)
    assert [one.status for one in delivery.attempts] == [None, 500, 404, 302, 503, None, 500, 500]
    assert delivery.attempts[0].error == "receiver.example:443 cannot be reached."
    webhook = await here.now(webhook)
    assert (webhook.is_enabled, webhook.disabled_reason) == (False, USED_UP)
    (letter,) = await here.rig.documents.query(Query("dead_letters"))
    assert letter.fields is not None
    assert (letter.fields["kind"], letter.fields["reason"]) == ("delivery", "the receiver answered 500")
    await here.pass_time(3_600)
    assert len(here.web.sent) == len(DELAYS) + 1


async def test_a_webhook_at_which_something_else_arrived_meanwhile_stays_enabled(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen("bad"))
    here.web.says = [500]
    await here.drain()
    await here.hear(await here.happen("good"))
    await here.drain()
    here.web.says = [500] * len(DELAYS)
    for delay in DELAYS:
        await here.pass_time(delay.total_seconds() * 1.1 + 1)
    assert sorted(one.state for one in await here.deliveries()) == ["failed", "succeeded"]
    assert (await here.now(webhook)).is_enabled


async def test_a_receiver_that_is_gone_is_told_nothing_more(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [410]
    await here.drain()
    assert ((await here.only()).state, (await here.now(webhook)).disabled_reason) == (DeliveryState.FAILED, SAID_GONE)


async def test_a_message_that_kills_whoever_sends_it_is_given_up(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [RuntimeError("the process dies")] * 99
    for _ in range(40):
        with contextlib.suppress(RuntimeError):
            await here.pass_time(HELD_FOR.total_seconds())
    assert (len(here.web.sent), (await here.only()).state) == (MOST_BEGUN, DeliveryState.FAILED)
    (letter,) = await here.rig.documents.query(Query("dead_letters"))
    assert (letter.fields or {})["reason"] == f"{MOST_BEGUN} tries were begun, and nobody knows what came of the last"
    assert (await here.now(webhook)).is_enabled


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("120", 120),
        ("Thu, 01 Jan 2026 00:10:00 GMT", 600),
        ("Thu, 01 Jan 2026 01:10:00 +0100", 600),
        ("Wed, 31 Dec 2025 23:00:00 GMT", 0),
        ("Mon, 01 Jan 9999 00:00:00 GMT", 86_400),
        ("99999999", 86_400),
        ("Thu, 99 Jan 2026 00:10:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("", None),
    ],
)
async def test_a_receiver_may_say_in_either_way_when_to_come_again(
    here: HooksRig, said: str, asked: int | None
) -> None:
    await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [answer(503, retry_after=said)]
    await here.drain()
    (attempt,) = (await here.only()).attempts
    assert attempt.retry_after_seconds == asked


@pytest.mark.parametrize("end", ["deleted", "disabled"])
async def test_what_is_on_its_way_to_a_webhook_that_is_no_more_is_not_sent(here: HooksRig, end: str) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen())
    if end == "deleted":
        await delete_webhook(here.desk(), ANN, webhook.id)
    else:
        await replace_webhook(here.desk(), ANN, webhook.id, Subscription(URL), enabled=False)
    await here.drain()
    letters = await here.rig.documents.query(Query("dead_letters"))
    assert (here.web.sent, (await here.only()).state, len(letters)) == ([], DeliveryState.FAILED, end == "disabled")


async def test_a_store_of_secrets_that_is_down_uses_no_try_up(here: HooksRig, monkeypatch: pytest.MonkeyPatch) -> None:
    await here.webhook()
    await here.hear(await here.happen())
    reading = here.store.read

    async def fails(_: Any) -> Any:
        raise Unavailable("the store of secrets does not answer")

    monkeypatch.setattr(here.store, "read", fails)
    with pytest.raises(Unavailable):
        await here.deliver(here.queue.accepted[0])
    assert ((await here.only()).tries, here.web.sent) == (0, [])
    monkeypatch.setattr(here.store, "read", reading)
    await here.drain()
    assert (await here.only()).state is DeliveryState.SUCCEEDED


async def test_an_answer_that_comes_after_another_process_took_over_counts_only_if_it_is_good(here: HooksRig) -> None:
    await here.webhook()
    await here.hear(await here.happen())
    (task,) = here.queue.accepted

    async def stall() -> None:
        here.web.before_answer = None
        here.rig.clock.jump(HELD_FOR.total_seconds() + 1)
        here.web.says = [200, 500]
        await here.deliver(task)

    here.web.before_answer = stall
    await here.deliver(task)
    delivery = await here.only()
    assert (delivery.state, [one.status for one in delivery.attempts]) == (DeliveryState.SUCCEEDED, [200])


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(here: HooksRig) -> None:
    webhook, first = await here.webhook()
    await here.rig.clock.advance(60)
    _, second = await rotate_secret(here.desk(), ANN, webhook.id)
    await here.hear(await here.happen("one"))
    await here.drain()
    assert all(signed_with(secret, here.web.sent[-1]) for secret in (first, second))
    _, third = await rotate_secret(here.desk(), ANN, webhook.id)  # as if the answer with the second had been lost
    await here.hear(await here.happen("two"))
    await here.drain()
    assert [signed_with(secret, here.web.sent[-1]) for secret in (first, second, third)] == [True, True, True]
    await here.rig.clock.advance(OLD_SECRET_LIVES.total_seconds())
    await here.hear(await here.happen("three"))
    await here.drain()
    assert [signed_with(secret, here.web.sent[-1]) for secret in (first, second, third)] == [False, False, True]


async def test_each_secret_signs_for_a_day_after_the_next_however_soon_that_came(here: HooksRig) -> None:
    webhook, first = await here.webhook()
    given = [first]

    async def sign() -> list[bool]:
        await here.hear(await here.happen(f"{here.rig.clock.now()}"))
        await here.drain()
        return [signed_with(secret, here.web.sent[-1]) for secret in given]

    async def rotate(after_hours: int) -> None:
        here.rig.clock.jump(after_hours * 3_600)
        given.append((await rotate_secret(here.desk(), ANN, webhook.id))[1])

    await rotate(1)
    await rotate(23)
    assert (await here.now(webhook)).former_sign_until == here.rig.clock.now() + OLD_SECRET_LIVES
    assert await sign() == [True, True, True]
    here.rig.clock.jump(2 * 3_600)
    assert await sign() == [False, True, True]
    await rotate(1)
    assert await sign() == [False, True, True, True]
    await rotate(1)  # which none of those may need that is neither the first of a day nor the latest
    assert (await sign())[-2:] == [True, True]
    here.rig.clock.jump(24 * 3_600)
    assert await sign() == [False, False, False, False, True]


@pytest.mark.parametrize("fate", FATES)
async def test_a_rotation_that_fails_anywhere_leaves_a_secret_that_the_receiver_knows(fate: Fate) -> None:
    for failing in range(8):
        here = HooksRig()
        webhook, first = await here.webhook()

        with contextlib.suppress(Died, Unavailable):
            await rotate_secret(
                here.desk(FailingDocuments(here.rig.documents, at_commit(failing, fate))), ANN, webhook.id
            )
        _, second = await rotate_secret(here.desk(), ANN, webhook.id)
        await here.hear(await here.happen())
        await here.drain()
        assert [signed_with(secret, here.web.sent[-1]) for secret in (first, second)] == [True, True], failing


async def test_sending_again_sends_the_same_message(here: HooksRig) -> None:
    webhook, secret = await here.webhook()
    await here.hear(await here.happen())
    await here.drain()
    delivery = await here.only()
    await here.rig.clock.advance(3_600)
    again = await redeliver_message(here.desk(), ANN, webhook.id, delivery.id)
    assert (again.state, await redeliver_message(here.desk(), ANN, webhook.id, delivery.id)) == ("pending", again)
    await here.drain()
    first, second = here.web.sent
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) >= 3_600
    assert signed_with(secret, second)
    assert [one.status for one in (await here.only()).attempts] == [200, 200]


async def test_a_disabled_webhook_is_sent_nothing_again_until_it_is_enabled(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [410]
    await here.drain()
    delivery = await here.only()
    with pytest.raises(FailedPrecondition, match="Enable it first"):
        await redeliver_message(here.desk(), ANN, webhook.id, delivery.id)
    await replace_webhook(here.desk(), ANN, webhook.id, Subscription(URL), enabled=True)
    await redeliver_message(here.desk(), ANN, webhook.id, delivery.id)
    await here.drain()
    assert (await here.only()).state is DeliveryState.SUCCEEDED
    assert await here.rig.documents.query(Query("dead_letters")) == []


async def test_no_secret_is_stored_in_a_document_or_told(here: HooksRig) -> None:
    webhook, secret = await here.webhook()
    key = secret.reveal().removeprefix("whsec_")
    await here.hear(await here.happen())
    here.web.says = [answer(500, f"you said {secret.reveal()} {key}".encode()), 200]
    await here.drain()
    await here.pass_time(6)
    await rotate_secret(here.desk(), ANN, webhook.id)
    stored = repr([(await here.rig.documents.get(path)).fields for path in here.rig.documents.paths])
    assert key not in stored
    assert "[secret]" in stored
    assert key not in repr(here.web.sent)


async def test_answers_are_kept_only_as_far_as_they_are_of_use(here: HooksRig) -> None:
    await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [answer(200, b"\xff" * 5_000)]
    await here.drain()
    (attempt,) = (await here.only()).attempts
    assert attempt.snippet is not None
    assert len(attempt.snippet) == 500
    assert (here.web.sent[0].max_bytes, here.web.sent[0].content_seconds) == (4_096, 2)


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER])
async def test_a_webhook_that_was_never_finished_tells_nothing_and_can_be_deleted(fate: Fate) -> None:
    for failing in range(4):
        here = HooksRig()

        with pytest.raises(Died):
            await create_webhook(
                here.desk(FailingDocuments(here.rig.documents, at_commit(failing, fate))), ANN, Subscription(URL)
            )
        found = (await list_webhooks(here.rig.documents, ANN, 10, None)).items
        if not found:
            assert (failing, fate, here.store.entries) == (0, Fate.DIES_BEFORE, [])
            continue
        (webhook,) = found
        if webhook.is_enabled:
            assert (failing, fate) == (3, Fate.DIES_AFTER)
        else:
            await _check_nothing_is_told(here, webhook)
        await delete_webhook(here.desk(), ANN, webhook.id)
        left = [path for path in here.rig.documents.paths if not path.startswith("facts/")]
        assert (left, here.store.entries) == ([], [])


@pytest.mark.parametrize("failing", [0, 3])
async def test_a_lost_reply_does_not_lose_the_secret_of_a_new_webhook(here: HooksRig, failing: int) -> None:
    documents = FailingDocuments(here.rig.documents, at_commit(failing, Fate.REPLY_LOST))
    webhook, secret = await create_webhook(here.desk(documents), ANN, Subscription(URL))
    assert await open_webhook(here.rig.documents, ANN, webhook.id) == webhook
    await here.hear(await here.happen())
    await here.drain()
    assert signed_with(secret, here.web.sent[-1])


@pytest.mark.parametrize("at", range(2, 5))
async def test_a_webhook_that_is_deleted_while_it_is_made_leaves_no_secret(here: HooksRig, at: int) -> None:
    async def delete() -> None:
        (webhook,) = (await list_webhooks(here.rig.documents, ANN, 10, None)).items
        await delete_webhook(here.desk(), ANN, webhook.id)

    documents = InterferingDocuments(here.rig.documents, delete, before_commit=at)
    with pytest.raises((NotFound, Aborted)):
        await create_webhook(here.desk(documents), ANN, Subscription(URL))
    assert (here.store.entries, here.rig.documents.paths) == ([], [])


@pytest.mark.parametrize("fate", [Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_webhook_is_deleted_though_the_store_does_not_say_so(here: HooksRig, fate: Fate) -> None:
    webhook, _ = await here.webhook()
    await delete_webhook(here.desk(FailingDocuments(here.rig.documents, at_commit(1, fate))), ANN, webhook.id)
    assert (here.store.entries, here.rig.documents.paths) == ([], [])


async def _check_nothing_is_told(here: HooksRig, webhook: Webhook) -> None:
    await here.hear(await here.happen())
    assert await here.deliveries() == []
    with pytest.raises(NotFound, match="never finished"):
        await replace_webhook(here.desk(), ANN, webhook.id, Subscription(URL), enabled=True)


async def test_a_deleted_webhook_leaves_no_secret(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await rotate_secret(here.desk(), ANN, webhook.id)
    await delete_webhook(here.desk(), ANN, webhook.id)
    assert (here.store.entries, here.rig.documents.paths) == ([], [])


@pytest.mark.parametrize("at", range(1, 9))
async def test_a_rotation_and_a_deletion_at_once_leave_no_secret(here: HooksRig, at: int) -> None:
    webhook, _ = await here.webhook()

    async def delete() -> None:
        await delete_webhook(here.desk(), ANN, webhook.id)

    with contextlib.suppress(NotFound, Aborted, FailedPrecondition):
        await rotate_secret(
            here.desk(InterferingDocuments(here.rig.documents, delete, before_read=at)), ANN, webhook.id
        )
    with contextlib.suppress(NotFound):
        await delete()
    assert (here.store.entries, here.rig.documents.paths) == ([], [])


@pytest.mark.parametrize("at", range(1, 4))
async def test_a_deletion_and_a_rotation_at_once_leave_no_secret(here: HooksRig, at: int) -> None:
    webhook, _ = await here.webhook()

    async def rotate() -> None:
        with contextlib.suppress(NotFound, Aborted, FailedPrecondition):
            await rotate_secret(here.desk(), ANN, webhook.id)

    await delete_webhook(here.desk(InterferingDocuments(here.rig.documents, rotate, before_commit=at)), ANN, webhook.id)
    assert (here.store.entries, here.rig.documents.paths) == ([], [])


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (Subscription("http://receiver.example"), "url"),
        (Subscription("https://10.0.0.1/"), "url"),
        (Subscription("https://u:p@receiver.example/"), "url"),
        (Subscription(URL, ("run.exploded",)), "events"),
        (Subscription(URL, ()), "events"),
    ],
)
async def test_what_cannot_work_is_refused_at_once(here: HooksRig, wanted: Subscription, path: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        await create_webhook(here.desk(), ANN, wanted)
    assert [fault.path for fault in refusal.value.faults] == [path]
    assert here.rig.documents.paths == []


async def test_an_address_that_became_forbidden_is_not_asked(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    documents: Documents = here.rig.documents
    moved = replace(webhook, url="http://10.0.0.1/")
    await documents.commit([Put(webhook.path, render(moved))])
    await here.hear(await here.happen())
    await here.drain()
    assert here.web.sent == []
    (attempt,) = (await here.only()).attempts
    assert attempt.error is not None
    assert "private address" in attempt.error


async def test_somebody_elses_webhook_is_not_there(here: HooksRig) -> None:
    webhook, _ = await here.webhook()
    await here.hear(await here.happen())
    delivery = await here.only()
    for asking in (
        open_webhook(here.rig.documents, BOB, webhook.id),
        list_deliveries(here.rig.documents, BOB, webhook.id, DeliverySearch()),
        redeliver_message(here.desk(), BOB, webhook.id, delivery.id),
        rotate_secret(here.desk(), BOB, webhook.id),
        delete_webhook(here.desk(), BOB, webhook.id),
        replace_webhook(here.desk(), BOB, webhook.id, Subscription(URL), enabled=True),
    ):
        with pytest.raises(NotFound):
            await asking


async def test_a_delivery_belongs_to_its_webhook(here: HooksRig) -> None:
    first, _ = await here.webhook()
    await here.hear(await here.happen())
    delivery = await here.only()
    other, _ = await here.webhook()
    with pytest.raises(NotFound):
        await redeliver_message(here.desk(), ANN, other.id, delivery.id)
    found = await list_deliveries(here.rig.documents, ANN, first.id, DeliverySearch(DeliveryState.PENDING))
    assert found.items == (delivery,)


async def test_nobody_has_more_than_the_most(here: HooksRig) -> None:
    for _ in range(MAX_WEBHOOKS):
        await here.webhook()
    with pytest.raises(TooManyKept):
        await here.webhook()
