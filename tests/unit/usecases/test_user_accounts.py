"""Signing in, profiles, and shutting people out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.domain.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    InvalidCredentials,
    NotFound,
    Unavailable,
    UsernameTaken,
)
from shared.domain.ids import Uid
from shared.domain.users import Account, Application, User
from shared.ports.documents import CommitRefused
from shared.ports.identity import Identity
from shared.usecases.users.confirm_sign_in import confirm_sign_in
from shared.usecases.users.deactivate_user import deactivate_user
from shared.usecases.users.get_profile import get_profile
from shared.usecases.users.reactivate_user import reactivate_user
from shared.usecases.users.register_user import register_user
from shared.usecases.users.sign_in_user import REFUSAL, sign_in_user
from shared.usecases.users.update_profile import update_profile
from tests.support.memory_accounts import MemoryAccounts, failing
from tests.support.watched_documents import WatchedDocuments

ADA = Application("ada@example.com", "correct horse", "Ada", "Ada Lovelace")
BOB = Application("bob@example.com", "battery staple", "bob")
ROOT = Identity(Uid("root"), "admin")


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments()


@pytest.fixture
def accounts(documents: MemoryDocuments) -> MemoryAccounts:
    return MemoryAccounts(documents)


@pytest.fixture
async def ada(documents: MemoryDocuments, accounts: MemoryAccounts) -> User:
    return (await register_user(documents, accounts, MemoryIds(), ADA)).user


@pytest.mark.parametrize("login", ["ada@example.com", "Ada", "ada", " ADA "])
async def test_one_signs_in_with_address_or_username(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User, login: str
) -> None:
    assert (await sign_in_user(documents, accounts, login, ADA.password)).user == ada


@pytest.mark.parametrize(
    ("login", "password"),
    [
        ("ada", "wrong horse"),
        ("ada@example.com", "wrong horse"),
        ("nobody", ADA.password),
        ("nobody@example.com", ADA.password),
        ("a/b", ADA.password),
        ("", ADA.password),
    ],
)
async def test_every_refusal_to_sign_in_looks_the_same(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User, login: str, password: str
) -> None:
    assert ada.is_active
    with pytest.raises(InvalidCredentials) as caught:
        await sign_in_user(documents, accounts, login, password)
    assert caught.value.message == REFUSAL


async def test_a_hook_that_fails_is_not_told_as_a_wrong_password(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    accounts.trouble["before_sign_in"] = failing(Unavailable)
    with pytest.raises(Unavailable):
        await sign_in_user(documents, accounts, str(ada.username), ADA.password)


async def test_a_deactivated_person_is_out_until_reactivated(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    assert (await deactivate_user(documents, accounts, ROOT, ada.uid)).is_active is False
    assert (await documents.get(f"deactivated/{ada.uid}")).exists
    with pytest.raises(InvalidCredentials):
        await sign_in_user(documents, accounts, "ada", ADA.password)
    accounts.people[ada.uid].disabled = False  # the hook refuses by itself
    with pytest.raises(InvalidCredentials):
        await sign_in_user(documents, accounts, "ada", ADA.password)
    assert (await reactivate_user(documents, accounts, ada.uid)).is_active is True
    assert (await sign_in_user(documents, accounts, "ada", ADA.password)).user.is_active is True


async def test_a_deactivation_that_fails_halfway_shuts_out_already_and_can_be_repeated(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    accounts.trouble["disable"] = failing(Unavailable)
    with pytest.raises(Unavailable):
        await deactivate_user(documents, accounts, ROOT, ada.uid)
    assert (await documents.get(f"deactivated/{ada.uid}")).exists
    accounts.trouble.clear()
    await deactivate_user(documents, accounts, ROOT, ada.uid)
    assert accounts.people[ada.uid].disabled


async def test_an_administrator_cannot_lock_oneself_out(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    with pytest.raises(FailedPrecondition):
        await deactivate_user(documents, accounts, Identity(ada.uid, "admin"), ada.uid)


async def test_who_does_not_exist_cannot_be_deactivated_or_reactivated(
    documents: MemoryDocuments, accounts: MemoryAccounts
) -> None:
    with pytest.raises(NotFound):
        await deactivate_user(documents, accounts, ROOT, Uid("nobody"))
    with pytest.raises(NotFound):
        await reactivate_user(documents, accounts, Uid("nobody"))
    assert documents.paths == []


@pytest.mark.parametrize(
    ("email", "verified", "listed", "role"),
    [
        ("ada@example.com", True, "ada@example.com", "admin"),
        ("Ada@Example.com", True, "ada@example.com", "admin"),
        ("ada@example.com", False, "ada@example.com", "user"),
        ("ada@example.com", True, "bob@example.com", "user"),
        (None, True, "ada@example.com", "user"),
    ],
)
async def test_only_a_proved_and_listed_address_makes_an_administrator(
    documents: MemoryDocuments,
    email: str | None,
    verified: bool,  # noqa: FBT001 - a table's column
    listed: str,
    role: str,
) -> None:
    account = Account(Uid("ada"), email, verified)
    assert await confirm_sign_in(documents, account, frozenset({listed})) == role
    assert (await get_profile(documents, account.uid)).role == role


async def test_who_proves_a_listed_address_later_is_promoted_and_stays_so(documents: MemoryDocuments) -> None:
    account = Account(Uid("ada"), "ada@example.com")
    listed = frozenset({"ada@example.com"})
    assert await confirm_sign_in(documents, account, listed) == "user"
    assert await confirm_sign_in(documents, replace(account, email_verified=True), listed) == "admin"
    assert await confirm_sign_in(documents, account, frozenset()) == "admin"
    assert (await get_profile(documents, account.uid)).role == "admin"


async def test_the_profile_follows_a_changed_address(documents: MemoryDocuments) -> None:
    await confirm_sign_in(documents, Account(Uid("ada"), "old@example.com"), frozenset())
    await confirm_sign_in(documents, Account(Uid("ada"), "new@example.com"), frozenset())
    assert (await get_profile(documents, Uid("ada"))).email == "new@example.com"


async def test_a_sign_in_that_changes_nothing_writes_nothing(documents: MemoryDocuments) -> None:
    account = Account(Uid("ada"), "ada@example.com")
    await confirm_sign_in(documents, account, frozenset())
    before = (await documents.get("users/ada")).update_time
    await confirm_sign_in(documents, account, frozenset())
    assert (await documents.get("users/ada")).update_time == before


async def test_a_new_username_frees_the_old_one(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    user = await update_profile(documents, ada.uid, {"username": "countess"})
    assert (user.username, user.display_name) == ("countess", "Ada Lovelace")
    assert documents.paths == ["usernames/countess", f"users/{ada.uid}"]
    assert (await sign_in_user(documents, accounts, "countess", ADA.password)).user.uid == ada.uid


async def test_only_the_case_of_ones_username_can_change_too(documents: MemoryDocuments, ada: User) -> None:
    assert (await update_profile(documents, ada.uid, {"username": "ADA"})).username == "ADA"
    assert documents.paths == ["usernames/ada", f"users/{ada.uid}"]


async def test_somebody_elses_username_stays_theirs(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    bob = (await register_user(documents, accounts, MemoryIds(), BOB)).user
    with pytest.raises(UsernameTaken):
        await update_profile(documents, bob.uid, {"username": str(ada.username), "display_name": "Robert"})
    assert (await get_profile(documents, bob.uid)) == bob


async def test_what_a_change_does_not_name_stays(documents: MemoryDocuments, ada: User) -> None:
    user = await update_profile(documents, ada.uid, {"display_name": None})
    assert (user.username, user.display_name) == ("Ada", None)


async def test_every_fault_of_a_change_is_told(documents: MemoryDocuments, ada: User) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await update_profile(documents, ada.uid, {"username": None, "display_name": "\n"})
    assert [fault.path for fault in caught.value.faults] == ["username", "display_name"]


async def test_a_person_without_profile_is_not_found(documents: MemoryDocuments) -> None:
    with pytest.raises(NotFound):
        await update_profile(documents, Uid("nobody"), {"display_name": "Nobody"})


async def test_a_change_that_is_overtaken_can_be_repeated(
    documents: MemoryDocuments, accounts: MemoryAccounts, ada: User
) -> None:
    watched = WatchedDocuments(documents)
    changes: list[Callable[[], Awaitable[User]]] = [
        lambda: update_profile(watched, ada.uid, {"display_name": "Countess"}),
        lambda: deactivate_user(watched, accounts, ROOT, ada.uid),
        lambda: reactivate_user(watched, accounts, ada.uid),
    ]
    for change in changes:
        watched.lose_replies.append((False, CommitRefused()))
        with pytest.raises(Aborted):
            await change()
        assert (await change()).uid == ada.uid


async def test_of_two_new_usernames_at_once_one_lasts(documents: MemoryDocuments, ada: User) -> None:
    results = await asyncio.gather(
        *(update_profile(documents, ada.uid, {"username": name}) for name in ("one", "two")), return_exceptions=True
    )
    assert [type(result) for result in results] == [User, Aborted]
    assert documents.paths == ["usernames/one", f"users/{ada.uid}"]
