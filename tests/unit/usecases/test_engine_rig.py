"""The rig on which the engine's tests stand says so where a run has no end."""

from __future__ import annotations

import pytest

from tests.support.engine_rig import EngineRig
from tests.support.failing_documents import FailingDocuments, Fate


async def test_a_run_that_does_not_end_is_no_silence() -> None:
    rig = EngineRig()
    asks = {"who": {"kind": "approval", "message": "May I?"}}
    started = await rig.start(await rig.make_agent(type="graph", graph={"nodes": asks}))
    with pytest.raises(AssertionError, match="no end"):
        await rig.work(started.run.id)
    await rig.work(None)
    assert (await rig.run(started.run.id)).completed_at is None


async def test_only_the_first_worker_dies_of_a_failing_store() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent())
    failing = FailingDocuments(rig.documents, lambda _: Fate.DIES_BEFORE)
    await rig.work(started.run.id, failing)
    assert failing.commits == 1
    assert (await rig.run(started.run.id)).completed_at is not None
