"""The task queue on Google Cloud Tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from shared.adapters.cloud_tasks.target import DISPATCH_DEADLINE_SECONDS, QueueTarget, task_body
from shared.domain.errors import Unavailable
from shared.ports.task_queue import Task

if TYPE_CHECKING:
    from google.cloud.tasks_v2 import CloudTasksAsyncClient, CreateTaskRequest

_CONCURRENT_REQUESTS = 64
_ATTEMPT_SECONDS = 5.0


class CloudTasksQueue:
    """`TaskQueue` and `IngestQueue` on Cloud Tasks.

    One request for each task, many at once, the name making it safe to repeat.
    """

    def __init__(
        self, target: QueueTarget, client: CloudTasksAsyncClient | None = None, *, deadline_seconds: float = 10.0
    ) -> None:
        """Name the queue.

        Args:
            target: the queue and its worker.
            client: the library's client; by default one is made on first use.
            deadline_seconds: how long handing over one task may take, repetitions included.
        """
        self._target = target
        self._given_client = client
        self._deadline_seconds = deadline_seconds
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    @cached_property
    def _client(self) -> CloudTasksAsyncClient:
        from google.cloud.tasks_v2 import CloudTasksAsyncClient

        return self._given_client or CloudTasksAsyncClient()

    async def enqueue(self, tasks: Sequence[Task]) -> None:
        """Hand all tasks to the queue; those that it took stay there when another fails."""
        from google.api_core.exceptions import GoogleAPIError

        outcomes = await asyncio.gather(*map(self._create, tasks), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, GoogleAPIError):
                raise Unavailable("the queue did not accept every task") from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def _create(self, task: Task) -> None:
        from google.api_core import exceptions
        from google.api_core.retry_async import AsyncRetry, if_exception_type

        # The client repeats no creation by itself, so this is the only repetition.
        retry = AsyncRetry(
            if_exception_type(
                exceptions.DeadlineExceeded,
                exceptions.InternalServerError,
                exceptions.ResourceExhausted,
                exceptions.ServiceUnavailable,
            ),
            initial=0.1,
            maximum=2.0,
            timeout=self._deadline_seconds,
        )
        timeout = min(_ATTEMPT_SECONDS, self._deadline_seconds)
        async with self._slots:
            try:
                await self._client.create_task(create_request(self._target, task), retry=retry, timeout=timeout)
            except exceptions.AlreadyExists:
                return  # the same cause twice is one task


def create_request(target: QueueTarget, task: Task) -> CreateTaskRequest:
    """The request that creates a task."""
    from google.cloud import tasks_v2

    return tasks_v2.CreateTaskRequest(
        parent=target.path,
        task=tasks_v2.Task(
            name=target.task_path(task),
            schedule_time=task.not_before,
            dispatch_deadline={"seconds": DISPATCH_DEADLINE_SECONDS},
            http_request=tasks_v2.HttpRequest(
                url=target.url_of(task),
                http_method=tasks_v2.HttpMethod.POST,
                headers={"Content-Type": "application/json"},
                body=task_body(task),
                oidc_token=tasks_v2.OidcToken(
                    service_account_email=target.service_account, audience=target.token_audience
                ),
            ),
        ),
    )
