"""Set what somebody may do, instead of what everybody may."""

from __future__ import annotations

from shared.domain.errors import Aborted
from shared.domain.ids import Uid
from shared.domain.quotas import Quota, standing_path
from shared.domain.records import render
from shared.domain.writes import Merge
from shared.ports.documents import Documents
from shared.usecases.users.user_records import commit_or_refuse, get_user


async def set_quota(documents: Documents, uid: Uid, quota: Quota) -> Quota:
    """Keep a quota for a person, in place of the one before; it holds for every run that is started from now on.

    Raises:
        NotFound: there is no such user.
        Aborted: the document was changed at the same time.
        Unavailable: the store does not answer.
    """
    await get_user(documents, uid)
    if not await commit_or_refuse(documents, [Merge(standing_path(uid), {"owner_uid": uid, "quota": render(quota)})]):
        raise Aborted("The quota was changed at the same time; try again.")
    return quota
