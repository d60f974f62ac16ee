"""The topic on Pub/Sub's emulator, with a subscription that pushes as the deployed one does."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from scripts.local.emulators import EmulatorPorts
from shared.adapters.pubsub.topic import PubSubFactTopic
from shared.domain.errors import Unavailable
from shared.domain.facts import FactId
from shared.edge.pushes import Push
from shared.ports.fact_topic import FactTopic
from tests.support.http_sites import Asked, Site, Told, site_of
from tests.support.port_contracts.fact_topic import Delivered, FactTopicContract

PATIENCE_SECONDS = 60
PATH = "/pushes/facts"


@pytest.fixture
def project() -> str:
    return f"demo-facts-{secrets.token_hex(4)}"


@pytest.fixture
def host(emulators: EmulatorPorts) -> str:
    return emulators.environment["PUBSUB_EMULATOR_HOST"]


@pytest.fixture
async def receiver() -> AsyncIterator[Site]:
    async with site_of({PATH: Told(b"{}")}) as site:
        yield site


@pytest.fixture
async def topic(project: str, host: str, receiver: Site) -> AsyncIterator[FactTopic]:
    subscription = {
        "topic": f"projects/{project}/topics/facts",
        "pushConfig": {"pushEndpoint": receiver.url(f"{PATH}?token=of-the-subscription")},
        "retryPolicy": {"minimumBackoff": "0.1s", "maximumBackoff": "1s"},
    }
    base = f"http://{host}/v1/projects/{project}"
    async with httpx.AsyncClient(base_url=base, timeout=PATIENCE_SECONDS, trust_env=False) as client:
        (await client.put("/topics/facts", json={})).raise_for_status()
        (await client.put("/subscriptions/events", json=subscription)).raise_for_status()
    topic = PubSubFactTopic(project, "facts", host)
    yield topic
    await topic.close()


def told(asked: Asked) -> str:
    """The id in a push, as the function reads it."""
    said = Push.model_validate(asked.json).read()
    assert said is not None
    return said["fact_id"]


async def wait_for(site: Site, count: int) -> list[str]:
    await until(lambda: len({told(asked) for asked in site.asked}) >= count)
    return list({told(asked) for asked in site.asked})


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


class TestPubSub(FactTopicContract):
    """On the emulator: what counts as delivered is what it pushes."""

    @pytest.fixture
    def delivered(self, receiver: Site) -> Delivered:
        async def pushed(count: int) -> list[str]:
            return await wait_for(receiver, count)

        return pushed

    @pytest.fixture
    async def silent_topic(self, project: str) -> AsyncIterator[FactTopic]:
        topic = PubSubFactTopic(project, "facts", "127.0.0.1:1")
        yield topic
        await topic.close()


async def test_a_push_is_the_envelope_that_the_function_reads_and_carries_the_token(
    topic: FactTopic, receiver: Site
) -> None:
    await topic.publish([FactId("one")])
    await wait_for(receiver, 1)
    asked = receiver.asked[0]  # what is pushed once may be pushed again
    assert (asked.method, asked.path, asked.query) == ("POST", PATH, {"token": "of-the-subscription"})
    assert json.loads(base64.b64decode(asked.json["message"]["data"])) == {"fact_id": "one"}
    assert asked.json["message"]["messageId"]


async def test_what_is_refused_is_pushed_again(topic: FactTopic, receiver: Site) -> None:
    def refuse_twice(_: Asked) -> Told:
        return Told(status=503 if len(receiver.asked) < 3 else 200)

    receiver.answers[PATH] = refuse_twice
    await topic.publish([FactId("one")])
    await until(lambda: len(receiver.asked) >= 3)
    assert {told(asked) for asked in receiver.asked} == {"one"}


async def test_a_topic_that_was_not_made_is_unavailable(project: str, host: str) -> None:
    topic = PubSubFactTopic(project, "nowhere", host)
    with pytest.raises(Unavailable):
        await topic.publish([FactId("one")])
    await topic.close()
