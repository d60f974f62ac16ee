"""What a delivered task is answered, since the answer makes the queue repeat it or not."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import Response

from shared.domain.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    ModelUnavailable,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from shared.edge.app import create_app
from shared.edge.tasks import Deliverer, acknowledge
from shared.usecases.acknowledgement import Acknowledgement


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Acknowledgement.DONE, 200),
        (Acknowledgement.BUSY, 409),
        (Unavailable("no store"), 503),
        (ModelUnavailable("no model"), 503),
        (Aborted("a concurrent change won"), 409),
        (ResourceExhausted("full"), 409),
        (FailedPrecondition("never"), 200),
    ],
)
async def test_the_queue_repeats_only_what_may_still_succeed(
    outcome: Acknowledgement | DomainError, status: int
) -> None:
    async def work() -> Acknowledgement:
        if isinstance(outcome, DomainError):
            raise outcome
        return outcome

    assert (await acknowledge(work())).status_code == status


class QueueToken:
    async def verify(self, token: str) -> str:
        if token != "queue":
            raise Unauthenticated("This is not the queue's token.")
        return "tasks@demo.iam.gserviceaccount.com"


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("user", 401), ("queue", 200)])
async def test_only_the_queue_delivers(token: str | None, status: int) -> None:
    app = create_app("worker", task_verifier=QueueToken())

    @app.post("/tasks/node")
    async def deliver(_by: Deliverer) -> Response:
        return Response(status_code=200)

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.post("/tasks/node", headers=headers)).status_code == status
