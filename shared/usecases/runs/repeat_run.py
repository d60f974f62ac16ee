"""Repeat a run, as a new one that takes over what holds: from where it failed, from one of its nodes, or wholly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.domain.budgets import own_budget
from shared.domain.errors import FailedPrecondition
from shared.domain.ids import NodeId, RunId, SessionId, Uid
from shared.domain.nodes import nodes_path
from shared.domain.plan_graphs import PlanGraph
from shared.domain.records import from_json
from shared.domain.repeats import anew_after, repeat_plan
from shared.domain.runs import RepeatKind, Repetition, Run
from shared.domain.states import NodeState, RunState, is_terminal
from shared.ports.documents import Documents, Filter, Query
from shared.usecases.nodes.engine import Core, LoadedRun
from shared.usecases.nodes.load_run import load_run
from shared.usecases.runs.get_run import get_own_run
from shared.usecases.runs.start_run import IfBusy, Repeated, RunRequest, StartedRun, start_run

MOST_ANSWERS = 20
"""How many earlier answers to a message are marked as superseded at most."""


@dataclass(frozen=True, slots=True)
class RepeatRequest:
    """Which run to repeat, and how.

    Args:
        caller: who asks; the run must be theirs.
        node: from where to replay; what comes before it is not done again.
        input: what the nodes that work again see as the run's input; the same as before if left out.
        session_id: the session in which the new run answers; the run's own if left out.
        if_busy: what to do when the session has an active run.
        idempotency_key: the same key and request give the same run.
        trace_id: the trace that asked.
    """

    caller: Uid
    run_id: RunId
    kind: RepeatKind
    node: NodeId | None = None
    input: Any = None
    session_id: SessionId | None = None
    if_busy: IfBusy = "reject"
    idempotency_key: str | None = None
    trace_id: str | None = None


async def repeat_run(core: Core, request: RepeatRequest) -> StartedRun:
    """Start a run that repeats an ended one; the old one stays as it is.

    Raises:
        NotFound: there is no such run for the caller, or its agent is gone.
        PermissionDenied: the caller may read the run, but it is not theirs; or they may run its agent no longer.
        FailedPrecondition: the run has not ended, or there is nothing to retry.
        InvalidArgument: the run has no such node, or the input does not fit.
        SessionBusy: the session has an active run and the request says to refuse then.
        ResourceExhausted: as `start_run`.
        IdempotencyKeyReused: the key came before with another request.
        Unavailable: the run is stored but could not be enqueued; the same key enqueues it again.
    """
    await get_own_run(core.documents, request.caller, request.run_id)
    loaded = await load_run(core.documents, request.run_id)
    assert loaded is not None  # noqa: S101 - it was just read
    run = loaded.run
    _check(run, request)
    anew = await _anew(core.documents, loaded, request)
    graph = PlanGraph(repeat_plan(loaded.graph, run.id, anew))
    given = request.input is not None
    repetition = Repetition(run.id, request.kind, run.turn, request.node, _answers(run))
    asked = RunRequest(
        caller=request.caller,
        input=request.input if given else from_json(run.input_json),
        session_id=request.session_id or run.session_id,
        if_busy=request.if_busy,
        idempotency_key=request.idempotency_key,
        trace_id=request.trace_id,
        budget=own_budget(run.funds),
        repeated=Repeated(repetition, graph, run.author_uid or run.owner_uid, edited=given),
    )
    return await start_run(core, asked)


def _check(run: Run, request: RepeatRequest) -> None:
    if not is_terminal(run.state):
        raise FailedPrecondition(f"the run is {run.state}; cancel it, or wait for its end")
    if request.kind == "retry" and run.state is RunState.SUCCEEDED:
        raise FailedPrecondition("the run succeeded: there is nothing to retry; replay it from one of its nodes")


async def _anew(documents: Documents, loaded: LoadedRun, request: RepeatRequest) -> frozenset[NodeId]:
    """The vertices whose earlier outcomes do not hold."""
    if request.kind == "regenerate":
        return frozenset(loaded.graph.by_id)
    where = (Filter("state", "==", str(NodeState.FAILED)),)
    failed = await documents.query(Query(nodes_path(loaded.run.id), where))
    names = [NodeId(node.fields["node"]) for node in failed if node.fields is not None]
    return anew_after(loaded.graph, names, request.node)


def _answers(run: Run) -> tuple[int, ...]:
    """The events that end the run, and those before it of which it did not take the place."""
    own = () if run.last_seq is None else (run.last_seq,)
    before = run.repeats.answers if run.repeats is not None and run.state is not RunState.SUCCEEDED else ()
    return (*own, *before)[:MOST_ANSWERS]
