"""Destroy everything that is kept for an owner who is no more."""

from __future__ import annotations

from shared.domain.errors import Aborted, Unavailable
from shared.domain.ids import Uid
from shared.domain.records import parse
from shared.domain.secrets import EntryId, StoredSecret, secrets_path
from shared.domain.writes import Delete
from shared.ports.documents import CommitRefused, OutcomeUnknown, Query, Snapshot
from shared.usecases.secrets.vault import Vault

_ATTEMPTS = 20


async def destroy_secrets(vault: Vault, owner: Uid) -> None:
    """Destroy all values, also those whose writers died, and forget their names; safe to repeat.

    Raises:
        Aborted: others kept writing secrets of the owner's; do it again.
        Unavailable: a store does not answer; do it again.
    """
    for _ in range(_ATTEMPTS):
        found = await vault.documents.query(Query(secrets_path(owner)))
        if not found:
            return
        for snapshot in found:
            await _destroy(vault, snapshot)
    raise Aborted("Others keep changing these secrets; try again.", retry_after_seconds=1)


async def _destroy(vault: Vault, snapshot: Snapshot) -> None:
    """Destroy a secret as it was seen; one that names another entry by now is left, and looked at again."""
    secret = parse(StoredSecret, snapshot.fields or {})
    for entry in {*secret.pending, *secret.discarded, *([secret.entry] if secret.entry else [])}:
        await vault.store.delete(EntryId(entry))
    try:
        await vault.documents.commit([Delete(snapshot.path, seen=snapshot.update_time)])
    except CommitRefused:
        return
    except OutcomeUnknown:
        raise Unavailable("It is not known whether every secret was destroyed; try again.") from None
