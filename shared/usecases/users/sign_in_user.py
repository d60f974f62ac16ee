"""Sign in with an email address or a username."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import AccountDeactivated, InvalidCredentials, Unavailable
from shared.domain.ids import hashed_id
from shared.domain.users import User, user_path, username_fault, username_path
from shared.ports.accounts import Accounts, HookRefused, Tokens
from shared.ports.documents import Documents
from shared.usecases.users.user_records import get_user, user_in, username_in

REFUSAL = "The email address, username or password is wrong, or the account is deactivated."


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A person with the tokens that prove it."""

    user: User
    tokens: Tokens


async def sign_in_user(documents: Documents, accounts: Accounts, login: str, password: str) -> SignedIn:
    """Sign in whoever has the email address or username `login`.

    Every refusal looks the same, so that nobody learns which accounts exist.

    Raises:
        InvalidCredentials: wrong address, username or password, or a deactivated account.
        Unavailable: the hook could not decide.
    """
    login = login.strip()
    email = login if "@" in login else await _email_of(documents, login)
    try:
        tokens = await accounts.sign_in(email, password)
    except HookRefused as error:
        if error.code == AccountDeactivated.code:
            raise InvalidCredentials(REFUSAL) from error
        raise Unavailable("Signing in is not possible at the moment.") from error
    except InvalidCredentials as error:
        raise InvalidCredentials(REFUSAL) from error
    return SignedIn(await get_user(documents, tokens.uid), tokens)


async def _email_of(documents: Documents, username: str) -> str:
    """The address of a username's holder; for an unknown one nobody's, which takes as long to refuse."""
    nobody = f"{hashed_id(username)}@nobody.invalid"
    if username_fault(username):
        return nobody
    holder = username_in(await documents.get(username_path(username)))
    user = user_in(await documents.get(user_path(holder.uid))) if holder else None
    return (user and user.email) or nobody
