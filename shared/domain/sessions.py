"""A session: a conversation that holds many runs, and the slot that lets one run at a time write its log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.errors import ResourceExhausted
from shared.domain.ids import AgentId, RunId, SessionId, Uid

QUEUE_LIMIT = 20
MAX_READERS = 50
"""How many people besides its owner may read a session."""
MAX_STATE_CHARACTERS = 200_000
"""The most of a session's state, and of its configuration, as JSON."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Of which session another one is a copy.

    Args:
        at_seq: up to which of its events it was asked for.
        is_of_all: nobody named the event: it was the last one when the fork was asked for.
    """

    session_id: SessionId
    at_seq: int
    is_of_all: bool = False

    def answers(self, asked: Fork) -> bool:
        """Whether it was asked for by the same request, which may have found more events since."""
        at = self.at_seq if asked.is_of_all else asked.at_seq
        return self == Fork(asked.session_id, at, asked.is_of_all)


@dataclass(frozen=True, slots=True)
class Session:
    """The document `sessions/{id}`.

    Args:
        version: the agent version that all its runs are pinned to.
        agent_owner_uid: who owned the agent when the session was opened; None where that is not known.
        readers: people besides the owner who may read it.
        first_state_json: the state that it began with; None stands for an empty one.
        state_changes: how often tools have changed it since; the number of the last of these changes.
        fork_of: the session that it was copied from.
        deleted_at: when it was deleted, or will be unless it is wholly copied by then; it is gone for everybody, and
            removed once no run is active in it.
    """

    id: SessionId
    owner_uid: Uid
    agent_id: AgentId
    version: int
    created_at: datetime
    updated_at: datetime
    agent_owner_uid: Uid | None = None
    readers: tuple[Uid, ...] = ()
    external_session_id: str | None = None
    title: str | None = None
    state_json: str = "{}"
    configuration_json: str = "{}"
    first_state_json: str | None = None
    state_changes: int = 0
    fork_of: Fork | None = None
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """The document `slots/{session}`.

    Args:
        run_id: the run that owns the session's log now.
        queue: runs that wait for it, in order.
        next_seq: number of the next event.
        next_message: number of the next model message.
    """

    run_id: RunId | None = None
    queue: tuple[RunId, ...] = ()
    next_seq: int = 1
    next_message: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """The document `sessions/{id}/messages/{n:012}`: one message of the conversation with a model.

    Args:
        turn: the turn that it belongs to, by the first run that answered it; None stands for `run_id`.
        message_json: in the runner's own format.
    """

    run_id: RunId
    message_json: str
    turn: RunId | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """The document `sessions/{id}/state_changes/{n:012}`, from the commit that changed the state.

    It says what the state was after any turn: events tell of no tool within a graph, and of none of a delegate.

    Args:
        run_id: the run whose tool changed it.
        values_json: the keys that were set, each with the whole of its value, or null where it was removed.
    """

    run_id: RunId
    values_json: str


def history_of(messages: Sequence[Message], turn: RunId) -> tuple[str, ...]:
    """What a model is told that answers a turn: of every other turn, what its latest run left."""
    latest = {message.turn or message.run_id: message.run_id for message in messages}
    return tuple(
        message.message_json
        for message in messages
        if (of := message.turn or message.run_id) != turn and latest[of] == message.run_id
    )


def session_path(session_id: SessionId) -> str:
    """Where a session is stored."""
    return f"sessions/{session_id}"


def slot_path(session_id: SessionId) -> str:
    """Where a session's slot is stored."""
    return f"slots/{session_id}"


def messages_path(session_id: SessionId) -> str:
    """The collection of a session's model messages."""
    return f"sessions/{session_id}/messages"


def message_path(session_id: SessionId, number: int) -> str:
    """Where a model message is stored."""
    return f"{messages_path(session_id)}/{number:012}"


def state_change_path(session_id: SessionId, number: int) -> str:
    """Where a change of a session's state is stored, counted from 1."""
    return f"{state_changes_path(session_id)}/{number:012}"


def state_changes_path(session_id: SessionId) -> str:
    """The collection of the changes of a session's state."""
    return f"sessions/{session_id}/state_changes"


def enqueue_run(slot: Slot, run_id: RunId, *, first: bool = False) -> tuple[RunId, ...]:
    """The slot's queue with a run added, at its head if `first`.

    Raises:
        ResourceExhausted: QUEUE_LIMIT runs wait already.
    """
    if len(slot.queue) >= QUEUE_LIMIT:
        raise ResourceExhausted(f"the session has {QUEUE_LIMIT} waiting runs, which is the most", retry_after_seconds=5)
    return (run_id, *slot.queue) if first else (*slot.queue, run_id)
