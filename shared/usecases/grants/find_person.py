"""Find the person whom somebody means: by id, username or address."""

from __future__ import annotations

import re

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import Uid
from shared.domain.users import User, email_fault, normal_email, user_path, username_fault, username_path
from shared.ports.directory import Directory
from shared.ports.documents import Documents
from shared.usecases.users.user_records import user_in, username_in

_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


async def find_person(documents: Documents, directory: Directory, named: str, field: str) -> User:
    """The person of this id, username or proved address.

    An id counts before a username: somebody may register the id of another as a username, but nobody chooses an id.

    Args:
        documents: the store.
        directory: knows who has proved an address.
        named: what somebody wrote.
        field: where they wrote it.

    Raises:
        InvalidArgument: it means nobody.
        Unavailable: the store or Identity Platform does not answer.
    """
    named = named.strip()
    uid = await _by_email(directory, named) if "@" in named else await _by_name(documents, named)
    user = user_in(await documents.get(user_path(uid))) if uid is not None else None
    if user is None:
        reason = "nobody has this id or username, or has proved this address"
        raise InvalidArgument("There is no such person.", (Fault(field, reason),))
    return user


async def _by_email(directory: Directory, named: str) -> Uid | None:
    return None if email_fault(named) else await directory.find_by_proved_email(normal_email(named))


async def _by_name(documents: Documents, named: str) -> Uid | None:
    if _UID.fullmatch(named) and (await documents.get(user_path(named))).exists:
        return Uid(named)
    if username_fault(named):
        return None
    holder = username_in(await documents.get(username_path(named)))
    return holder.uid if holder is not None and holder.state == "confirmed" else None
