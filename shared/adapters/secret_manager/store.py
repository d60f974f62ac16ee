"""The secret store on Google Secret Manager: one secret with one version for each entry.

Reading a version by its number right after it was added is strongly consistent; everything else there, `latest` too,
may take minutes or hours to be seen. Entries that are never changed need nothing else.
Source: https://cloud.google.com/secret-manager/docs/reference/rest (consistency: /docs/overview#consistency)
"""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from shared.domain.errors import DomainError, Internal, ResourceExhausted, StoreUnavailable
from shared.domain.secrets import EntryId, SecretText

if TYPE_CHECKING:
    from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient

T = TypeVar("T")

PREFIX = "fireloom-"
"""Begins every secret's id, so that conditions of IAM can keep functions to these."""
_ATTEMPT_SECONDS = 5.0


class SecretManagerStore:
    """`SecretStore` on Secret Manager, in one region."""

    def __init__(
        self,
        project: str,
        region: str,
        client: SecretManagerServiceAsyncClient | None = None,
        *,
        deadline_seconds: float = 15.0,
    ) -> None:
        """Name the place.

        Args:
            project: the Google Cloud project.
            region: where values are kept; beside the functions.
            client: the library's client; by default one is made on first use.
            deadline_seconds: how long one call may take, repetitions included.
        """
        self._project = project
        self._region = region
        self._given_client = client
        self._deadline_seconds = deadline_seconds

    @cached_property
    def _client(self) -> SecretManagerServiceAsyncClient:
        from google.cloud.secretmanager_v1 import SecretManagerServiceAsyncClient

        return self._given_client or SecretManagerServiceAsyncClient()

    async def write(self, entry: EntryId, value: SecretText) -> None:
        """Keep a value under a new id."""
        from google.api_core import exceptions

        replica = {"location": self._region}
        secret = {"replication": {"user_managed": {"replicas": [replica]}}, "labels": {"app": "fireloom"}}
        create = {"parent": f"projects/{self._project}", "secret_id": f"{PREFIX}{entry}", "secret": secret}
        with suppress(exceptions.AlreadyExists):  # an earlier try, or one whose answer was lost
            await self._ask(self._client.create_secret(create, **self._patience))
        add = {"parent": self._secret(entry), "payload": {"data": value.reveal().encode()}}
        await self._ask(self._client.add_secret_version(add, **self._patience))

    async def read(self, entry: EntryId) -> SecretText | None:
        """The value, or None."""
        from google.api_core import exceptions

        access = {"name": f"{self._secret(entry)}/versions/1"}
        try:
            answer = await self._ask(self._client.access_secret_version(access, **self._patience))
        except (exceptions.NotFound, exceptions.FailedPrecondition):
            return None  # deleted; or its version was disabled or destroyed by hand
        return SecretText(answer.payload.data.decode())

    async def delete(self, entry: EntryId) -> None:
        """Destroy an entry."""
        from google.api_core import exceptions

        try:
            await self._ask(self._client.delete_secret({"name": self._secret(entry)}, **self._patience))
        except exceptions.NotFound:
            return

    @cached_property
    def _patience(self) -> dict[str, Any]:
        from google.api_core import exceptions
        from google.api_core.retry_async import AsyncRetry, if_exception_type

        passing = if_exception_type(
            exceptions.DeadlineExceeded, exceptions.InternalServerError, exceptions.ServiceUnavailable
        )
        retry = AsyncRetry(passing, initial=0.1, maximum=2.0, timeout=self._deadline_seconds)
        return {"retry": retry, "timeout": min(_ATTEMPT_SECONDS, self._deadline_seconds)}

    async def _ask(self, call: Awaitable[T]) -> T:
        """The answer; what the caller does not expect becomes an error of ours, which quotes nothing."""
        from google.api_core import exceptions
        from google.auth.exceptions import GoogleAuthError

        expected = (exceptions.NotFound, exceptions.AlreadyExists, exceptions.FailedPrecondition)
        try:
            return await call
        except expected:
            raise
        except (exceptions.GoogleAPIError, GoogleAuthError) as error:
            raise _refusal(error) from error

    def _secret(self, entry: EntryId) -> str:
        return f"projects/{self._project}/secrets/{PREFIX}{entry}"


def _refusal(error: Exception) -> DomainError:
    from google.api_core import exceptions

    if isinstance(error, exceptions.ResourceExhausted):
        return ResourceExhausted("The store of secrets has had enough requests.", retry_after_seconds=30)
    if isinstance(error, exceptions.PermissionDenied | exceptions.Unauthenticated | exceptions.InvalidArgument):
        return Internal(f"Secret Manager refuses this service: {type(error).__name__}")
    return StoreUnavailable("The store of secrets does not answer.")
