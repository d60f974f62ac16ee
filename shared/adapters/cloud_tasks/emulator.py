"""The task queue on the local emulator, which speaks REST, and a dialect of it.

It ignores `scheduleTime`, `httpMethod` and `oidcToken`. So each task carries a token that is signed here, and
delays are up to the worker, which checks them in any case. The queue must exist: creating it anew would forget its
tasks and names.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Sequence
from functools import cached_property
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shared.adapters.cloud_tasks.target import DISPATCH_DEADLINE_SECONDS, QueueTarget, task_body
from shared.domain.errors import Unavailable
from shared.ports.task_queue import Task

if TYPE_CHECKING:
    from httpx import AsyncClient

_CONCURRENT_REQUESTS = 4
"""The emulator takes one after the other, and the client looks at each idle connection before each request."""
_TIMEOUT_SECONDS = 10.0
_TOKEN_SECONDS = 24 * 3600
"""Google signs a token for each delivery; here one must outlast all deliveries of its task."""


class EmulatorTaskQueue:
    """`TaskQueue` and `IngestQueue` on the Cloud Tasks emulator of firebase-tools."""

    def __init__(self, target: QueueTarget, host: str, oidc_key: str) -> None:
        """Name the queue, the emulator (host and port), and the key that the worker knows too."""
        self._target = target
        self._host = host
        self._oidc_key = oidc_key
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    @cached_property
    def _client(self) -> AsyncClient:
        from httpx import AsyncClient

        return AsyncClient(base_url=f"http://{self._host}", timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def enqueue(self, tasks: Sequence[Task]) -> None:
        """Hand all tasks to the queue."""
        from httpx import HTTPError

        outcomes = await asyncio.gather(*map(self._create, tasks), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, HTTPError):
                raise Unavailable("the queue did not accept every task") from outcome
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _create(self, task: Task) -> None:
        async with self._slots:
            answer = await self._client.post(f"/{self._target.path}/tasks", json={"task": self._task(task)})
        if answer.status_code != HTTPStatus.CONFLICT:  # the same cause twice is one task
            answer.raise_for_status()

    def _task(self, task: Task) -> dict[str, Any]:
        return {
            "name": self._target.task_path(task),
            "dispatchDeadline": f"{DISPATCH_DEADLINE_SECONDS}s",
            "httpRequest": {
                "url": self._target.url_of(task),
                "headers": {"Authorization": f"Bearer {local_token(self._target, self._oidc_key)}"},
                "body": base64.b64encode(task_body(task)).decode(),
            },
        }


def local_token(target: QueueTarget, oidc_key: str) -> str:
    """A token shaped like the one that Google would put on the request, signed with the local key (HS256)."""
    import jwt

    issued_at = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": target.token_audience,
        "email": target.service_account,
        "email_verified": True,
        "iat": issued_at,
        "exp": issued_at + _TOKEN_SECONDS,
    }
    return jwt.encode(claims, oidc_key, algorithm="HS256")
