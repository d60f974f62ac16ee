"""Destroy everything that is kept for an owner who is no more."""

from __future__ import annotations

from shared.domain.errors import Unavailable
from shared.domain.ids import Uid
from shared.domain.records import parse
from shared.domain.secrets import EntryId, StoredSecret, secrets_path
from shared.domain.writes import Delete
from shared.ports.documents import CommitRefused, OutcomeUnknown, Query
from shared.usecases.secrets.vault import Vault


async def destroy_secrets(vault: Vault, owner: Uid) -> None:
    """Destroy all values, also those whose writers died, and forget their names; safe to repeat.

    Raises:
        Unavailable: a store does not answer; do it again.
    """
    for snapshot in await vault.documents.query(Query(secrets_path(owner))):
        secret = parse(StoredSecret, snapshot.fields or {})
        for entry in {*secret.pending, *secret.discarded, *([secret.entry] if secret.entry else [])}:
            await vault.store.delete(EntryId(entry))
        try:
            await vault.documents.commit([Delete(snapshot.path)])
        except (CommitRefused, OutcomeUnknown):
            raise Unavailable("It is not known whether every secret was destroyed; try again.") from None
