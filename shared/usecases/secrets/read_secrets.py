"""Read the values of secrets, for tools that send them."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from shared.domain.errors import FailedPrecondition, NotFound
from shared.domain.ids import RunId, Uid
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.secrets import SecretText, StoredSecret, secret_path
from shared.ports.documents import Documents
from shared.usecases.secrets.vault import Vault, secret_in


async def author_of(documents: Documents, run_id: RunId) -> Uid:
    """Whose secrets the definition of a run names: those of who wrote it, whoever runs it.

    Raises:
        NotFound: there is no such run, or it does not say who wrote what it executes.
        Unavailable: the store does not answer.
    """
    found = await documents.get(run_path(run_id))
    run = None if found.fields is None else parse(Run, found.fields)
    if run is None or run.author_uid is None:
        raise NotFound(f"It is not known who wrote what run {run_id} executes.")
    return run.author_uid


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
