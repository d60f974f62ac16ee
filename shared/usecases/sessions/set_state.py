"""Change a session's state: what its agents remember for each other, and its owner sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.domain.errors import Fault, InvalidArgument, NotFound
from shared.domain.ids import RunId, SessionId
from shared.domain.records import from_json, parse, render, to_json
from shared.domain.sessions import MAX_STATE_CHARACTERS, Session, StateChange, session_path, state_change_path
from shared.domain.writes import Create, Update
from shared.ports.clock import Clock
from shared.ports.documents import Documents, Snapshot
from shared.usecases.change_record import Change, change_record


async def set_state(
    documents: Documents, clock: Clock, session_id: SessionId, run_id: RunId, values: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Set the keys of `values`, each to the whole of its value, and remove those whose value is null; the new state.

    All keys change in one commit, which tells of the change as one of the run, and none of somebody else's is lost. A
    value that is there already is not written.

    Raises:
        NotFound: there is no such session, or it was deleted.
        InvalidArgument: a value is not JSON, or the state would be too large.
        Aborted: others change the session all the time.
        Unavailable: the store does not answer.
    """

    async def decide(snapshot: Snapshot) -> Change[Mapping[str, Any]]:
        session = None if snapshot.fields is None else parse(Session, snapshot.fields)
        if session is None or session.deleted_at is not None:
            raise NotFound("There is no such session.")
        state: dict[str, Any] = from_json(session.state_json)
        text = _changed(state, values)
        if text == to_json(state):
            return Change(state)
        new, number = json.loads(text), session.state_changes + 1
        changed = {"state_json": text, "state_changes": number, "updated_at": clock.now()}
        told = {key: new.get(key) for key in values if key in state or key in new}
        record = Create(state_change_path(session_id, number), render(StateChange(run_id, to_json(told))))
        return Change(new, [Update(snapshot.path, changed, seen=snapshot.update_time), record])

    return await change_record(documents, clock, session_path(session_id), decide)


def _changed(state: Mapping[str, Any], values: Mapping[str, Any]) -> str:
    """The changed state as JSON."""
    changed = {key: value for key, value in {**state, **values}.items() if key not in values or value is not None}
    try:
        text = to_json(changed)
        json.dumps(changed, allow_nan=False)
        text.encode()
    except (ValueError, RecursionError):
        raise InvalidArgument("The values are not JSON.", (Fault("values", "are not JSON"),)) from None
    if len(text) > MAX_STATE_CHARACTERS:
        reason = f"would make the state {len(text):,} characters of JSON; {MAX_STATE_CHARACTERS:,} are the most"
        raise InvalidArgument(f"The values {reason}.", (Fault("values", reason),))
    return text
