"""Watches sessions that are copied: a fork is whole or nobody sees it, and the session that it is of stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, TypeAlias

from shared.domain.ids import SessionId
from shared.domain.records import from_json
from shared.domain.writes import Create, Delete, Write
from tests.support.chaos.conversations import Conversation
from tests.support.chaos.processes import START

Documents = Mapping[str, Mapping[str, Any]]
Since: TypeAlias = tuple[float, float, Any]
"""When a version says that it was made, when it was stored, and the version."""
CLOCKS_DIFFER = 1.5
"""By how many seconds those of two processes may, and what a commit takes."""


@dataclass(slots=True)
class Copy:
    """A fork that nobody sees yet.

    Args:
        of: the session that is copied.
        at_seq: up to which of its events.
        began: when, in virtual seconds.
        known: how many events the session had by then.
        events: those that are copied, by number.
        messages: what models are told of them, by number.
        files: the versions of its files, by path below the session.
    """

    of: SessionId
    at_seq: int
    began: float
    known: int
    events: dict[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    messages: dict[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    files: dict[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def conversation(self) -> Conversation:
        """What is copied, in order."""
        made = Conversation([self.events[seq] for seq in sorted(self.events)])
        for number in sorted(self.messages):
            made.told(self.messages[number])
        return made


@dataclass(frozen=True, slots=True)
class StateChanged:
    """A change of a session's state, as its values tell of it.

    Args:
        run_id: the run whose tool it was.
        values: the keys that are another than before.
        events: how many events the session had by then.
    """

    run_id: str
    values: Mapping[str, Any]
    events: int


@dataclass(slots=True)
class Forks:
    """All forks in a world; `violation` is told of what must not be."""

    now: Callable[[], float]
    violation: Callable[[str], None]
    conversations: dict[SessionId, Conversation]
    half_made: dict[SessionId, Copy] = field(default_factory=dict[SessionId, Copy])
    seen: dict[SessionId, Copy] = field(default_factory=dict[SessionId, Copy])
    _states: dict[SessionId, Mapping[str, Any]] = field(default_factory=dict[SessionId, Mapping[str, Any]])
    """The state of each session."""
    _changes: dict[SessionId, list[StateChanged]] = field(default_factory=dict[SessionId, list[StateChanged]])
    """How each came to it, in order."""
    _files: dict[SessionId, list[Since]] = field(default_factory=dict[SessionId, list[Since]])
    """The versions of its only file."""

    def session_written(self, session_id: SessionId, write: Write) -> None:
        """A session itself was written."""
        if isinstance(write, Delete):
            self._deleted(session_id)
            return
        told = write.fields.get("fork_of")
        if told is not None:
            known = len(self.conversations[told["session_id"]].events)
            self.half_made[session_id] = Copy(told["session_id"], told["at_seq"], self.now(), known)
        copy = self.half_made.get(session_id)
        if "state_json" in write.fields:
            self._state_written(session_id, from_json(write.fields["state_json"]), is_new=copy is not None)
        if copy is not None and write.fields.get("deleted_at", ...) is None:
            self._shown(session_id, self.half_made.pop(session_id))

    def _state_written(self, session_id: SessionId, state: Mapping[str, Any], *, is_new: bool) -> None:
        before = self._states.setdefault(session_id, {})
        self._states[session_id] = state
        changed = {key: value for key, value in state.items() if before.get(key) != value}
        if changed and not is_new:
            run_id = next(iter(changed.values())).split()[0]
            change = StateChanged(run_id, changed, len(self.conversations[session_id].events))
            self._changes.setdefault(session_id, []).append(change)

    def stored(self, session_id: SessionId, below: str, write: Create) -> None:
        """Something was created below a session that is no event and no message."""
        if "/versions/" in below:
            said_at = min(_seconds(write.fields), self.now())
            self._files.setdefault(session_id, []).append((said_at, self.now(), {below: write.fields}))

    def copied(self, session_id: SessionId, below: str, write: Write) -> None:
        """Something below a session was written, which is no new event of its owner."""
        kind, _, rest = below.partition("/")
        copy = self.half_made.get(session_id)
        if copy is not None and "/versions/" in below and isinstance(write, Create):
            copy.files[below] = write.fields
        if kind not in {"events", "messages"} or copy is None:
            if kind == "events" and "superseded_by" not in ({} if isinstance(write, Delete) else write.fields):
                self.violation(f"event {rest} of {session_id} is written over")
            return
        copies = copy.events if kind == "events" else copy.messages
        if isinstance(write, Delete):
            copies.pop(int(rest), None)
        else:
            copies[int(rest)] = write.fields

    def _deleted(self, session_id: SessionId) -> None:
        if self.half_made.pop(session_id, None) is None:
            self.violation(f"session {session_id} was deleted, which people see")

    def _shown(self, session_id: SessionId, copy: Copy) -> None:
        """From now on people see the fork: it is what the session was after the event."""
        made, whole = copy.conversation(), self.conversations[copy.of].until(copy.at_seq)
        if [*map(_plain, made.events)] != [*map(_plain, whole.events)]:
            numbers = [event["seq"] for event in made.events]
            self.violation(f"fork {session_id} is seen with the events {numbers}, expected {len(whole.events)}")
        if (made.messages, made.speakers) != (whole.messages, whole.speakers):
            found, expected = len(made.messages), len(whole.messages)
            self.violation(f"fork {session_id} is seen with {found} messages that are not the {expected} expected")
        ended = self.conversations[copy.of].events[len(whole.events) :]
        state, states = self._states[session_id], self._states_after(copy.of, whole)
        if state not in states:
            self.violation(f"fork {session_id} is seen with the state {state}, expected one of {states}")
        is_settled = copy.known > len(whole.events)
        files: list[Mapping[str, Any]] = [one or {} for one in self._then(copy, ended, is_settled=is_settled)]
        if copy.files not in files:
            self.violation(f"fork {session_id} is seen with the files {copy.files}, expected one of {files}")
        self.seen[session_id] = copy
        self.conversations[session_id] = made

    def _states_after(self, session_id: SessionId, whole: Conversation) -> list[Mapping[str, Any]]:
        """The state after some turns, as it was at their end and whenever an attempt of theirs came too late since."""
        runs, state = {event["run_id"] for event in whole.events}, dict[str, Any]()
        states: list[Mapping[str, Any]] = []
        for change in takewhile(lambda one: one.run_id in runs, self._changes.get(session_id, [])):
            if change.events >= len(whole.events):
                states.append(state)
            state = {**state, **change.values}
        return [*states, state]

    def _then(self, copy: Copy, after: Sequence[Mapping[str, Any]], *, is_settled: bool) -> list[Any]:
        """The files when the last event that is copied was the last one, which it may still be.

        It is settled when that was if the next event was there before the fork was begun.
        """
        first = min([copy.began, *(_seconds(event) for event in after[:1])]) - CLOCKS_DIFFER
        last = first + 2 * CLOCKS_DIFFER if is_settled else self.now()
        known = self._files.get(copy.of, [])
        before = [None, *(one for _, since, one in known if since < first)][-1:]
        return before + [one for said_at, since, one in known if first <= since and said_at <= last]

    def faults(self, found: Documents) -> Iterator[str]:
        """What is wrong with what is stored."""
        for session_id in {*self._changes, *self.seen}:
            told = _told(found, session_id)
            if (state := from_json(found[f"sessions/{session_id}"]["state_json"])) != told:
                yield f"session {session_id} has the state {state}, and {told} is told of it"
        yield from (f"fork {session_id} has no slot" for session_id in self.seen if f"slots/{session_id}" not in found)
        below = {path.split("/")[1] for path in found if path.startswith("sessions/")} if self.seen else set[str]()
        yield from (f"something remains of the session {one}" for one in below if f"sessions/{one}" not in found)


def _told(found: Documents, session_id: SessionId) -> Mapping[str, Any]:
    """The state, as what is stored of its changes tells of it."""
    below = f"sessions/{session_id}/state_changes/"
    state: dict[str, Any] = {}
    for path in sorted(path for path in found if path.startswith(below)):
        state |= from_json(found[path]["values_json"])
    return state


def _seconds(event: Mapping[str, Any]) -> float:
    return (event["created_at"] - START).total_seconds()


def _plain(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """An event as it was first written."""
    return {**event, "superseded_by": None}
