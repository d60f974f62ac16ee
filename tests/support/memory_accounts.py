"""Accounts in memory, which call the hooks' use cases in Identity Platform's order.

`persists_early` is the Authentication emulator's way: an account exists before the sign-in hook is asked. Production
saves it after both hooks.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from shared.domain.errors import DomainError, EmailTaken, InvalidCredentials, NotFound, Unavailable
from shared.domain.ids import Uid
from shared.domain.users import Account, Role
from shared.ports.accounts import HookRefused, Tokens
from shared.ports.documents import Documents
from shared.usecases.users.confirm_sign_in import confirm_sign_in
from shared.usecases.users.reserve_username import reserve_username


@dataclass
class Person:
    account: Account
    password: str
    role: Role = "user"
    disabled: bool = False


async def _no_trouble() -> None:
    pass


def failing(error: type[DomainError]) -> Callable[[], Awaitable[None]]:
    """Trouble of this kind."""

    async def fail() -> None:
        raise error("as told")

    return fail


@dataclass
class MemoryAccounts:
    """`Accounts` of people who exist as long as a test."""

    documents: Documents
    persists_early: bool = True
    admin_emails: frozenset[str] = frozenset()
    people: dict[Uid, Person] = field(default_factory=dict[Uid, Person])
    trouble: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict[str, Callable[[], Awaitable[None]]])
    """What happens first at `before_create`, `before_sign_in`, `answer`, `find_uid` or `disable`."""
    numbers: Iterator[int] = field(default_factory=itertools.count)

    async def sign_up(self, email: str, password: str, display_name: str | None) -> Tokens:
        if self.persists_early and await self.find_uid(email):
            raise EmailTaken("taken")
        uid = Uid(f"uid{next(self.numbers)}")
        account = Account(uid, email, display_name=display_name)
        await self._hook("before_create", account)
        person = Person(account, password)
        if self.persists_early:
            self.people[uid] = person
        await self._hook("before_sign_in", account)
        if await self.find_uid(email) not in {None, uid}:
            raise EmailTaken("taken")
        self.people[uid] = person
        await self._meet("answer")
        return _tokens(uid)

    async def sign_in(self, email: str, password: str) -> Tokens:
        uid = await self.find_uid(email)
        person = self.people.get(uid) if uid else None
        if uid is None or person is None or person.disabled or person.password != password:
            raise InvalidCredentials("refused")
        await self._hook("before_sign_in", person.account)
        return _tokens(uid)

    async def find_uid(self, email: str) -> Uid | None:
        await self._meet("find_uid")
        return next((uid for uid, person in self.people.items() if person.account.email == email), None)

    async def disable(self, uid: Uid) -> None:
        await self._meet("disable")
        self._person(uid).disabled = True

    async def enable(self, uid: Uid) -> None:
        self._person(uid).disabled = False

    async def delete(self, uid: Uid) -> None:
        self.people.pop(uid, None)

    async def _hook(self, name: str, account: Account) -> None:
        try:
            await self._meet(name)
            if name == "before_create":
                await reserve_username(self.documents, self, account, "password")
            else:
                await confirm_sign_in(self.documents, account, self.admin_emails)
        except Unavailable as error:
            raise HookRefused(None) from error
        except DomainError as error:
            raise HookRefused(error.code) from error

    async def _meet(self, place: str) -> None:
        await self.trouble.get(place, _no_trouble)()

    def _person(self, uid: Uid) -> Person:
        if uid not in self.people:
            raise NotFound("no such account")
        return self.people[uid]


def _tokens(uid: Uid) -> Tokens:
    return Tokens(uid, f"id of {uid}", f"refresh of {uid}", 3600)
