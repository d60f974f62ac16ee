"""What the use cases of secrets work with, and the one way in which they change a secret's document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.errors import Aborted, Unavailable
from shared.domain.ids import Uid
from shared.domain.records import parse, render
from shared.domain.secrets import StoredSecret, secret_path
from shared.domain.writes import Create, Delete, Update, Write
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.ports.id_source import Ids
from shared.ports.secret_store import SecretStore

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Vault:
    """The ports: names in documents, values in the store."""

    documents: Documents
    store: SecretStore
    clock: Clock
    ids: Ids


def secret_in(snapshot: Snapshot) -> StoredSecret | None:
    """The secret that a document names, or None where there is no document."""
    return None if snapshot.fields is None else parse(StoredSecret, snapshot.fields)


async def change_secret(
    vault: Vault, owner: Uid, name: str, change: Callable[[StoredSecret | None], StoredSecret]
) -> StoredSecret:
    """Store what `change` makes of the secret as it is; it is asked again when others change the secret meanwhile.

    Raises:
        DomainError: as `change` raises it.
        Aborted: others kept changing the secret.
        Unavailable: the store does not answer; the change may have been made.
    """
    for attempt in range(_ATTEMPTS):
        snapshot = await vault.documents.get(secret_path(owner, name))
        old = secret_in(snapshot)
        new = change(old)
        if new == old or (old is None and new.is_empty):
            return new
        try:
            await vault.documents.commit([_write(snapshot, new)])
        except CommitRefused:
            await vault.clock.sleep(_PAUSE_SECONDS * attempt)
        except OutcomeUnknown:
            raise Unavailable("It is not known whether the secret was changed; try again.") from None
        else:
            return new
    raise Aborted("Others keep changing this secret; try again.", retry_after_seconds=1)


async def destroy_stale(vault: Vault, owner: Uid, secret: StoredSecret) -> None:
    """Destroy the entries that the secret no longer means; what is missed now is done at its next change.

    Raises:
        Aborted, Unavailable: as `change_secret`, and where the store of values does not answer.
    """
    stale = secret.stale(vault.clock.now())
    if not stale:
        return
    for entry in stale:
        await vault.store.delete(entry)
    await change_secret(vault, owner, secret.name, lambda now: (now or secret).forgetting(stale))


def _write(snapshot: Snapshot, new: StoredSecret) -> Write:
    if snapshot.fields is None:
        return Create(snapshot.path, render(new))
    if new.is_empty:
        return Delete(snapshot.path, seen=snapshot.update_time)
    return Update(snapshot.path, render(new), seen=snapshot.update_time)
