"""A record is changed on what is there: others' changes are waited for, and none is lost or made twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.errors import Aborted, Unavailable
from shared.domain.writes import Create, Update
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.usecases.change_record import TRIES, Change, change_record
from tests.support.passing_time import in_time
from tests.support.watched_documents import WatchedDocuments

PATH = "counters/one"


@pytest.fixture
async def documents() -> WatchedDocuments:
    inner = MemoryDocuments()
    await inner.commit([Create(PATH, {"by": []})])
    return WatchedDocuments(inner)


async def by(name: str, snapshot: Snapshot) -> Change[list[str]]:
    names: list[str] = (snapshot.fields or {})["by"]
    if name in names:
        return Change(names)
    return Change([*names, name], [Update(PATH, {"by": [*names, name]}, seen=snapshot.update_time)])


async def change(documents: WatchedDocuments, *names: str) -> Sequence[list[str] | BaseException]:
    clock = MemoryClock()
    changes = (change_record(documents, clock, PATH, lambda found, name=name: by(name, found)) for name in names)
    return await in_time(clock, asyncio.gather(*changes, return_exceptions=True))


async def test_as_many_at_once_as_there_are_tries_are_all_heard(documents: WatchedDocuments) -> None:
    names = [str(n) for n in range(TRIES)]
    results = await change(documents, *names)
    assert not [one for one in results if isinstance(one, BaseException)]
    assert sorted((await documents.get(PATH)).fields["by"]) == sorted(names)  # type: ignore[index] # it is there


@pytest.mark.parametrize("applied", [True, False])
async def test_a_change_whose_reply_is_lost_is_made_once(documents: WatchedDocuments, *, applied: bool) -> None:
    documents.lose_replies.append((applied, OutcomeUnknown()))
    assert await change(documents, "a") == [["a"]]
    assert (await documents.get(PATH)).fields == {"by": ["a"]}


@pytest.mark.parametrize(("failure", "error"), [(CommitRefused(), Aborted), (OutcomeUnknown(), Unavailable)])
async def test_what_never_succeeds_is_given_up(
    documents: WatchedDocuments, failure: Exception, error: type[Exception]
) -> None:
    documents.lose_replies.extend([(False, failure)] * TRIES)
    (result,) = await change(documents, "a")
    assert isinstance(result, error)
