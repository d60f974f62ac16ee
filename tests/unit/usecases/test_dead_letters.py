"""What nothing else has helped with waits for a person, is listed, tried again, or left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.dead_letters import FRUITLESS_PAUSE, MAX_FRUITLESS, DeadLetter, DeadLetterKind
from shared.domain.errors import Aborted, FailedPrecondition, NotFound, PermissionDenied
from shared.domain.facts import FACTS, MAX_PUBLISHES, FactId
from shared.domain.ids import Uid
from shared.domain.runs import SWEEP_AFTER, run_path
from shared.domain.states import RunState
from shared.domain.webhooks import DeliveryState
from shared.domain.writes import Delete, Update
from shared.ports.documents import Query
from shared.ports.identity import Identity
from shared.usecases.dead_letters.list_dead_letters import list_dead_letters
from shared.usecases.dead_letters.settle_dead_letter import Undertaker, discard_dead_letter, requeue_dead_letter
from shared.usecases.facts.hear_fact import hear_fact
from shared.usecases.facts.sweep_facts import sweep_facts
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.put_document import NewDocument, put_document
from shared.usecases.knowledge.sweep_ingestions import sweep_ingestions
from shared.usecases.runs.sweep_runs import sweep_runs
from shared.usecases.webhooks.put_webhook import Subscription, replace_webhook
from tests.support.engine_rig import ANN, LEASE_SECONDS
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.support.hooks_rig import URL, HooksRig
from tests.support.interfering_documents import InterferingDocuments
from tests.support.knowledge_rig import KnowledgeRig

OWNER, BOB, ROOT = Identity(ANN, "user"), Identity(Uid("bob"), "user"), Identity(Uid("root"), "admin")


@pytest.fixture
def here() -> HooksRig:
    return HooksRig()


def undertaker(here: HooksRig, documents: Any = None) -> Undertaker:
    core = replace(here.core, documents=documents or here.rig.documents)
    return Undertaker(core, here.desk(documents))


async def letters(here: HooksRig, caller: Identity = OWNER, *, of_everyone: bool = False) -> list[DeadLetter]:
    page = await list_dead_letters(here.rig.documents, caller, 100, None, of_everyone=of_everyone)
    return list(page.items)


async def a_dead_delivery(here: HooksRig) -> DeadLetter:
    await here.webhook()
    await here.hear(await here.happen())
    here.web.says = [410]
    await here.drain()
    (letter,) = await letters(here)
    return letter


async def a_dead_fact(here: HooksRig) -> DeadLetter:
    fact = await here.happen()
    for _ in range(MAX_PUBLISHES + 3):
        await sweep_facts(here.core, 10)
        await here.rig.clock.advance(3_600)
    (letter,) = await letters(here)
    assert letter.subject == {"fact_id": fact.id}
    return letter


async def a_stuck_run(here: HooksRig) -> DeadLetter:
    """A run whose tasks never reach a worker."""
    started = await here.rig.start(await here.rig.make_agent())
    for _ in range(MAX_FRUITLESS):
        here.rig.queue.pending.clear()
        await here.rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
        await sweep_runs(here.core, LEASE_SECONDS)
    here.rig.queue.pending.clear()
    (letter,) = await letters(here)
    assert letter.subject == {"run_id": started.run.id}
    return letter


async def test_a_delivery_is_tried_again_once_its_webhook_is_enabled(here: HooksRig) -> None:
    letter = await a_dead_delivery(here)
    assert (letter.kind, letter.owner_uid, letter.reason) == (
        DeadLetterKind.DELIVERY,
        ANN,
        "the receiver answered 410",
    )
    with pytest.raises(FailedPrecondition):
        await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    delivery = await here.only()
    await replace_webhook(here.desk(), ANN, delivery.webhook_id, Subscription(URL), enabled=True)
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    await here.drain()
    assert ((await here.only()).state, await letters(here)) == (DeliveryState.SUCCEEDED, [])


async def test_a_delivery_whose_log_is_gone_can_only_be_discarded(here: HooksRig) -> None:
    letter = await a_dead_delivery(here)
    await replace_webhook(here.desk(), ANN, (await here.only()).webhook_id, Subscription(URL), enabled=True)
    await here.rig.documents.commit([Delete((await here.only()).path)])
    with pytest.raises(NotFound, match="discard"):
        await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    await discard_dead_letter(undertaker(here), OWNER, letter.id)
    assert await letters(here) == []


async def test_a_fact_that_nobody_hears_is_published_no_more_until_somebody_says_so(here: HooksRig) -> None:
    letter = await a_dead_fact(here)
    assert len(here.topic.published) == MAX_PUBLISHES
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    assert (len(here.topic.published), await letters(here)) == (MAX_PUBLISHES + 1, [])
    await sweep_facts(here.core, 10)
    assert len(here.topic.published) == MAX_PUBLISHES + 2


async def test_a_fact_that_was_heard_meanwhile_leaves_no_letter(here: HooksRig) -> None:
    letter = await a_dead_fact(here)
    await here.rig.documents.commit([Delete(f"{FACTS}/{letter.subject['fact_id']}")])
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    assert (await letters(here), await here.rig.documents.query(Query(FACTS))) == ([], [])


async def test_a_fact_that_is_heard_at_last_takes_its_letter_away(here: HooksRig) -> None:
    letter = await a_dead_fact(here)
    assert await hear_fact(here.desk(), FactId(letter.subject["fact_id"]))
    assert (await letters(here), await here.rig.documents.query(Query(FACTS))) == ([], [])


async def test_a_fact_is_forgotten_if_that_is_said(here: HooksRig) -> None:
    letter = await a_dead_fact(here)
    await discard_dead_letter(undertaker(here), OWNER, letter.id)
    assert (await letters(here), await here.rig.documents.query(Query(FACTS))) == ([], [])


async def test_a_run_that_sweeps_do_not_help_is_told_of_and_looked_at_more_seldom(here: HooksRig) -> None:
    letter = await a_stuck_run(here)
    assert (letter.kind, letter.reason) == (
        DeadLetterKind.RUN,
        "its nodes main~0 are handed to the queue again and again, and do not begin",
    )
    await here.rig.clock.advance(FRUITLESS_PAUSE.total_seconds() - SWEEP_AFTER.total_seconds())
    assert (await sweep_runs(here.core, LEASE_SECONDS)).runs == 0
    await here.rig.clock.advance(2 * SWEEP_AFTER.total_seconds())
    assert (await sweep_runs(here.core, LEASE_SECONDS)).tasks == 1
    assert await letters(here) == [letter]


async def test_a_stuck_run_that_is_requeued_goes_on(here: HooksRig) -> None:
    letter = await a_stuck_run(here)
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    await here.rig.drain()
    run = await here.rig.run(letter.subject["run_id"])  # type: ignore[arg-type] # as it is stored
    assert (run.state, await letters(here)) == (RunState.SUCCEEDED, [])


async def test_a_stuck_run_that_is_discarded_is_cancelled(here: HooksRig) -> None:
    letter = await a_stuck_run(here)
    await discard_dead_letter(undertaker(here), OWNER, letter.id)
    await here.rig.clock.advance(FRUITLESS_PAUSE.total_seconds() + 1)
    await sweep_runs(here.core, LEASE_SECONDS)
    await here.rig.drain()
    run = await here.rig.run(letter.subject["run_id"])  # type: ignore[arg-type] # as it is stored
    assert (run.state, await letters(here)) == (RunState.CANCELLED, [])


async def test_a_run_that_has_ended_meanwhile_only_loses_its_letter(here: HooksRig) -> None:
    letter = await a_stuck_run(here)
    await here.rig.clock.advance(FRUITLESS_PAUSE.total_seconds() + 1)
    await sweep_runs(here.core, LEASE_SECONDS)
    await here.rig.drain()
    accepted = len(here.rig.queue.accepted)
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    assert (await letters(here), len(here.rig.queue.accepted)) == ([], accepted)


async def test_a_run_that_ends_while_it_is_requeued_is_not_swept_ever_after(here: HooksRig) -> None:
    letter = await a_stuck_run(here)
    run_id: Any = letter.subject["run_id"]
    await here.rig.clock.advance(FRUITLESS_PAUSE.total_seconds() + 1)
    await sweep_runs(here.core, LEASE_SECONDS)
    between = InterferingDocuments(here.rig.documents, here.rig.drain, before_commit=1)
    with pytest.raises(Aborted):
        await requeue_dead_letter(undertaker(here, between), OWNER, letter.id)
    run = await here.rig.run(run_id)
    assert (run.state, run.next_sweep_at) == (RunState.SUCCEEDED, None)
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    assert await letters(here) == []


async def test_a_run_that_has_ended_is_swept_once_more_at_most(here: HooksRig) -> None:
    run_id = (await here.rig.start(await here.rig.make_agent())).run.id
    await here.rig.drain()
    await here.rig.documents.commit([Update(run_path(run_id), {"next_sweep_at": here.rig.clock.now()})])
    assert (await sweep_runs(here.core, LEASE_SECONDS)).runs == 1
    assert (await here.rig.run(run_id)).next_sweep_at is None


async def test_a_run_that_moves_is_not_stuck_however_long_it_takes(here: HooksRig) -> None:
    """Each step is lost once, so that every sweep finds another node."""
    steps = {
        f"n{n}": {
            "kind": "tool",
            "tool": "echo",
            "arguments": {"value": n},
            **({"after": [f"n{n - 1}"]} if n else {}),
        }
        for n in range(MAX_FRUITLESS + 2)
    }
    agent = await here.rig.make_agent(type="graph", graph={"nodes": steps})
    run_id = (await here.rig.start(agent)).run.id
    here.rig.queue.pending.clear()
    for _ in range(MAX_FRUITLESS + 1):
        await here.rig.clock.advance(SWEEP_AFTER.total_seconds() + 1)
        await sweep_runs(here.core, LEASE_SECONDS)
        await here.rig.queue.deliver_next(here.rig.deliver)
        here.rig.queue.pending.clear()
    assert await letters(here) == []
    assert (await here.rig.run(run_id)).state is RunState.RUNNING


@pytest.fixture
async def knowledge(here: HooksRig) -> KnowledgeRig:
    """A document that no task ever ingests."""
    rig = KnowledgeRig(here.rig.clock, here.rig.ids, documents=here.rig.documents)
    collection = await create_collection(rig.library, ANN, "handbook")
    await put_document(rig.library, ANN, collection.id, NewDocument("a.txt", b"text"))
    for _ in range(MAX_FRUITLESS):
        await here.rig.clock.advance(3_600)
        await sweep_ingestions(rig.documents, rig.queue, rig.clock, 10)
    rig.queue.pending.clear()
    return rig


async def test_a_document_that_is_never_ingested_is_told_of_and_enqueued_again(
    here: HooksRig, knowledge: KnowledgeRig
) -> None:
    (letter,) = await letters(here)
    assert (letter.kind, letter.reason) == (
        DeadLetterKind.INGESTION,
        "a.txt: it is enqueued again and again, and not done",
    )
    await requeue_dead_letter(undertaker(here), OWNER, letter.id)
    assert await sweep_ingestions(knowledge.documents, knowledge.queue, knowledge.clock, 10) == 1
    assert (len(knowledge.queue.pending), await letters(here)) == (1, [])


async def test_a_document_that_is_discarded_is_enqueued_no_more(here: HooksRig, knowledge: KnowledgeRig) -> None:
    (letter,) = await letters(here)
    await discard_dead_letter(undertaker(here), OWNER, letter.id)
    await here.rig.clock.advance(FRUITLESS_PAUSE.total_seconds())
    assert await sweep_ingestions(knowledge.documents, knowledge.queue, knowledge.clock, 10) == 0
    assert await letters(here) == []


async def test_each_sees_their_own_and_administrators_everybodys(here: HooksRig) -> None:
    letter = await a_dead_fact(here)
    assert await letters(here, BOB) == await letters(here, ROOT) == []
    assert await letters(here, ROOT, of_everyone=True) == [letter]
    with pytest.raises(PermissionDenied):
        await letters(here, BOB, of_everyone=True)
    for settle in (requeue_dead_letter, discard_dead_letter):
        with pytest.raises(NotFound):
            await settle(undertaker(here), BOB, letter.id)
    await requeue_dead_letter(undertaker(here), ROOT, letter.id)
    assert await letters(here) == []


@pytest.mark.parametrize(
    ("make", "settle"),
    [(a_dead_delivery, discard_dead_letter), (a_dead_fact, discard_dead_letter), (a_dead_fact, requeue_dead_letter)],
)
async def test_of_two_who_settle_one_is_told_that_the_other_did(here: HooksRig, make: Any, settle: Any) -> None:
    letter = await make(here)

    async def discard() -> None:
        await discard_dead_letter(undertaker(here), ROOT, letter.id)

    between = InterferingDocuments(here.rig.documents, discard, before_commit=1)
    with pytest.raises(Aborted):
        await settle(undertaker(here, between), OWNER, letter.id)
    assert (await letters(here), await here.rig.documents.query(Query(FACTS))) == ([], [])


@pytest.mark.parametrize("make", [a_dead_delivery, a_dead_fact, a_stuck_run])
@pytest.mark.parametrize("settle", [requeue_dead_letter, discard_dead_letter])
@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_settling_that_fails_anywhere_can_be_repeated(make: Any, settle: Any, fate: Fate) -> None:
    for failing in range(3):
        here = HooksRig()
        letter = await make(here)
        if letter.kind is DeadLetterKind.DELIVERY:
            await replace_webhook(here.desk(), ANN, letter.subject["webhook_id"], Subscription(URL), enabled=True)

        try:
            await settle(
                undertaker(here, FailingDocuments(here.rig.documents, at_commit(failing, fate))), OWNER, letter.id
            )
        except (Died, Aborted):
            if await letters(here):
                await settle(undertaker(here), OWNER, letter.id)
        assert await letters(here) == []
