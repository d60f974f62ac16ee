"""Read runs and their nodes."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.errors import Fault, InvalidArgument, NotFound
from shared.domain.ids import AgentId, RunId, SessionId, Uid
from shared.domain.nodes import NodeRun, nodes_path
from shared.domain.pages import DEFAULT_LIMIT, Page
from shared.domain.records import parse
from shared.domain.runs import Run, run_path
from shared.domain.sessions import session_path
from shared.domain.states import RunState
from shared.ports.documents import Documents, Filter, Order, Query
from shared.usecases.read_owned import check_owner
from shared.usecases.read_page import read_page


@dataclass(frozen=True, slots=True)
class RunSearch:
    """Which runs to list; None does not narrow, and `session_id` is not combined with the others."""

    session_id: SessionId | None = None
    agent_id: AgentId | None = None
    state: RunState | None = None
    limit: int = DEFAULT_LIMIT
    page_token: str | None = None


async def get_run(documents: Documents, uid: Uid, run_id: RunId) -> Run:
    """The run, if this person may read it: its owner, its own readers, and those of its session as they are now.

    Raises:
        NotFound: there is no such run, or it is not shared with this person.
        Unavailable: the store does not answer.
    """
    snapshot = await documents.get(run_path(run_id))
    run = parse(Run, snapshot.fields) if snapshot.fields is not None else None
    if run is not None and uid in {run.owner_uid, *run.readers}:
        return run
    if run is not None:
        session = (await documents.get(session_path(run.session_id))).fields
        if session is not None and session["deleted_at"] is None and uid in session["readers"]:
            return run
    raise NotFound("There is no such run.")


async def get_own_run(documents: Documents, uid: Uid, run_id: RunId) -> Run:
    """The run, if it is this person's own.

    Raises:
        NotFound: there is no such run, or it is not shared with this person.
        PermissionDenied: the person may read the run, but not change it.
        Unavailable: the store does not answer.
    """
    run = await get_run(documents, uid, run_id)
    check_owner(run, uid, "run")
    return run


async def list_runs(documents: Documents, uid: Uid, search: RunSearch) -> Page[Run]:
    """A page of this person's runs, the newest first.

    Raises:
        InvalidArgument: the page token belongs to another list, or the session is not all that is asked for.
        Unavailable: the store does not answer.
    """
    if search.session_id is not None and (search.agent_id is not None or search.state is not None):
        reason = "is not combined with agent_id or state"
        raise InvalidArgument("There is no such list.", (Fault("query.session_id", reason),))
    narrowed = {"owner_uid": uid, "session_id": search.session_id, "agent_id": search.agent_id, "state": search.state}
    where = tuple(Filter(field, "==", str(value)) for field, value in narrowed.items() if value is not None)
    query = Query("runs", where, (Order("created_at", descending=True),))
    return await read_page(documents, query, search.limit, search.page_token, lambda fields: parse(Run, fields))


async def list_nodes(documents: Documents, run: Run, limit: int, page_token: str | None) -> Page[NodeRun]:
    """A page of the nodes of a run that the caller may read, in the order of their instances' names.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    return await read_page(
        documents, Query(nodes_path(run.id)), limit, page_token, lambda fields: parse(NodeRun, fields)
    )
