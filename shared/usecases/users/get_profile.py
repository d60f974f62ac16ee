"""Read one's own profile."""

from __future__ import annotations

from shared.domain.ids import Uid
from shared.domain.users import User
from shared.ports.documents import Documents
from shared.usecases.users.user_records import get_user


async def get_profile(documents: Documents, uid: Uid) -> User:
    """The profile of `uid`.

    Raises:
        NotFound: the account has none, because it never signed in through the hooks.
    """
    return await get_user(documents, uid)
