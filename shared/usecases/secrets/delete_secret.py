"""Delete a secret."""

from __future__ import annotations

from shared.domain.errors import NotFound
from shared.domain.ids import Uid
from shared.domain.secrets import StoredSecret
from shared.usecases.secrets.vault import Vault, change_secret, destroy_stale


async def delete_secret(vault: Vault, owner: Uid, name: str) -> None:
    """Take a secret's name away, at once, and destroy its value.

    Raises:
        NotFound: the owner has no such secret.
        Aborted: others kept changing the secret.
        Unavailable: a store does not answer. The name may be gone; deleting again, or the next value under this name,
            destroys what is left.
    """

    def forget(secret: StoredSecret | None) -> StoredSecret:
        if secret is None or not (secret.is_stored or secret.discarded):
            raise NotFound(f"You have no secret named '{name}'.")
        return secret.without_value()

    await destroy_stale(vault, owner, await change_secret(vault, owner, name, forget))
