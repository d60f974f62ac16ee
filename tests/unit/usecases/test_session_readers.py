"""Sharing conversations: whoever is a reader reads all of it and changes nothing, until they are one no more."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import (
    Aborted,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    TooManyKept,
    Unavailable,
)
from shared.domain.ids import SessionId, Uid
from shared.domain.runs import Run, run_path
from shared.domain.sessions import MAX_READERS, session_path
from shared.domain.writes import Update
from shared.ports.documents import CommitRefused, OutcomeUnknown
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.get_run import get_run
from shared.usecases.sessions.delete_session import delete_session
from shared.usecases.sessions.get_session import get_session
from shared.usecases.sessions.list_sessions import SessionSearch, list_sessions
from shared.usecases.sessions.read_history import read_history
from shared.usecases.sessions.share_session import add_reader, remove_reader
from tests.support.engine_rig import ANN
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.interfering_documents import InterferingDocuments
from tests.support.sharing_rig import SharingRig

BOB, EVE = Uid("bob"), Uid("eve")


class Talk(SharingRig):
    """A conversation of Ann's with one run."""

    __slots__ = ("run", "session")
    run: Run
    session: SessionId

    async def begin(self) -> None:
        await self.settle("bob", "eve")
        self.run = (await self.rig.start(await self.rig.make_agent())).run
        self.session = self.run.session_id
        await self.rig.drain()

    async def share(self, named: str = "bob", by: Uid = ANN) -> bool:
        return (await add_reader(self.sharing, by, self.session, named))[1]

    async def remove(self, reader: Uid = BOB, by: Uid = ANN) -> None:
        await remove_reader(self.documents, by, self.session, reader)


@pytest.fixture
async def talk() -> Talk:
    talk = Talk()
    await talk.begin()
    return talk


def reads(talk: Talk, who: Uid) -> list[Any]:
    return [
        get_session(talk.documents, who, talk.session),
        read_history(talk.documents, who, talk.session, limit=10),
        get_run(talk.documents, who, talk.run.id),
    ]


def changes(talk: Talk, who: Uid) -> list[Any]:
    return [
        talk.rig.start(None, caller=who, session_id=talk.session),
        cancel_run(talk.rig.core, who, talk.run.id),
        delete_session(talk.rig.core, who, talk.session),
        talk.share("eve", by=who),
        talk.remove(ANN, by=who),
    ]


async def listed(talk: Talk, who: Uid, **search: Any) -> list[str]:
    found = await list_sessions(talk.documents, who, SessionSearch(shared=True, **search))
    return [session.id for session in found.items]


async def test_a_stranger_finds_nothing_to_read_or_change(talk: Talk) -> None:
    for asking in (*reads(talk, BOB), *changes(talk, BOB)):
        with pytest.raises(NotFound):
            await asking
    assert await listed(talk, BOB) == []


async def test_a_reader_reads_everything_and_changes_nothing(talk: Talk) -> None:
    assert await talk.share() is True
    assert await talk.share("bob@example.com") is False
    for asking in reads(talk, BOB):
        await asking
    for asking in changes(talk, BOB):
        with pytest.raises(PermissionDenied):
            await asking
    for asking in reads(talk, EVE):
        with pytest.raises(NotFound):
            await asking


async def test_readers_find_what_was_shared_with_them(talk: Talk) -> None:
    await talk.share()
    assert await listed(talk, BOB) == await listed(talk, BOB, agent_id=talk.run.agent_id) == [talk.session]
    assert await listed(talk, ANN) == []
    await delete_session(talk.rig.core, ANN, talk.session)
    assert await listed(talk, BOB) == []


async def test_a_reader_reads_runs_that_start_later_and_none_after_they_were_removed(talk: Talk) -> None:
    await talk.share()
    later = (await talk.rig.start(None, session_id=talk.session)).run
    assert (await get_run(talk.documents, BOB, later.id)).id == later.id
    await talk.remove()
    for asking in (*reads(talk, BOB), get_run(talk.documents, BOB, later.id)):
        with pytest.raises(NotFound):
            await asking


async def test_a_single_run_that_was_shared_stays_so(talk: Talk) -> None:
    await talk.documents.commit([Update(run_path(talk.run.id), {"readers": [BOB]})])
    assert (await get_run(talk.documents, BOB, talk.run.id)).id == talk.run.id
    with pytest.raises(NotFound):
        await get_session(talk.documents, BOB, talk.session)


async def test_runs_of_a_session_that_is_gone_are_their_owners_alone(talk: Talk) -> None:
    await talk.share()
    await delete_session(talk.rig.core, ANN, talk.session)
    with pytest.raises(NotFound):
        await get_run(talk.documents, BOB, talk.run.id)
    assert (await get_run(talk.documents, ANN, talk.run.id)).id == talk.run.id


async def test_a_session_that_is_being_deleted_is_no_longer_shared(talk: Talk) -> None:
    await talk.share()
    await talk.documents.commit([Update(session_path(talk.session), {"deleted_at": talk.rig.clock.now()})])
    for asking in reads(talk, BOB):
        with pytest.raises(NotFound):
            await asking


async def test_everybody_leaves_by_themselves(talk: Talk) -> None:
    await talk.share()
    await talk.share("eve")
    with pytest.raises(PermissionDenied):
        await talk.remove(EVE, by=BOB)
    await talk.remove(BOB, by=BOB)
    with pytest.raises(NotFound):
        await talk.remove(BOB, by=BOB)
    with pytest.raises(NotFound):
        await talk.remove(BOB)
    assert (await get_session(talk.documents, EVE, talk.session)).readers == ("eve",)


@pytest.mark.parametrize("named", ["nobody", "no@example.com", "everyone", ANN])
async def test_only_other_people_become_readers(talk: Talk, named: str) -> None:
    await talk.settle(ANN)
    with pytest.raises(InvalidArgument) as refused:
        await talk.share(named)
    assert refused.value.faults[0].path == "reader"


async def test_a_session_has_only_so_many_readers(talk: Talk) -> None:
    readers = [f"r{number}" for number in range(MAX_READERS)]
    await talk.documents.commit([Update(session_path(talk.session), {"readers": readers})])
    with pytest.raises(TooManyKept):
        await talk.share()


async def test_two_who_are_added_at_once_both_become_readers(talk: Talk) -> None:
    inner = talk.documents

    async def another() -> None:
        talk.rig.documents = inner
        await talk.share("eve")

    talk.rig.documents = InterferingDocuments(inner, another, before_commit=1)
    await talk.share("bob")
    assert set((await get_session(inner, ANN, talk.session)).readers) == {"bob", "eve"}


@pytest.mark.parametrize(("raised", "told"), [(OutcomeUnknown, Unavailable), (CommitRefused, Aborted)])
@pytest.mark.parametrize("adding", [True, False], ids=["adding", "removing"])
async def test_what_the_store_does_not_do_is_told(
    talk: Talk, raised: type[Exception], told: type[Exception], *, adding: bool
) -> None:
    await talk.share("bob")

    class Refusing(ForwardingDocuments):
        async def commit(self, writes: Any) -> Any:
            raise raised(f"{len(writes)} writes")

    talk.rig.documents = Refusing(talk.documents)
    with pytest.raises(told):
        await (talk.share("eve") if adding else talk.remove(BOB))
