"""Answer the last message of a session once more."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import FailedPrecondition, SessionBusy
from shared.domain.events import event_path
from shared.domain.ids import RunId, SessionId, Uid
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.sessions import Slot, session_path, slot_path
from shared.usecases.nodes.engine import Core
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from shared.usecases.runs.start_run import StartedRun, id_of_key
from shared.usecases.sessions.get_session import own, read_session


@dataclass(frozen=True, slots=True)
class RegenerateRequest:
    """Whose last message to answer again; the same key gives the same run."""

    caller: Uid
    session_id: SessionId
    idempotency_key: str | None = None
    trace_id: str | None = None


async def regenerate_answer(core: Core, request: RegenerateRequest) -> StartedRun:
    """Start a run that answers the session's last message anew; once it has, the answer before counts no more.

    Raises:
        NotFound: there is no such session for the caller.
        PermissionDenied: the caller may read the session, but it is not theirs.
        FailedPrecondition: nothing was said in the session.
        SessionBusy: the session has an active run.
        shared.domain.errors.DomainError: as `repeat_run`.
    """
    session_id = request.session_id
    session, slot_found = await core.documents.get_many([session_path(session_id), slot_path(session_id)])
    own(read_session(session, request.caller), request.caller)
    last = await _earlier(core, request) or await _last_run(core, session_id, parse(Slot, slot_found.fields or {}))
    asked = RepeatRequest(
        caller=request.caller,
        run_id=last,
        kind="regenerate",
        session_id=session_id,
        idempotency_key=request.idempotency_key,
        trace_id=request.trace_id,
    )
    return await repeat_run(core, asked)


async def _earlier(core: Core, request: RegenerateRequest) -> RunId | None:
    """What the same request was about when it came before."""
    if request.idempotency_key is None:
        return None
    before = await core.documents.get(run_path(id_of_key(request.caller, request.idempotency_key)))
    run = None if before.fields is None else parse(Run, before.fields)
    return None if run is None or run.repeats is None else run.repeats.run_id


async def _last_run(core: Core, session_id: SessionId, slot: Slot) -> RunId:
    """The run that ended last."""
    if slot.run_id is not None:
        raise SessionBusy(f"the session is busy with run {slot.run_id}; wait, or cancel it")
    if slot.next_seq == 1:
        raise FailedPrecondition("nothing was said in this session")
    last = await core.documents.get(event_path(session_id, slot.next_seq - 1))
    return RunId((last.fields or {})["run_id"])
