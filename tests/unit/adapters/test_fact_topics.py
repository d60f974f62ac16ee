"""The topics: in memory, and Pub/Sub as Google speaks it."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.auth.credentials import Credentials
from google.auth.exceptions import RefreshError

from shared.adapters.memory.topic import MemoryFactTopic
from shared.adapters.pubsub.topic import PubSubFactTopic
from shared.domain.errors import Unavailable
from shared.domain.facts import FactId
from shared.ports.fact_topic import FactTopic
from tests.support.http_sites import Asked, Site, Told, site_of
from tests.support.port_contracts.fact_topic import Delivered, FactTopicContract

PATH = "/v1/projects/acme/topics/facts:publish"


class Refreshing(Credentials):
    """Credentials whose tokens last an hour, unless they cannot be had."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.refreshes = 0
        self._broken = broken

    def refresh(self, request: Any) -> None:
        del request
        if self._broken:
            raise RefreshError("no such account")
        self.refreshes += 1
        self.token = f"token-{self.refreshes}"
        self.expiry = (datetime.now(UTC) + timedelta(hours=1)).replace(tzinfo=None)


class TestInMemory(FactTopicContract):
    """In memory."""

    @pytest.fixture
    def topic(self) -> MemoryFactTopic:
        return MemoryFactTopic()

    @pytest.fixture
    def delivered(self, topic: MemoryFactTopic) -> Delivered:
        async def take(count: int) -> list[str]:
            assert len(topic.pending) == count
            return list(topic.pending)

        return take

    @pytest.fixture
    def silent_topic(self) -> MemoryFactTopic:
        topic = MemoryFactTopic()
        topic.fail_next()
        return topic


@pytest.fixture
async def google() -> AsyncIterator[Site]:
    async with site_of({PATH: Told.of_json({"messageIds": ["1"]})}) as site:
        yield site


@pytest.mark.loopback
class TestAsGoogleSpeaks(FactTopicContract):
    """Against a stand-in for Google."""

    @pytest.fixture
    async def topic(self, google: Site) -> AsyncIterator[FactTopic]:
        topic = PubSubFactTopic("acme", "facts", credentials=Refreshing(), base_url=google.url(""))
        yield topic
        await topic.close()

    @pytest.fixture
    def delivered(self, google: Site) -> Delivered:
        async def take(count: int) -> list[str]:
            messages = [message for asked in google.asked for message in asked.json["messages"]]
            assert len(messages) == count
            return [json.loads(base64.b64decode(message["data"]))["fact_id"] for message in messages]

        return take

    @pytest.fixture
    async def silent_topic(self) -> AsyncIterator[FactTopic]:
        topic = PubSubFactTopic("acme", "facts", credentials=Refreshing(), base_url="http://127.0.0.1:1")
        yield topic
        await topic.close()


@pytest.mark.loopback
async def test_a_token_is_shown_and_kept_while_it_lasts(google: Site) -> None:
    credentials = Refreshing()
    topic = PubSubFactTopic("acme", "facts", credentials=credentials, base_url=google.url(""))
    for _ in range(3):
        await topic.publish([FactId("one")])
    await topic.close()
    assert [asked.headers["authorization"] for asked in google.asked] == ["Bearer token-1"] * 3
    assert credentials.refreshes == 1


@pytest.mark.loopback
async def test_what_is_published_after_connections_were_closed_opens_others(google: Site) -> None:
    topic = PubSubFactTopic("acme", "facts", credentials=Refreshing(), base_url=google.url(""))
    await topic.close()
    for _ in range(2):
        await topic.publish([FactId("one")])
        await topic.close()
    assert len(google.asked) == 2


@pytest.mark.loopback
async def test_the_environments_credentials_are_looked_for_off_the_event_loop(
    google: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_in: list[threading.Thread] = []

    def default(scopes: list[str]) -> tuple[Credentials, None]:
        assert scopes == ["https://www.googleapis.com/auth/pubsub"]
        asked_in.append(threading.current_thread())
        return Refreshing(), None

    monkeypatch.setattr("google.auth.default", default)
    topic = PubSubFactTopic("acme", "facts", base_url=google.url(""))
    for _ in range(2):
        await topic.publish([FactId("one")])
    await topic.close()
    assert len(asked_in) == 1
    assert asked_in != [threading.current_thread()]


@pytest.mark.loopback
@pytest.mark.parametrize("status", [401, 404, 429, 503])
async def test_whatever_google_refuses_is_left_to_the_sweeper(google: Site, status: int) -> None:
    google.answers[PATH] = Told.of_json({"error": {"message": "no"}}, status)
    topic = PubSubFactTopic("acme", "facts", credentials=Refreshing(), base_url=google.url(""))
    with pytest.raises(Unavailable):
        await topic.publish([FactId("one")])
    await topic.close()


async def test_a_token_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.pubsub.topic.TIMEOUT_SECONDS", 0.01)
    never = threading.Event()

    class Silent(Refreshing):
        def refresh(self, request: Any) -> None:
            never.wait()
            super().refresh(request)

    topic = PubSubFactTopic("acme", "facts", credentials=Silent())
    with pytest.raises(Unavailable):
        await topic.publish([FactId("one")])
    never.set()
    await topic.close()


async def test_without_credentials_nothing_is_asked() -> None:
    topic = PubSubFactTopic("acme", "facts", credentials=Refreshing(broken=True))
    with pytest.raises(Unavailable):
        await topic.publish([FactId("one")])
    await topic.close()


@pytest.mark.loopback
async def test_many_facts_go_in_requests_of_a_size_that_is_taken(google: Site) -> None:
    def count(asked: Asked) -> Told:
        return Told.of_json({}, 200 if len(asked.json["messages"]) <= 1_000 else 400)

    google.answers[PATH] = count
    topic = PubSubFactTopic("acme", "facts", credentials=Refreshing(), base_url=google.url(""))
    await topic.publish([FactId(f"f{n}") for n in range(2_500)])
    await topic.close()
    assert [len(asked.json["messages"]) for asked in google.asked] == [1_000, 1_000, 500]
