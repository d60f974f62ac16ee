"""The task queue on the local emulator, which speaks REST, and a dialect of it.

It ignores `scheduleTime`, `httpMethod` and `oidcToken`. So each task carries a token that is signed here, and
delays are up to the worker, which checks them in any case. The queue must exist: creating it anew would forget its
tasks and names.
"""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from shared.adapters.cloud_tasks.emulator_connection import EmulatorConnection
from shared.adapters.cloud_tasks.target import DISPATCH_DEADLINE_SECONDS, QueueTarget, task_body
from shared.domain.errors import Unavailable
from shared.ports.task_queue import Task

_ACCEPTED = {HTTPStatus.OK, HTTPStatus.CONFLICT}
"""The same cause twice is one task."""
_TOKEN_SECONDS = 24 * 3600
"""Google signs a token for each delivery; here one must outlast all deliveries of its task."""
_FRESH_SECONDS = 3600
"""For so long the tasks share one; that is a small part of its time."""


class EmulatorTaskQueue:
    """`TaskQueue` and `IngestQueue` on the Cloud Tasks emulator of firebase-tools."""

    def __init__(self, target: QueueTarget, host: str, oidc_key: str) -> None:
        """Name the queue, the emulator (host and port), and the key that the worker knows too."""
        self._target = target
        self._connection = EmulatorConnection(host)
        self._oidc_key = oidc_key
        self._token = ""
        self._signed_at = -math.inf

    async def enqueue(self, tasks: Sequence[Task]) -> None:
        """Hand all tasks to the queue; those that it took stay there when another fails."""
        bodies = [json.dumps({"task": self._task(task)}).encode() for task in tasks]
        try:
            statuses = await self._connection.post(f"/{self._target.path}/tasks", bodies)
        except (OSError, EOFError) as error:
            raise Unavailable("the queue did not accept every task") from error
        if refusals := set(statuses) - _ACCEPTED:
            raise Unavailable("the queue did not accept every task") from RuntimeError(f"it answered {refusals}")

    async def close(self) -> None:
        """Close the connection; enqueueing again opens a new one."""
        await self._connection.close()

    def _task(self, task: Task) -> dict[str, Any]:
        return {
            "name": self._target.task_path(task),
            "dispatchDeadline": f"{DISPATCH_DEADLINE_SECONDS}s",
            "httpRequest": {
                "url": self._target.url_of(task),
                "headers": {"Authorization": f"Bearer {self._fresh_token()}"},
                "body": base64.b64encode(task_body(task)).decode(),
            },
        }

    def _fresh_token(self) -> str:
        now = time.monotonic()
        if now - self._signed_at > _FRESH_SECONDS:
            account, audience = self._target.service_account, self._target.token_audience
            self._token = local_token(account, audience, self._oidc_key, _TOKEN_SECONDS)
            self._signed_at = now
        return self._token


def local_token(account: str, audience: str, key: str, seconds: int) -> str:
    """A token like the one with which Google proves a service account to one function, signed with `key` (HS256).

    Args:
        account: its address.
        audience: what the function calls itself.
        key: what the function knows too.
        seconds: how long it is good.
    """
    import jwt

    issued_at = int(time.time())
    claims = {
        "iss": "https://accounts.google.com",
        "aud": audience,
        "email": account,
        "email_verified": True,
        "iat": issued_at,
        "exp": issued_at + seconds,
    }
    return jwt.encode(claims, key, algorithm="HS256")
