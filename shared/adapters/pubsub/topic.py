"""The topic on Pub/Sub, over REST: the same wire to Google and to the emulator.

Google's own library would load gRPC into every function that ends runs, and gathers messages in the background, where
nothing runs after a function has answered.

Source: https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.topics/publish
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from shared.domain.errors import Unavailable
from shared.domain.facts import FactId

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from httpx import AsyncClient

GOOGLE_URL = "https://pubsub.googleapis.com"
_SCOPE = "https://www.googleapis.com/auth/pubsub"
TIMEOUT_SECONDS = 5.0
"""For a token, for which google-auth itself waits two minutes, and for an answer."""
_MOST_MESSAGES = 1_000
"""Source: https://cloud.google.com/pubsub/quotas#resource_limits"""


class PubSubFactTopic:
    """`FactTopic` on Pub/Sub."""

    def __init__(
        self,
        project: str,
        topic: str,
        emulator_host: str | None = None,
        credentials: Credentials | None = None,
        base_url: str | None = None,
    ) -> None:
        """Name the topic.

        Args:
            project: the Google Cloud project.
            topic: the topic's id.
            emulator_host: `host:port` of the emulator, which takes no credentials; None for Google.
            credentials: by default those of the environment.
            base_url: of Google, for tests.
        """
        self._path = f"/v1/projects/{project}/topics/{topic}:publish"
        self._base_url = f"http://{emulator_host}" if emulator_host else base_url or GOOGLE_URL
        self._needs_token = emulator_host is None
        self._credentials = credentials
        self._refreshing = asyncio.Lock()

    @cached_property
    def _client(self) -> AsyncClient:
        from httpx import AsyncClient

        return AsyncClient(base_url=self._base_url, timeout=TIMEOUT_SECONDS, trust_env=False)

    async def publish(self, facts: Sequence[FactId]) -> None:
        """Hand ids to the topic."""
        from google.auth.exceptions import GoogleAuthError
        from httpx import HTTPError

        for first in range(0, len(facts), _MOST_MESSAGES):
            messages = [{"data": message_data(fact)} for fact in facts[first : first + _MOST_MESSAGES]]
            try:
                async with asyncio.timeout(TIMEOUT_SECONDS):
                    headers = {"Authorization": f"Bearer {await self._token()}"} if self._needs_token else {}
                answer = await self._client.post(self._path, json={"messages": messages}, headers=headers)
                answer.raise_for_status()
            except (HTTPError, GoogleAuthError, TimeoutError) as error:
                raise Unavailable("the topic did not accept every fact") from error

    async def close(self) -> None:
        """Close the connections, if any were opened; publishing again opens new ones."""
        client = self.__dict__.pop("_client", None)
        if client is not None:
            await client.aclose()

    async def _token(self) -> str:
        async with self._refreshing:
            if self._credentials is None or not self._credentials.valid:
                self._credentials = await asyncio.to_thread(_refreshed, self._credentials)
            return str(self._credentials.token)


def _refreshed(credentials: Credentials | None) -> Credentials:
    """The credentials with a token, by default those of the environment; asks the metadata server, and waits for it."""
    import google.auth
    from google.auth.transport.requests import Request

    found = credentials or google.auth.default(scopes=[_SCOPE])[0]
    found.refresh(Request())
    return found


def message_data(fact: FactId) -> str:
    """The content of a message, as it stands on the wire."""
    return base64.b64encode(json.dumps({"fact_id": fact}).encode()).decode()
