"""Registering: all or nothing, whatever fails and in whichever order Identity Platform saves the account."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.domain.errors import Aborted, EmailTaken, InvalidArgument, Unavailable, UsernameTaken
from shared.domain.ids import Uid
from shared.domain.users import RESERVATION_LIFE, Account, Application, registration_path
from shared.domain.writes import Delete, Put
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.users.confirm_sign_in import confirm_sign_in
from shared.usecases.users.get_profile import get_profile
from shared.usecases.users.register_user import register_user
from shared.usecases.users.reserve_username import reserve_username
from shared.usecases.users.sign_in_user import SignedIn, sign_in_user
from tests.support.memory_accounts import MemoryAccounts, Person, failing
from tests.support.watched_documents import WatchedDocuments

ADA = Application("ada@example.com", "correct horse", "Ada", "Ada Lovelace")
BOB = Application("bob@example.com", "battery staple", "bob")


@dataclass
class World:
    clock: MemoryClock
    documents: MemoryDocuments
    accounts: MemoryAccounts
    ids: MemoryIds

    async def register(self, application: Application) -> SignedIn:
        return await register_user(self.documents, self.accounts, self.ids, application)


@pytest.fixture(params=[True, False], ids=["as in the emulator", "as in production"])
def world(request: pytest.FixtureRequest) -> World:
    clock = MemoryClock()
    documents = MemoryDocuments(clock)
    return World(clock, documents, MemoryAccounts(documents, persists_early=request.param), MemoryIds())


async def test_a_person_who_registers_has_an_account_a_username_and_a_profile(world: World) -> None:
    signed_in = await world.register(ADA)
    assert signed_in.user.uid == signed_in.tokens.uid
    assert (signed_in.user.username, signed_in.user.display_name) == ("Ada", "Ada Lovelace")
    assert (signed_in.user.role, signed_in.user.is_active) == ("user", True)
    assert world.documents.paths == ["usernames/ada", "users/uid0"]
    holder = (await world.documents.get("usernames/ada")).fields
    assert holder is not None
    assert (holder["uid"], holder["state"]) == (signed_in.user.uid, "confirmed")


async def test_the_address_is_kept_in_lower_case(world: World) -> None:
    signed_in = await world.register(replace(ADA, email="  Ada@Example.COM "))
    assert signed_in.user.email == "ada@example.com"


async def test_every_fault_is_told_at_once(world: World) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await world.register(Application("nobody", "short", "-", " "))
    assert [fault.path for fault in caught.value.faults] == ["email", "password", "username", "display_name"]
    assert world.documents.paths == []


@pytest.mark.parametrize("username", ["Ada", "ada", "ADA"])
async def test_a_taken_username_is_refused_in_any_case(world: World, username: str) -> None:
    await world.register(ADA)
    with pytest.raises(UsernameTaken):
        await world.register(replace(BOB, username=username))
    assert len(world.accounts.people) == 1
    assert world.documents.paths == ["usernames/ada", "users/uid0"]


async def test_a_taken_address_is_refused_and_frees_the_username(world: World) -> None:
    await world.register(ADA)
    with pytest.raises(EmailTaken):
        await world.register(replace(ADA, username="other"))
    assert world.documents.paths == ["usernames/ada", "users/uid0"]
    assert (await world.register(replace(BOB, username="other"))).user.username == "other"


@pytest.mark.parametrize("place", ["before_create", "before_sign_in", "answer"])
async def test_a_failed_registration_leaves_nothing_and_can_be_repeated(world: World, place: str) -> None:
    world.accounts.trouble[place] = failing(Unavailable)
    with pytest.raises(Unavailable):
        await world.register(ADA)
    assert world.accounts.people == {}
    assert world.documents.paths == []
    world.accounts.trouble.clear()
    assert (await world.register(ADA)).user.username == "Ada"


async def test_an_account_whose_cleaning_up_failed_is_healed_by_its_next_sign_in(world: World) -> None:
    async def lose_identity_platform() -> None:
        world.accounts.trouble["find_uid"] = failing(Unavailable)
        raise Unavailable("as told")

    world.accounts.trouble["answer"] = lose_identity_platform
    with pytest.raises(Unavailable):
        await world.register(ADA)
    world.accounts.trouble.clear()
    assert (await sign_in_user(world.documents, world.accounts, ADA.email, ADA.password)).user.username == "Ada"


async def test_of_two_who_want_one_username_at_once_one_gets_it(world: World) -> None:
    rivals = [replace(BOB, email=f"{n}@example.com", username="wanted") for n in range(4)]
    results = await asyncio.gather(*(world.register(rival) for rival in rivals), return_exceptions=True)
    winners = [result for result in results if isinstance(result, SignedIn)]
    assert len(winners) == 1
    assert all(isinstance(result, SignedIn | UsernameTaken | Aborted) for result in results)
    assert world.documents.paths == ["usernames/wanted", f"users/{winners[0].user.uid}"]
    assert list(world.accounts.people) == [winners[0].user.uid]


async def test_a_second_registration_with_an_address_waits_for_the_first(world: World) -> None:
    results = await asyncio.gather(
        world.register(ADA), world.register(replace(ADA, username="other")), return_exceptions=True
    )
    assert [type(result) for result in results] == [SignedIn, Aborted]
    assert "usernames/other" not in world.documents.paths


async def test_what_a_dead_process_reserved_is_free_after_a_while(world: World) -> None:
    async def die() -> None:
        raise asyncio.CancelledError

    world.accounts.trouble["before_sign_in"] = die
    with pytest.raises(asyncio.CancelledError):
        await world.register(ADA)
    world.accounts.trouble.clear()
    with pytest.raises(UsernameTaken):
        await world.register(replace(BOB, username="ada"))
    world.clock.jump(RESERVATION_LIFE.total_seconds())
    assert (await world.register(replace(BOB, username="ada"))).user.username == "ada"


async def test_whoever_lost_a_lapsed_reservation_still_gets_a_profile(world: World) -> None:
    async def dawdle() -> None:
        world.accounts.trouble.clear()
        world.clock.jump(RESERVATION_LIFE.total_seconds())
        assert (await world.register(replace(BOB, username="ada"))).user.username == "ada"

    world.accounts.trouble["before_sign_in"] = dawdle
    assert (await world.register(ADA)).user.username is None


async def test_an_account_that_was_not_registered_gets_no_username(world: World) -> None:
    tokens = await world.accounts.sign_up("eve@example.com", "open sesame", None)
    assert (await get_profile(world.documents, tokens.uid)).username is None
    assert world.documents.paths == [f"users/{tokens.uid}"]


async def test_a_username_goes_to_one_of_two_sign_ups_with_the_same_address(world: World) -> None:
    async def another_comes_first() -> None:
        world.accounts.trouble.clear()
        await reserve_username(world.documents, world.accounts, Account(Uid("other"), ADA.email), "password")

    world.accounts.trouble["before_create"] = another_comes_first
    assert (await world.register(ADA)).user.username is None
    with pytest.raises(UsernameTaken):
        await world.register(replace(BOB, username="ada"))
    world.clock.jump(RESERVATION_LIFE.total_seconds())
    assert (await world.register(replace(BOB, username="ada"))).user.username == "ada"


async def test_a_lapsed_registration_means_nothing_to_the_hook(world: World) -> None:
    async def dawdle() -> None:
        world.accounts.trouble.clear()
        world.clock.jump(RESERVATION_LIFE.total_seconds())

    world.accounts.trouble["before_create"] = dawdle
    assert (await world.register(ADA)).user.username is None
    assert "usernames/ada" not in world.documents.paths


async def test_a_password_sign_up_with_an_address_that_is_taken_is_refused_by_the_hook(world: World) -> None:
    ada = await world.register(ADA)
    with pytest.raises(EmailTaken):
        await reserve_username(world.documents, world.accounts, Account(Uid("new"), ADA.email), "password")
    for uid, method in ((ada.user.uid, "password"), (Uid("new"), "google.com")):
        assert await reserve_username(world.documents, world.accounts, Account(uid, ADA.email), method) == "user"


async def test_an_account_without_address_is_a_user(world: World) -> None:
    assert await reserve_username(world.documents, world.accounts, Account(Uid("phone")), "phone") == "user"
    assert world.documents.paths == []


async def test_a_store_that_does_not_answer_is_told_as_such(world: World) -> None:
    documents = WatchedDocuments(world.documents)
    documents.lose_replies.append((False, OutcomeUnknown()))
    with pytest.raises(Unavailable):
        await register_user(documents, world.accounts, world.ids, ADA)


async def test_whoever_is_overtaken_between_reading_and_writing_is_refused(world: World) -> None:
    documents = WatchedDocuments(world.documents)
    documents.lose_replies.append((False, CommitRefused()))
    with pytest.raises(Aborted):
        await register_user(documents, world.accounts, world.ids, ADA)


@pytest.mark.parametrize("hook", ["before_create", "before_sign_in"])
async def test_a_hook_that_is_overtaken_fails_the_registration_which_can_be_repeated(world: World, hook: str) -> None:
    documents = WatchedDocuments(world.documents)
    world.accounts.documents = documents

    async def be_overtaken() -> None:
        documents.lose_replies.append((False, CommitRefused()))

    world.accounts.trouble[hook] = be_overtaken
    with pytest.raises(Aborted):
        await world.register(ADA)
    assert (world.documents.paths, world.accounts.people) == ([], {})
    world.accounts.trouble.clear()
    assert (await world.register(ADA)).user.username == "Ada"


async def test_a_failed_registration_leaves_alone_what_another_wrote_meanwhile(world: World) -> None:
    async def be_overtaken() -> None:
        world.accounts.trouble.clear()
        world.clock.jump(RESERVATION_LIFE.total_seconds())
        await world.register(replace(ADA, username="other"))
        raise Unavailable("as told")

    world.accounts.trouble["before_create"] = be_overtaken
    with pytest.raises(Unavailable):
        await world.register(ADA)
    assert world.documents.paths == ["usernames/other", "users/uid1"]


async def test_the_account_that_took_the_address_first_is_spared(world: World) -> None:
    async def another_signs_up() -> None:
        world.accounts.trouble.clear()
        await world.accounts.sign_up(ADA.email, "another password", None)

    world.accounts.trouble["before_create"] = another_signs_up
    with pytest.raises(EmailTaken):
        await world.register(ADA)
    assert len(world.accounts.people) == 1
    assert (await sign_in_user(world.documents, world.accounts, "ada", "another password")).user.username == "Ada"


async def test_an_email_that_the_hook_finds_taken_is_told_as_such(world: World) -> None:
    async def somebody_else_has_it() -> None:
        world.accounts.trouble.clear()
        world.accounts.people[Uid("old")] = Person(Account(Uid("old"), ADA.email), "another password")

    world.accounts.trouble["before_create"] = somebody_else_has_it
    with pytest.raises(EmailTaken):
        await world.register(ADA)
    assert (world.documents.paths, list(world.accounts.people)) == ([], ["old"])


async def test_a_reservation_that_vanished_meanwhile_is_nothing_to_free(world: World) -> None:
    async def forget_it_and_fail() -> None:
        await world.documents.commit([Delete("usernames/ada")])
        raise Unavailable("as told")

    world.accounts.trouble["answer"] = forget_it_and_fail
    with pytest.raises(Unavailable):
        await world.register(ADA)
    assert world.documents.paths == []


async def test_a_username_that_is_taken_meanwhile_is_refused_by_the_hook(world: World) -> None:
    async def somebody_is_faster() -> None:
        world.accounts.trouble.clear()
        await world.register(replace(BOB, username="ada"))

    world.accounts.trouble["before_create"] = somebody_is_faster
    with pytest.raises(UsernameTaken):
        await world.register(ADA)
    assert world.documents.paths == ["usernames/ada", "users/uid1"]


async def test_a_second_registration_with_an_address_is_refused_while_the_first_lives(world: World) -> None:
    async def try_again_too_early() -> None:
        world.accounts.trouble.clear()
        with pytest.raises(Aborted):
            await world.register(replace(ADA, username="other"))

    world.accounts.trouble["before_sign_in"] = try_again_too_early
    assert (await world.register(ADA)).user.username == "Ada"


async def test_a_failed_registration_leaves_alone_one_that_is_under_way(world: World) -> None:
    async def be_overtaken() -> None:
        theirs = {
            "nonce": "theirs",
            "username": "x",
            "display_name": None,
            "uid": None,
            "started_at": world.clock.now(),
        }
        await world.documents.commit([Put(registration_path(ADA.email), theirs)])
        raise Unavailable("as told")

    world.accounts.trouble["before_create"] = be_overtaken
    with pytest.raises(Unavailable):
        await world.register(ADA)
    assert world.documents.paths == [registration_path(ADA.email)]


async def test_a_failed_registration_leaves_alone_a_username_that_it_lost(world: World) -> None:
    async def dawdle() -> None:
        world.accounts.trouble.clear()
        world.clock.jump(RESERVATION_LIFE.total_seconds())
        await world.register(replace(BOB, username="ada"))
        world.accounts.trouble["answer"] = failing(Unavailable)

    world.accounts.trouble["before_sign_in"] = dawdle
    with pytest.raises(Unavailable):
        await world.register(ADA)
    assert world.documents.paths == ["usernames/ada", "users/uid1"]


async def test_what_a_registration_says_goes_to_its_own_account_only(world: World) -> None:
    async def another_signs_in() -> None:
        await confirm_sign_in(world.documents, Account(Uid("other"), ADA.email), frozenset())

    world.accounts.trouble["before_sign_in"] = another_signs_in
    await world.register(ADA)
    assert (await get_profile(world.documents, Uid("other"))).display_name is None
