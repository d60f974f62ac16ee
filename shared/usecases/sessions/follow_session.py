"""Follow a session's log from the store, for who cannot listen to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from enum import Enum

from shared.domain.events import Event, event_id, events_path
from shared.domain.ids import ApprovalId, RunId, SessionId, instance_of
from shared.domain.nodes import NodeRun, node_path, nodes_path
from shared.domain.plans import MAIN
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.segments import segments_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import NodeState
from shared.ports.documents import Documents, Filter, Query
from shared.usecases.nodes.engine import Core
from shared.usecases.sessions.turn_updates import (
    EventAppended,
    PeopleAsked,
    RunPaused,
    RunWithdrawn,
    TextShown,
    Update,
)

FIRST_PAUSE_SECONDS = 0.1
MOST_PAUSE_SECONDS = 1.0
PAGE = 100


async def follow_session(
    core: Core,
    session_id: SessionId,
    *,
    after: int = 0,
    until_run: RunId | None = None,
    shown: Mapping[tuple[int, int], int] | None = None,
) -> AsyncIterator[Update]:
    """Every event after number `after`, and the live text of the run that is active, as they come.

    Ends with the last event of `until_run`; without one, when no run is active and every event was told; and where
    the run waits for people or is paused, because that may last for days. While nothing happens the store is asked less
    and less often, at least once a second. `shown` says how many characters of a step and try of `until_run` were shown
    before.
    """
    pause = FIRST_PAUSE_SECONDS
    live = _LiveText(core.documents, until_run, shown or {})
    watched = until_run or (await _slot(core.documents, session_id)).run_id
    while True:
        slot, rest = await _look(core.documents, session_id, watched)
        events = await _events(core.documents, session_id, after)  # after the look: with what it saw came events
        for event in events:
            after = event.seq
            yield EventAppended(event)
            if event.turn_complete and event.run_id == until_run:
                return
        ending = None if events else await _ending(core.documents, slot, rest, until_run)
        if ending is not None:
            for update in ending:
                yield update
            return
        texts = [] if events or slot.run_id is None else await live.read(slot.run_id)
        for text in texts:
            yield text
        watched = until_run or slot.run_id
        pause = FIRST_PAUSE_SECONDS if events or texts else min(pause * 1.5, MOST_PAUSE_SECONDS)
        if len(events) < PAGE:
            await core.clock.sleep(pause)


class _Rest(Enum):
    """Why the active run does not go on."""

    WAITS = "waits for people"
    PAUSED = "is paused, and has given up its node"


async def _look(documents: Documents, session_id: SessionId, watched: RunId | None) -> tuple[Slot, _Rest | None]:
    """The session's slot; and why the run that is watched does not go on, if it is the active one and does not."""
    about = [] if watched is None else [run_path(watched), node_path(watched, instance_of(MAIN, 0))]
    stored, *found = await documents.get_many([slot_path(session_id), *about])
    slot = parse(Slot, stored.fields or {})
    if watched is None or slot.run_id != watched:
        return slot, None
    run, main = parse(Run, found[0].fields or {}), found[1].fields or {}
    if run.waiting_since is not None:
        return slot, _Rest.WAITS
    is_paused = run.paused_at is not None and main.get("state") != NodeState.RUNNING
    return slot, _Rest.PAUSED if is_paused else None


async def _slot(documents: Documents, session_id: SessionId) -> Slot:
    return parse(Slot, (await documents.get(slot_path(session_id))).fields or {})


async def _ending(
    documents: Documents, slot: Slot, rest: _Rest | None, until_run: RunId | None
) -> tuple[Update, ...] | None:
    """What is told last where nothing more comes for now; None to go on."""
    if until_run is not None and until_run not in {slot.run_id, *slot.queue}:
        return (RunWithdrawn(until_run),)
    if slot.run_id is None:
        return () if until_run is None else None
    if rest is _Rest.WAITS:
        return (PeopleAsked(slot.run_id, await _asked(documents, slot.run_id)),)
    return None if rest is None else (RunPaused(slot.run_id),)


async def _asked(documents: Documents, run_id: RunId) -> tuple[ApprovalId, ...]:
    """The approvals for which the nodes of a run wait."""
    waiting = await documents.query(Query(nodes_path(run_id), (Filter("state", "==", str(NodeState.WAITING)),)))
    return tuple(approval for node in waiting for approval in parse(NodeRun, node.fields or {}).waits_for)


async def _events(documents: Documents, session_id: SessionId, after: int) -> list[Event]:
    query = Query(events_path(session_id), after=(event_id(after),), limit=PAGE)
    return [parse(Event, found.fields) for found in await documents.query(query) if found.fields is not None]


class _LiveText:
    """What was shown of the segments of the active run's speaking node."""

    def __init__(self, documents: Documents, run_id: RunId | None, shown: Mapping[tuple[int, int], int]) -> None:
        self._documents = documents
        self._collection = "" if run_id is None else _segments(run_id)
        self._last = ""
        self._shown = dict(shown)

    async def read(self, run_id: RunId) -> list[TextShown]:
        """The text that came since the last read; the last segment is read again, because it may have grown."""
        collection = _segments(run_id)
        if collection != self._collection:
            self._collection, self._last, self._shown = collection, "", {}
        query = Query(collection, after=(self._last,) if self._last else None, limit=PAGE)
        updates: list[TextShown] = []
        found = [snapshot for snapshot in await self._documents.query(query) if snapshot.fields is not None]
        for before, snapshot in zip([None, *found], found, strict=False):
            fields = snapshot.fields or {}
            place = (fields["step"], fields["try"])
            shown = self._shown.get(place, 0)
            delta = fields["text"][max(shown - fields["start"], 0) :]
            if fields["start"] <= shown and delta:
                updates.append(TextShown(run_id, *place, delta))
                self._shown[place] = shown + len(delta)
            if before is not None:
                self._last = before.id
        return updates


def _segments(run_id: RunId) -> str:
    """The collection of the segments of the node that speaks in the session."""
    return segments_path(run_id, instance_of(MAIN, 0))
