"""The local queue shows its worker tokens like Google's: of one account, for one audience, for some time."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from shared.adapters.cloud_tasks.emulator import EmulatorTaskQueue, local_token
from shared.adapters.cloud_tasks.emulator_connection import EmulatorConnection
from shared.adapters.cloud_tasks.target import QueueTarget
from shared.adapters.google_oidc.task_tokens import LocalTaskTokens
from shared.domain.errors import Unauthenticated
from shared.domain.ids import Instance, RunId
from shared.ports.task_queue import NodeTask

ACCOUNT = "tasks@acme.iam.gserviceaccount.com"
KEY = "k" * 64


async def test_a_token_proves_its_account_to_its_audience_until_it_is_over() -> None:
    verifier = LocalTaskTokens(KEY, "https://worker", [ACCOUNT])
    assert await verifier.verify(local_token(ACCOUNT, "https://worker", KEY, 60)) == ACCOUNT
    for refused in (
        local_token("other@acme.iam.gserviceaccount.com", "https://worker", KEY, 60),
        local_token(ACCOUNT, "https://elsewhere", KEY, 60),
        local_token(ACCOUNT, "https://worker", KEY[::-1] + "x", 60),
        local_token(ACCOUNT, "https://worker", KEY, -60),
    ):
        with pytest.raises(Unauthenticated):
            await verifier.verify(refused)


@pytest.mark.parametrize(("audience", "expected"), [("https://own", "https://own"), ("", "http://worker")])
async def test_a_task_carries_a_token_for_the_audience_of_its_worker(
    audience: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted: list[bytes] = []

    async def post(self: EmulatorConnection, path: str, bodies: Sequence[bytes]) -> list[int]:
        del self, path
        posted.extend(bodies)
        return [200] * len(bodies)

    monkeypatch.setattr(EmulatorConnection, "post", post)
    target = QueueTarget("demo-store", "us-central1", "nodes", "http://worker", ACCOUNT, audience)
    await EmulatorTaskQueue(target, "127.0.0.1:1", KEY).enqueue([NodeTask(RunId("r1"), Instance("main~0"), "ready")])
    (body,) = posted
    token = json.loads(body)["task"]["httpRequest"]["headers"]["Authorization"].removeprefix("Bearer ")
    assert await LocalTaskTokens(KEY, expected, [ACCOUNT]).verify(token) == ACCOUNT
