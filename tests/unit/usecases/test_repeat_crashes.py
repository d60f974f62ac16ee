"""Processes die while a run is repeated: what held is taken over once, what failed is done once more."""

from __future__ import annotations

import pytest

from shared.domain.errors import DomainError
from shared.domain.ids import NodeId, RunId
from shared.domain.states import NodeState, RunState
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from shared.usecases.runs.start_run import StartedRun
from tests.support.engine_rig import ANN
from tests.support.failing_documents import Died, FailingDocuments, Fate, at_commit
from tests.unit.usecases.test_repeats import GRAPH, Shop

FATES = [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED]


async def failed_shop() -> tuple[Shop, RunId]:
    """A run that failed at one item of its map, which is mended now."""
    shop = Shop(2)
    first = await shop.run(GRAPH)
    shop.broken.clear()
    shop.rig.toolbox.calls.clear()
    return shop, first


async def check(shop: Shop, first: RunId, second: RunId) -> None:
    rig = shop.rig
    run = await rig.run(second)
    events = await rig.events(run.session_id)
    assert run.state is RunState.SUCCEEDED
    assert await rig.output(second) == [1, 2, 3, "hello"]
    assert [event["seq"] for event in events] == [1, 2, 3, 4]
    assert [event["superseded_by"] for event in events] == [None, second, None, None]
    assert shop.called == {"each[1]~0", "tell~0"}
    assert (await rig.run(first)).state is RunState.FAILED
    assert not [path for path in rig.documents.paths if path.startswith("leases/")]
    assert rig.defects == []


async def retried(fate: Fate, at: int) -> tuple[Shop, int]:
    """A retry in which one commit met a fate, and how many commits there were."""
    shop, first = await failed_shop()
    second = (await repeat_run(shop.rig.core, RepeatRequest(ANN, first, "retry"))).run.id
    documents = FailingDocuments(shop.rig.documents, at_commit(at, fate))
    await shop.rig.work(second, documents)
    await check(shop, first, second)
    return shop, documents.commits


@pytest.mark.parametrize("fate", FATES)
async def test_a_failure_at_any_commit_of_a_retry_does_nothing_again_that_held(fate: Fate) -> None:
    _, commits = await retried(Fate.APPLIED, 0)
    assert commits > 15
    for at in range(commits):
        shop, _ = await retried(fate, at)
        repeated = sum(count - 1 for count in shop.rig.toolbox.calls.values())
        assert repeated <= (1 if fate in {Fate.DIES_BEFORE, Fate.DIES_AFTER} else 0), f"commit {at}"


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("fate", FATES)
async def test_a_request_that_fails_is_made_again_and_there_is_one_retry(fate: Fate, key: str | None) -> None:
    shop, first = await failed_shop()
    rig = shop.rig
    store = FailingDocuments(rig.documents, at_commit(0, fate))
    asked = RepeatRequest(ANN, first, "retry", idempotency_key=key)

    async def ask(documents: FailingDocuments | None) -> StartedRun | None:
        try:
            return await repeat_run(Core(documents or rig.documents, rig.queue, rig.clock, rig.ids), asked)
        except (Died, DomainError):
            return None

    started = await ask(store) or await ask(None)
    if started is None:  # the request that died has started it, and without a key nobody knows
        assert key is None
        assert fate is Fate.DIES_AFTER
        (second,) = [
            path.split("/")[1]
            for path in rig.documents.paths
            if path.count("/") == 1 and "runs/" in path and first not in path
        ]
        await rig.work(RunId(second), None)
    else:
        second = started.run.id
        await rig.drain()
    await check(shop, first, RunId(second))
    assert len([path for path in rig.documents.paths if path.startswith("runs/") and path.count("/") == 1]) == 2


async def test_every_task_may_come_again_at_any_time() -> None:
    shop, first = await failed_shop()
    second = (await repeat_run(shop.rig.core, RepeatRequest(ANN, first, "retry"))).run.id
    while await shop.rig.queue.deliver_next(shop.rig.deliver) is not None:
        for task in list(shop.rig.queue.accepted):
            await shop.rig.deliver(task)
    await check(shop, first, second)
    assert set(shop.rig.toolbox.calls.values()) == {1}


async def test_five_hundred_items_are_taken_over() -> None:
    shop = Shop(250)
    nodes = {
        "all": {"kind": "map", "over": "{{ input.items }}", "body": {**GRAPH["each"]["body"]}},
        "join": {"kind": "join", "after": ["all"]},
    }
    first = await shop.run(nodes, input={"items": list(range(500))})
    shop.broken.clear()
    second = await shop.repeat(first)
    assert shop.called == {"all[250]~0"}
    assert await shop.rig.output(second) == list(range(500))
    assert (await shop.rig.node(second, NodeId("all[7]~0"))).state is NodeState.SUCCEEDED
