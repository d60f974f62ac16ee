"""Guards of forks: whole or not seen, what was said until then, and nothing left of half a one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from shared.domain.sessions import Session
from shared.domain.writes import Create, Put
from shared.ports.documents import Documents
from shared.usecases.sessions import delete_session, fork_session
from tests.support.chaos.broken_guards.guard import ALONE, Guard, commit_at_last, replaced
from tests.support.chaos.faults import Fault
from tests.support.chaos.handmade import GRAPH, SINGLE
from tests.support.chaos.rules import Rules
from tests.support.chaos.scenario import Fork, Message, Store


class _Everyone(set[Any]):
    """Whoever is asked about is among them."""

    def __contains__(self, _: object) -> bool:
        return True


def _shown_at_once() -> AbstractContextManager[object]:
    draft = fork_session._draft  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    def shown(*asked: Any) -> Session:
        return replace(draft(*asked), deleted_at=None)

    return replaced(fork_session, _draft=shown)()


def _every_message() -> AbstractContextManager[object]:
    messages = fork_session._messages  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    async def all_of_them(documents: Documents, session_id: Any, _: object, held: Any) -> Any:
        return await messages(documents, session_id, _Everyone(), held)

    return replaced(fork_session, _messages=all_of_them)()


def _every_change() -> AbstractContextManager[object]:
    changes = fork_session._state_changes  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    async def all_of_them(documents: Documents, session_id: Any, count: int, _: object, held: Any) -> Any:
        return await changes(documents, session_id, count, _Everyone(), held)

    return replaced(fork_session, _state_changes=all_of_them)()


def _state_of_now(session: Session, *_: object) -> str:
    return session.state_json


def _newest_files() -> AbstractContextManager[object]:
    version_at = fork_session._version_at  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] # the seam

    async def newest(documents: Documents, versions: str, number: int, _: object) -> Any:
        return await version_at(documents, versions, number, None)

    return replaced(fork_session, _version_at=newest)()


async def _write_over(documents: Documents, copies: Sequence[Create]) -> None:
    await commit_at_last(documents, [Put(copy.path, copy.fields) for copy in copies])


async def _left_there(*_: object) -> bool:
    return False


def _forked(*kinds: Fault, place: float | None = None, says: bool = True, definition: int = SINGLE) -> Rules:
    """A session in which two messages were answered, and a file was stored twice, is forked."""
    said = ALONE.actions[0]
    assert isinstance(said, Message)
    later = replace(said, at=10.0, text="m1", if_busy="enqueue")
    files = (Store(2.0, "version 1"), Store(20.0, "version 2"))
    actions = (said, later, *files, Fork(30.0, place, has_key=False, says=says))
    return Rules(kinds=frozenset(kinds), scenario=replace(ALONE, definition=definition, actions=actions))


FORKS = {
    "unseen until it is whole": Guard(
        "a fork is whole or nobody sees it",
        _shown_at_once,
        r"^fork \w+ is seen with the events \[\], expected [1-9]",
        _forked(),
    ),
    "messages of what was said": Guard(
        "a fork begins as the session was",
        _every_message,
        r"^fork \w+ is seen with \d+ messages that are not the \d+ expected$",
        _forked(place=0.7),
    ),
    "state of then": Guard(
        "a fork begins as the session was",
        replaced(fork_session, _state=_state_of_now),
        r"^fork \w+ is seen with the state .*, expected ",
        _forked(place=0.7),
    ),
    "changes of the state by what was said": Guard(
        "a fork begins as the session was",
        _every_change,
        r"^fork \w+ is seen with the state .*, expected ",
        _forked(place=0.7, definition=GRAPH),
    ),
    "files of then": Guard(
        "a fork begins as the session was",
        _newest_files,
        r"^fork \w+ is seen with the files .*version 2.*, expected ",
        _forked(place=0.7),
    ),
    "copies written once": Guard(
        "a fork stays as it was made",
        replaced(fork_session, _create=_write_over),
        r": the answers \{\} are superseded, expected \{",
        _forked(Fault.LATE, says=False),
    ),
    "half a fork removed": Guard(
        "of a fork that died nothing is left",
        replaced(delete_session, _remove=_left_there),
        r" half forks \['\w+'\]$",
        _forked(Fault.CRASH_BEFORE, Fault.CRASH_AFTER),
    ),
}
