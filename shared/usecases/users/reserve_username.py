"""What the hook before an account is created does: hold the username that its registration asks for."""

from __future__ import annotations

from shared.domain.errors import Aborted, EmailTaken, UsernameTaken
from shared.domain.users import (
    Account,
    Role,
    hold_username,
    registration_path,
    username_path,
)
from shared.domain.writes import Update
from shared.ports.accounts import Accounts
from shared.ports.documents import Documents
from shared.usecases.users.user_records import commit_or_refuse, registration_in, username_in


async def reserve_username(documents: Documents, accounts: Accounts, account: Account, method: str | None) -> Role:
    """Reserve the username of the registration with this account's address, and give the new account's role.

    An account that nobody registered through Fireloom (a client signed up by itself) gets no username here. `method`
    is how the person signs up. With `password` the address must be new, which production does not ask before it
    calls the hooks: https://github.com/firebase/firebase-functions/issues/1558.

    Raises:
        EmailTaken: an account has the address.
        UsernameTaken: somebody else has the username.
        Aborted: a concurrent registration won.
    """
    if account.email is None:
        return "user"
    if method == "password" and await accounts.find_uid(account.email) not in (None, account.uid):
        raise EmailTaken("An account with this email address exists.")
    found = await documents.get(registration_path(account.email))
    registration = registration_in(found)
    if registration is None or not registration.is_live(found.read_time):
        return "user"
    if registration.uid not in (None, account.uid):
        return "user"  # it belongs to another sign-up with this address; at most one of the two will last
    held = await documents.get(username_path(registration.username))
    holder = username_in(held)
    if holder and holder.is_held_against(account.uid, held.read_time):
        raise UsernameTaken(f"The username '{registration.username}' is taken.")
    reservation = hold_username(held.update_time, account.uid, registration.username, state="reserved")
    claimed = Update(found.path, {"uid": account.uid})
    if not await commit_or_refuse(documents, [reservation, claimed]):
        raise Aborted("Somebody is registering with this username or address right now.")
    return "user"
