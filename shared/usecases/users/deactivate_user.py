"""Shut a person out: existing ID tokens, refresh tokens and sign-ins all stop working."""

from __future__ import annotations

from shared.domain.errors import Aborted, FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.users import User, deactivation_path, user_path
from shared.domain.writes import Put, ServerTime, Update
from shared.ports.accounts import Accounts
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.users.user_records import commit_or_refuse, get_user


async def deactivate_user(documents: Documents, accounts: Accounts, administrator: Identity, uid: Uid) -> User:
    """Deactivate an account; doing it again does no harm and repairs what failed halfway.

    The document comes first: from its commit on every token is refused, whatever Identity Platform answers.

    Raises:
        Aborted: the user was changed at the same time; the tokens are accepted still.
        FailedPrecondition: it is the administrator's own account.
        NotFound: there is no such user.
        Unavailable: Identity Platform did not answer; the tokens are refused already, and repeating finishes the job.
    """
    if administrator.uid == uid:
        raise FailedPrecondition("You cannot deactivate yourself.")
    await get_user(documents, uid)
    by = {"uid": uid, "deactivated_by": administrator.uid, "deactivated_at": ServerTime()}
    inactive = Update(user_path(uid), {"is_active": False, "updated_at": ServerTime()})
    if not await commit_or_refuse(documents, [inactive, Put(deactivation_path(uid), by)]):
        raise Aborted("The user was changed at the same time; try again.")
    await accounts.disable(uid)
    return await get_user(documents, uid)
