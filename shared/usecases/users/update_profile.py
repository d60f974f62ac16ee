"""Change one's own profile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.domain.errors import Aborted, Fault, InvalidArgument, UsernameTaken
from shared.domain.ids import Uid
from shared.domain.users import (
    User,
    display_name_fault,
    hold_username,
    user_path,
    username_fault,
    username_path,
)
from shared.domain.writes import Delete, ServerTime, Update, Write
from shared.ports.documents import Documents
from shared.usecases.users.user_records import commit_or_refuse, existing_user, get_user, username_in


async def update_profile(documents: Documents, uid: Uid, changes: Mapping[str, str | None]) -> User:
    """Change the display name or the username; what `changes` does not name stays.

    A display name of None removes it. A username can be changed, not given up.

    Raises:
        InvalidArgument: a name is not allowed; carries every fault.
        UsernameTaken: somebody else has the username.
        Aborted: the profile was changed at the same time.
        NotFound: there is no profile.
    """
    faults = tuple(_faults(changes))
    if faults:
        raise InvalidArgument("The profile is not valid.", faults)
    found = await documents.get(user_path(uid))
    user = existing_user(found)
    fields: dict[str, Any] = {**changes, "updated_at": ServerTime()}
    writes: list[Write] = [Update(found.path, fields, seen=found.update_time)]
    username = changes.get("username")
    if username is not None and username != user.username:
        writes += await _rename(documents, user, username)
    if not await commit_or_refuse(documents, writes):
        raise Aborted("The profile was changed at the same time; read it again.")
    return await get_user(documents, uid)


def _faults(changes: Mapping[str, str | None]) -> list[Fault]:
    found: dict[str, str | None] = {}
    if "username" in changes:
        username = changes["username"]
        found["username"] = username_fault(username) if username is not None else "a username cannot be removed"
    if "display_name" in changes:
        found["display_name"] = display_name_fault(changes["display_name"])
    return [Fault(path, reason) for path, reason in found.items() if reason]


async def _rename(documents: Documents, user: User, username: str) -> list[Write]:
    """What gives the person another username and frees the old one."""
    held = await documents.get(username_path(username))
    holder = username_in(held)
    if holder and holder.is_held_against(user.uid, held.read_time):
        raise UsernameTaken(f"The username '{username}' is taken.")
    writes: list[Write] = [hold_username(held.update_time, user.uid, username, state="confirmed")]
    if user.username and username_path(user.username) != held.path:
        writes.append(Delete(username_path(user.username)))
    return writes
