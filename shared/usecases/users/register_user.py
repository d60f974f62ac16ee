"""Register a person: account, username and profile, all or nothing.

The account is made by Identity Platform's public sign-up, because only that runs the blocking hooks. The hooks see the
email address but nothing else that a caller sends, so the username waits for them in a registration document:

    register: write registrations/{email}          (nonce, username)
    sign-up → before_create: reserve the username  (uid into the registration)
            → before_sign_in: confirm it, write the profile
    register: delete registrations/{email}

Whatever fails, `_release` compares the documents with the account that really exists and removes the rest.
"""

from __future__ import annotations

from dataclasses import replace

from shared.domain.errors import (
    Aborted,
    DomainError,
    EmailTaken,
    InvalidArgument,
    Unavailable,
    UsernameTaken,
)
from shared.domain.ids import Uid
from shared.domain.users import (
    Application,
    Registration,
    normal_email,
    registration_path,
    user_path,
    username_path,
)
from shared.domain.writes import Create, Delete, ServerTime, Update, Write
from shared.ports.accounts import Accounts, HookRefused, Tokens
from shared.ports.documents import Documents, Snapshot
from shared.ports.id_source import Ids
from shared.usecases.users.sign_in_user import SignedIn
from shared.usecases.users.user_records import (
    commit_or_refuse,
    get_user,
    registration_in,
    username_in,
)

_NOBODY = Uid("")


async def register_user(documents: Documents, accounts: Accounts, ids: Ids, application: Application) -> SignedIn:
    """Make an account with a username and sign it in.

    Raises:
        InvalidArgument: something about the application is wrong; carries every fault.
        UsernameTaken: somebody else has the username.
        EmailTaken: an account has the address.
        Aborted: a registration with this address or username is under way.
        Unavailable: a service does not answer; nothing of the registration lasts.
    """
    faults = application.faults()
    if faults:
        raise InvalidArgument("The registration is not valid.", faults)
    application = replace(application, email=normal_email(application.email))
    nonce = ids.new()
    await _announce(documents, application, nonce)
    try:
        tokens = await _sign_up(accounts, application)
        user = await get_user(documents, tokens.uid)
    except DomainError as error:
        await _release(documents, accounts, application, nonce, spare=isinstance(error, EmailTaken))
        raise
    await commit_or_refuse(documents, [Delete(registration_path(application.email))])
    return SignedIn(user, tokens)


async def _announce(documents: Documents, application: Application, nonce: str) -> None:
    """Write the registration; refuse at once a username that is plainly taken."""
    found, held = await documents.get_many([registration_path(application.email), username_path(application.username)])
    holder = username_in(held)
    if holder and holder.is_held_against(_NOBODY, held.read_time):
        raise UsernameTaken(f"The username '{application.username}' is taken.")
    former = registration_in(found)
    if former and former.is_live(found.read_time):
        raise Aborted("A registration with this email address is under way; try again in a minute.")
    if not await commit_or_refuse(documents, [_registration(application, nonce, found)]):
        raise Aborted("A registration with this email address is under way; try again in a minute.")


def _registration(application: Application, nonce: str, found: Snapshot) -> Write:
    fields = {
        "nonce": nonce,
        "username": application.username,
        "display_name": application.display_name,
        "uid": None,
        "started_at": ServerTime(),
    }
    if found.update_time is None:
        return Create(found.path, fields)
    return Update(found.path, fields, seen=found.update_time)


async def _sign_up(accounts: Accounts, application: Application) -> Tokens:
    try:
        return await accounts.sign_up(application.email, application.password, application.display_name)
    except HookRefused as error:
        if error.code == UsernameTaken.code:
            raise UsernameTaken(f"The username '{application.username}' is taken.") from error
        if error.code == EmailTaken.code:
            raise EmailTaken("An account with this email address exists.") from error
        if error.code == Aborted.code:
            raise Aborted("A concurrent registration won; try again.") from error
        raise Unavailable("Registering is not possible at the moment.") from error


async def _release(
    documents: Documents, accounts: Accounts, application: Application, nonce: str, *, spare: bool
) -> None:
    """Remove what a failed registration left.

    `spare` the account: the sign-up made none, so the one that has the address is somebody's.
    """
    path = registration_path(application.email)
    registration = registration_in(await documents.get(path))
    if registration is None or registration.nonce != nonce:
        return
    if registration.uid is None:
        await commit_or_refuse(documents, [Delete(path)])
        return
    exists = await accounts.find_uid(application.email) == registration.uid
    if exists and spare:
        return
    if exists:
        await accounts.delete(registration.uid)
    await commit_or_refuse(documents, await _remains(documents, registration, path))


async def _remains(documents: Documents, registration: Registration, path: str) -> list[Write]:
    """What removes the documents of a sign-up whose account does not exist."""
    held = await documents.get(username_path(registration.username))
    holder = username_in(held)
    writes: list[Write] = [Delete(path), Delete(user_path(str(registration.uid)))]
    if holder and holder.uid == registration.uid:
        writes.append(Delete(held.path, must_exist=True, seen=held.update_time))
    return writes
