"""The topic on which facts are published to those who want to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.facts import FactId


class FactTopic(Protocol):
    """Delivers the ids of facts to the `events` function, at least once and in no order; what they say is stored."""

    async def publish(self, facts: Sequence[FactId]) -> None:
        """Hand ids of stored facts to the topic.

        Raises:
            shared.domain.errors.Unavailable: the topic did not accept them, or it is not known whether it did.
        """
        ...
