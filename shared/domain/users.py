"""People: their profiles, the rules for what they may be called, and the documents behind a unique username.

A username exists in two states. `reserved` holds it for a registration that is under way and lapses by itself;
`confirmed` belongs to a profile. A registration is the intent to sign up: it lets the hook that creates the account
find the username that goes with the email address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from shared.domain.errors import Fault
from shared.domain.ids import Uid, hashed_id
from shared.domain.writes import Create, ServerTime, Update, Write

Role: TypeAlias = Literal["user", "moderator", "admin"]
ROLES: tuple[Role, ...] = ("user", "moderator", "admin")

RESERVATION_LIFE = timedelta(seconds=60)
"""How long a registration may hold a username: longer than a sign-up with both hooks can take (7 s each).

Source: https://cloud.google.com/identity-platform/docs/blocking-functions
"""

MIN_PASSWORD_CHARACTERS = 8
MAX_PASSWORD_CHARACTERS = 4096
"""Source: https://cloud.google.com/identity-platform/docs/password-policy"""

MAX_EMAIL_CHARACTERS = 254
MAX_DISPLAY_NAME_CHARACTERS = 100

_USERNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,28})[A-Za-z0-9]", re.ASCII)
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f.]+(?:\.[^@\s\x00-\x1f\x7f.]+)+")


@dataclass(frozen=True, slots=True)
class User:
    """A person's profile, `users/{uid}`.

    Args:
        uid: the account in Identity Platform.
        username: unique regardless of case; None until its owner chooses one.
        email: the account's address, as of the last sign-in.
        display_name: how the person wishes to be shown.
        role: what the person may do; the token carries a copy.
        is_active: False while an administrator has deactivated the account.
        created_at: when the profile was made.
        updated_at: when it last changed.
    """

    uid: Uid
    username: str | None
    email: str | None
    display_name: str | None
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Username:
    """Who holds a username, `usernames/{lower case}`."""

    uid: Uid
    username: str
    state: Literal["reserved", "confirmed"]
    reserved_at: datetime

    def is_held_against(self, uid: Uid, now: datetime) -> bool:
        """Whether `uid` may not have it at `now`: someone else confirmed it, or reserved it a moment ago."""
        if self.uid == uid:
            return False
        return self.state == "confirmed" or now - self.reserved_at < RESERVATION_LIFE


@dataclass(frozen=True, slots=True)
class Registration:
    """A sign-up under way, `registrations/{hash of the email}`.

    Args:
        nonce: which call of register wrote it.
        username: the username that is wanted.
        display_name: the name to show.
        uid: the account that came of it, once the hook has reserved the username.
        started_at: when it was written; it means nothing after `RESERVATION_LIFE`.
    """

    nonce: str
    username: str
    display_name: str | None
    uid: Uid | None
    started_at: datetime

    def is_live(self, now: datetime) -> bool:
        """Whether the sign-up may still be under way at `now`."""
        return now - self.started_at < RESERVATION_LIFE


@dataclass(frozen=True, slots=True)
class Application:
    """What a person who registers sends."""

    email: str
    password: str
    username: str
    display_name: str | None = None

    def faults(self) -> tuple[Fault, ...]:
        """Everything that is wrong with it."""
        found = {
            "email": email_fault(self.email),
            "password": password_fault(self.password),
            "username": username_fault(self.username),
            "display_name": display_name_fault(self.display_name),
        }
        return tuple(Fault(path, reason) for path, reason in found.items() if reason)


@dataclass(frozen=True, slots=True)
class Account:
    """An account as Identity Platform shows it to a hook."""

    uid: Uid
    email: str | None = None
    email_verified: bool = False
    display_name: str | None = None


def user_path(uid: str) -> str:
    """Where a profile is."""
    return f"users/{uid}"


def username_path(username: str) -> str:
    """Where the holder of a username is; case does not distinguish usernames."""
    return f"usernames/{username.lower()}"


def registration_path(email: str) -> str:
    """Where the registration with an email address is; the address itself is not readable from it."""
    return f"registrations/{hashed_id('registration', normal_email(email))}"


def deactivation_path(uid: str) -> str:
    """What exists while an account is deactivated."""
    return f"deactivated/{uid}"


def normal_email(email: str) -> str:
    """An email address as Identity Platform stores it: without surrounding space, in lower case."""
    return email.strip().lower()


def email_fault(email: str) -> str | None:
    """Why this is no email address, or None."""
    address = email.strip()
    if len(address) > MAX_EMAIL_CHARACTERS:
        return f"an email address has at most {MAX_EMAIL_CHARACTERS} characters"
    return None if _EMAIL.fullmatch(address) else "not an email address such as ada@example.com"


def password_fault(password: str) -> str | None:
    """Why this password is refused, or None. Identity Platform's own policy may refuse more."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        return f"a password has at least {MIN_PASSWORD_CHARACTERS} characters"
    if len(password) > MAX_PASSWORD_CHARACTERS:
        return f"a password has at most {MAX_PASSWORD_CHARACTERS} characters"
    return None


def username_fault(username: str) -> str | None:
    """Why nobody may have this username, or None."""
    if _USERNAME.fullmatch(username):
        return None
    return "a username has 3 to 30 letters (a-z), digits, '.', '_' or '-', and starts and ends with a letter or digit"


def display_name_fault(name: str | None) -> str | None:
    """Why this name cannot be shown, or None."""
    if name is None:
        return None
    if not name.strip():
        return "a display name is not blank; leave it out to have none"
    if len(name) > MAX_DISPLAY_NAME_CHARACTERS:
        return f"a display name has at most {MAX_DISPLAY_NAME_CHARACTERS} characters"
    return None if name.isprintable() else "a display name has no control characters"


def granted_role(account: Account, present: Role, admin_emails: frozenset[str]) -> Role:
    """The role after a sign-in: whoever proves a listed address becomes an administrator; nobody loses a role here."""
    listed = account.email is not None and normal_email(account.email) in admin_emails
    return "admin" if listed and account.email_verified else present


def hold_username(held: datetime | None, uid: Uid, username: str, state: Literal["reserved", "confirmed"]) -> Write:
    """Take a username that is free: create its document, or replace a lapsed one that was last changed at `held`."""
    path = username_path(username)
    fields = {"uid": uid, "username": username, "state": state, "reserved_at": ServerTime()}
    return Create(path, fields) if held is None else Update(path, fields, seen=held)


def profile_of(account: Account, username: str | None, display_name: str | None, role: Role) -> Create:
    """The first profile of an account."""
    fields: dict[str, Any] = {
        "uid": account.uid,
        "username": username,
        "email": account.email,
        "display_name": display_name,
        "role": role,
        "is_active": True,
        "created_at": ServerTime(),
        "updated_at": ServerTime(),
    }
    return Create(user_path(account.uid), fields)


def changes_at_sign_in(user: User, account: Account, role: Role) -> dict[str, Any]:
    """The fields of a profile that the account has outgrown since the last sign-in."""
    changed: dict[str, Any] = {}
    if account.email != user.email:
        changed["email"] = account.email
    if role != user.role:
        changed["role"] = role
    return changed
