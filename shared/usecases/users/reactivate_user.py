"""Let a deactivated person in again."""

from __future__ import annotations

from shared.domain.errors import Aborted
from shared.domain.ids import Uid
from shared.domain.users import User, deactivation_path, user_path
from shared.domain.writes import Delete, ServerTime, Update
from shared.ports.accounts import Accounts
from shared.ports.documents import Documents
from shared.usecases.users.user_records import commit_or_refuse, get_user


async def reactivate_user(documents: Documents, accounts: Accounts, uid: Uid) -> User:
    """Reactivate an account; doing it again does no harm and repairs what failed halfway.

    The document goes last: until its commit the person stays out.

    Raises:
        Aborted: the user was changed at the same time.
        NotFound: there is no such user.
        Unavailable: Identity Platform did not answer; repeating finishes the job.
    """
    await get_user(documents, uid)
    await accounts.enable(uid)
    active = Update(user_path(uid), {"is_active": True, "updated_at": ServerTime()})
    if not await commit_or_refuse(documents, [active, Delete(deactivation_path(uid))]):
        raise Aborted("The user was changed at the same time; try again.")
    return await get_user(documents, uid)
