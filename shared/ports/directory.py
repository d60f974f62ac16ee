"""Finds people by what they have proved to be theirs."""

from __future__ import annotations

from typing import Protocol

from shared.domain.ids import Uid


class Directory(Protocol):
    """The accounts of Identity Platform, as those who share something look for them."""

    async def find_by_proved_email(self, email: str) -> Uid | None:
        """Who has proved that this address is theirs, or None: anybody can register with the address of another.

        Raises:
            shared.domain.errors.Unavailable: Identity Platform does not answer.
        """
        ...
