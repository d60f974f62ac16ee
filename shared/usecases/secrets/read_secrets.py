"""Read the values of secrets, for tools that send them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.secrets import SecretText, StoredSecret, secret_path
from shared.usecases.secrets.vault import Vault, secret_in


async def read_secrets(vault: Vault, owner: Uid, names: Collection[str]) -> Mapping[str, SecretText]:
    """The values of a person's secrets, by name. Nothing is kept: a replaced or deleted value is not used again.

    Raises:
        FailedPrecondition: some of them do not exist; the message names all of those.
        Unavailable: a store does not answer.
    """
    wanted = sorted(set(names))
    if not wanted:
        return {}
    found = await vault.documents.get_many([secret_path(owner, name) for name in wanted])
    secrets = dict(zip(wanted, map(secret_in, found), strict=True))
    values = dict(zip(wanted, await asyncio.gather(*(_value(vault, one) for one in secrets.values())), strict=True))
    missing = [name for name, value in values.items() if value is None]
    if missing:
        listed = ", ".join(f"'{name}'" for name in missing)
        raise FailedPrecondition(f"The agent's author has not stored the secret {listed}: PUT /secrets/{{name}}.")
    return {name: value for name, value in values.items() if value is not None}


async def _value(vault: Vault, secret: StoredSecret | None) -> SecretText | None:
    if secret is None or secret.entry is None:
        return None
    return await vault.store.read(secret.entry)
