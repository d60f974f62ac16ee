"""Store the value of a secret."""

from __future__ import annotations

from contextlib import suppress

from shared.domain.errors import Aborted, DomainError, Fault, InvalidArgument, TooManyKept
from shared.domain.ids import Uid
from shared.domain.secrets import (
    MAX_SECRETS,
    EntryId,
    SecretText,
    StoredSecret,
    secret_fault,
    secret_path,
    secrets_path,
)
from shared.ports.documents import Query
from shared.usecases.secrets.vault import Vault, change_secret, destroy_stale


async def put_secret(vault: Vault, owner: Uid, name: str, value: SecretText) -> tuple[StoredSecret, bool]:
    """Give a secret of the owner's a value, its first or a new one; also whether it is its first.

    Three steps, so that none can leave a value that nothing names: note the new entry, write it, point the name at it.

    Raises:
        InvalidArgument: the value is too short or too long.
        TooManyKept: the owner has the most secrets that one may have.
        Aborted: others kept changing the secret.
        Unavailable: a store does not answer; the old value is used until the new one is.
    """
    fault = secret_fault(value.reveal())
    if fault:
        raise InvalidArgument("The secret is not valid.", (Fault("value", fault),))
    await _check_count(vault, owner, name)
    entry = EntryId(vault.ids.new())
    had_value = False

    def note(secret: StoredSecret | None) -> StoredSecret:
        now = vault.clock.now()
        return (secret or StoredSecret(name, owner, now, now)).noting(entry, now)

    def point(secret: StoredSecret | None) -> StoredSecret:
        nonlocal had_value
        if secret is None or entry not in secret.pending:
            raise Aborted("The secret was changed too slowly; try again.")
        had_value = secret.is_stored
        return secret.pointing_at(entry, vault.clock.now())

    await change_secret(vault, owner, name, note)
    await vault.store.write(entry, value)
    try:
        secret = await change_secret(vault, owner, name, point)
    except Aborted:
        await vault.store.delete(entry)  # perhaps nothing names it any more
        raise
    with suppress(DomainError):  # the secret is stored; its next change destroys what was replaced
        await destroy_stale(vault, owner, secret)
    return secret, not had_value


async def _check_count(vault: Vault, owner: Uid, name: str) -> None:
    found = await vault.documents.query(Query(secrets_path(owner), limit=MAX_SECRETS))
    if len(found) >= MAX_SECRETS and secret_path(owner, name) not in {one.path for one in found}:
        raise TooManyKept(f"You have {MAX_SECRETS} secrets, which is the most; delete one first.")
