"""What every `FactTopic` adapter promises. Subclasses provide the fixtures `topic`, `delivered` and `silent_topic`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import pytest

from shared.domain.errors import Unavailable
from shared.domain.facts import FactId
from shared.ports.fact_topic import FactTopic

Delivered: TypeAlias = Callable[[int], Awaitable[list[str]]]
"""Waits until so many different ids were delivered, and returns them in any order."""


class FactTopicContract:
    """Acceptance and failure."""

    async def test_every_fact_is_delivered(self, topic: FactTopic, delivered: Delivered) -> None:
        facts = [FactId(f"fact{n}") for n in range(20)]
        await topic.publish(facts[:1])
        await topic.publish(facts[1:])
        assert sorted(await delivered(20)) == sorted(facts)

    async def test_no_fact_is_no_message(self, topic: FactTopic, delivered: Delivered) -> None:
        await topic.publish([])
        await topic.publish([FactId("one")])
        assert await delivered(1) == ["one"]

    async def test_a_topic_that_does_not_answer_is_unavailable(self, silent_topic: FactTopic) -> None:
        with pytest.raises(Unavailable):
            await silent_topic.publish([FactId("one")])
