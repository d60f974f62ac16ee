"""What the hook before a sign-in does: refuse the deactivated, and give every account its profile."""

from __future__ import annotations

from shared.domain.errors import Aborted, AccountDeactivated
from shared.domain.users import (
    Account,
    Role,
    User,
    changes_at_sign_in,
    deactivation_path,
    granted_role,
    hold_username,
    profile_of,
    registration_path,
    user_path,
    username_path,
)
from shared.domain.writes import ServerTime, Update, Write
from shared.ports.documents import Documents, Snapshot
from shared.usecases.users.user_records import commit_or_refuse, registration_in, user_in, username_in


async def confirm_sign_in(documents: Documents, account: Account, admin_emails: frozenset[str]) -> Role:
    """Admit a sign-in and tell the role of the account.

    The first sign-in writes the profile and confirms the username that was reserved for it, in one commit. Later ones
    follow a changed address, and make an administrator of whoever has proved an address in `admin_emails` (lower case).

    Raises:
        AccountDeactivated: an administrator has deactivated the account.
        Aborted: a concurrent sign-in won; signing in again works.
    """
    paths = [user_path(account.uid), deactivation_path(account.uid)]
    if account.email is not None:
        paths.append(registration_path(account.email))
    profile, deactivation, *registrations = await documents.get_many(paths)
    if deactivation.exists:
        raise AccountDeactivated("This account has been deactivated.")
    user = user_in(profile)
    if user is None:
        return await _welcome(documents, account, admin_emails, registrations)
    return await _follow(documents, user, account, admin_emails)


async def _welcome(
    documents: Documents,
    account: Account,
    admin_emails: frozenset[str],
    registrations: list[Snapshot],
) -> Role:
    """Write the first profile."""
    role = granted_role(account, "user", admin_emails)
    registration = registration_in(registrations[0]) if registrations else None
    if registration is None or registration.uid != account.uid:
        writes: list[Write] = [profile_of(account, None, account.display_name, role)]
    else:
        confirmed = await _confirmation(documents, account, registration.username)
        username = registration.username if confirmed else None
        display_name = registration.display_name or account.display_name
        writes = [profile_of(account, username, display_name, role), *confirmed]
    if not await commit_or_refuse(documents, writes):
        raise Aborted("This account is signing in for the first time elsewhere; try again.")
    return role


async def _confirmation(documents: Documents, account: Account, username: str) -> list[Write]:
    """What confirms the reserved username; nothing when the reservation lapsed and somebody else took it."""
    held = await documents.get(username_path(username))
    holder = username_in(held)
    if holder is None or holder.uid != account.uid:
        return []
    return [hold_username(held.update_time, account.uid, username, state="confirmed")]


async def _follow(documents: Documents, user: User, account: Account, admin_emails: frozenset[str]) -> Role:
    """Bring the profile up to date with the account."""
    role = granted_role(account, user.role, admin_emails)
    changed = changes_at_sign_in(user, account, role)
    if changed:
        update = Update(user_path(account.uid), {**changed, "updated_at": ServerTime()})
        await commit_or_refuse(documents, [update])
    return role
