"""Where the values of secrets are kept, encrypted at rest: Secret Manager in production."""

from __future__ import annotations

from typing import Protocol

from shared.domain.secrets import EntryId, SecretText


class SecretStore(Protocol):
    """Values under ids that are used once: an entry is written, read, and deleted, and never changed.

    So whoever knows an id reads the one value that it ever had, however slowly the store converges. Which name of whom
    means which entry is said by documents (`shared.domain.secrets.StoredSecret`), not here. Every method raises
    `shared.domain.errors.Unavailable` when the store does not answer; what was asked may have happened.
    """

    async def write(self, entry: EntryId, value: SecretText) -> None:
        """Keep a value of at most `MAX_SECRET_BYTES` under an id that is new; doing it twice is doing it once."""
        ...

    async def read(self, entry: EntryId) -> SecretText | None:
        """The value, or None where there is no such entry."""
        ...

    async def delete(self, entry: EntryId) -> None:
        """Destroy an entry; where there is none, nothing happens."""
        ...
