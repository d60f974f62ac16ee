"""People's proved addresses in memory, for unit tests."""

from __future__ import annotations

from shared.domain.ids import Uid


class MemoryDirectory:
    """`Directory` of the addresses that a test puts in."""

    def __init__(self, proved: dict[str, Uid] | None = None) -> None:
        """Know these addresses, in lower case."""
        self.proved = {} if proved is None else proved

    async def find_by_proved_email(self, email: str) -> Uid | None:
        """Who has proved this address, or None."""
        return self.proved.get(email)
