"""Start a run of an agent, in a session of its own or in one that goes on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shared.domain.agents import AD_HOC, DRAFT, DRAFT_NUMBER, VersionRef, agent_path
from shared.domain.budgets import Budget
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import IdempotencyKeyReused, InvalidArgument, SessionBusy
from shared.domain.events import append, start_event
from shared.domain.ids import AgentId, RunId, SessionId, Token, Uid, hashed_id
from shared.domain.plan_bounds import bound_plan
from shared.domain.plan_graphs import PlanGraph
from shared.domain.quotas import standing_path
from shared.domain.records import parse, render, to_json
from shared.domain.run_inputs import check_input, fit_input
from shared.domain.runs import SWEEP_AFTER, Repetition, Run, Shape, plan_path, run_path
from shared.domain.sessions import Session, Slot, enqueue_run, session_path, slot_path
from shared.domain.states import RunState
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import CommitRefused, OutcomeUnknown, Snapshot
from shared.usecases.agents.load_definition import number_to_run
from shared.usecases.nodes.claim_node import claim_writes
from shared.usecases.nodes.engine import CompiledVersion, Core, LoadedRun
from shared.usecases.nodes.load_run import load_run
from shared.usecases.nodes.node_context import Target
from shared.usecases.nodes.wake_successors import enqueue_entries
from shared.usecases.runs.admit_run import Admission, admit_run
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.compile_run import CompiledRun, compile_definition, compile_run
from shared.usecases.runs.let_others_start import WITHIN_SECONDS, let_others_start
from shared.usecases.runs.meter_run import meter_run, run_funds
from shared.usecases.sessions.get_session import own, read_session

IfBusy: TypeAlias = Literal["reject", "enqueue", "interrupt"]


@dataclass(frozen=True, slots=True)
class Repeated:
    """What a run repeats.

    Args:
        repetition: which run, and how.
        graph: the plan by which.
        author_uid: who wrote the version that the plan was made of.
        edited: the input is another, and must fit the agent's schema again.
    """

    repetition: Repetition
    graph: PlanGraph
    author_uid: Uid
    edited: bool

    def version(self, current: CompiledVersion) -> CompiledVersion:
        """What is executed, of an agent that is compiled so by now."""
        schema = current.input_schema if self.edited else None
        return CompiledVersion(self.graph, self.author_uid, schema, bound_plan(self.graph.plan))


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What somebody wants to run.

    Args:
        caller: who asks, and will own the run.
        agent_id: the agent; may be left out where a session names one.
        version: the agent's version, by its number or a name; the latest if left out. The run is pinned to what the
            name means now, and a session's runs keep the session's version. `draft` is the draft as it is now.
        session_id: the session to go on with; a new one if left out.
        input: text, or a JSON object with the person's words as `text`.
        if_busy: what to do when the session has an active run: refuse, wait for it, or cancel it.
        idempotency_key: the same key and request give the same run.
        trace_id: the trace that asked, in 32 hex digits; the run keeps it.
        repeated: the run that is to be repeated, and how.
        definition: what to run, where it is no agent's; checked.
        shape: what the definition, or the agent's, must be; any if left out.
        budget: what the run may consume; where the agent has a budget too, the tighter limit holds.
        claim: take the only node of a single agent's run at once, under this token, to execute it in this process.
    """

    caller: Uid
    input: Any
    agent_id: AgentId | None = None
    version: VersionRef | None = None
    session_id: SessionId | None = None
    if_busy: IfBusy = "reject"
    idempotency_key: str | None = None
    trace_id: str | None = None
    repeated: Repeated | None = None
    definition: AgentDefinition | None = None
    shape: Shape | None = None
    budget: Budget = field(default_factory=Budget)
    claim: Token | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of what is asked for, whatever the key."""
        asked: list[Any] = [self.agent_id, self.version, self.session_id, self.input, self.if_busy]
        if self.repeated is not None:
            asked.append(render(self.repeated.repetition))
        if self.shape is not None:
            asked += [self.shape, None if self.definition is None else self.definition.model_dump(mode="json")]
        asked += [render(self.budget)] if self.budget.limited else []
        return hashlib.sha256(to_json(asked).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that was started, or found under its idempotency key.

    Args:
        graph: its plan.
        created: False when the key had started it before.
        claimed: its node was taken in the same commit; nobody else executes it.
        seq: number of the event with what the person said; None while the run waits for the session.
        messages: how many model messages of earlier turns there were when the run took the session.
        after: number of an event that none of the run's comes before, where it waits for the session.
    """

    run: Run
    graph: PlanGraph
    created: bool = True
    claimed: bool = False
    seq: int | None = None
    messages: int = 0
    after: int = 0

    @property
    def waits(self) -> bool:
        """Whether the run waits for the session's active run."""
        return self.created and self.seq is None


@dataclass(frozen=True, slots=True)
class _Found:
    """What the request refers to, as stored."""

    agent_id: AgentId
    version: int
    session: Session | None
    slot: Slot
    slot_snapshot: Snapshot | None = None
    earlier: Run | None = None
    admission: Admission = field(default_factory=Admission)
    standing: Snapshot | None = None


@dataclass(frozen=True, slots=True)
class _Draft:
    made: LoadedRun
    writes: list[Write]


async def start_run(core: Core, request: RunRequest) -> StartedRun:
    """Commit the run, then enqueue its first nodes.

    Raises:
        InvalidArgument: no agent is named, or another one than the session's; the input is empty, too long, or
            does not fit the agent's input_schema; or the graph may come to more than the deployment runs.
        NotFound: there is no such agent, version or session for this caller.
        PermissionDenied: the caller may see the agent, but not run it, or has used up their grant; or may read the
            session, but not write in it.
        SessionBusy: the session has an active run and the request says to refuse then.
        ResourceExhausted: too many runs wait for the session.
        TooManyRuns, QuotaExceeded: the caller's quota, or what their grant allows in a day, is reached; or so many
            are started at once that this one was not counted in time.
        IdempotencyKeyReused: the key came before with another request.
        Unavailable: the run is stored but could not be enqueued; the same key enqueues it again. Or the store does not
            say whether it is stored.
    """
    check_input(request.input)
    key = request.idempotency_key
    run_id = RunId(core.ids.new()) if key is None else id_of_key(request.caller, key)
    attempt, until = 0, core.clock.monotonic() + WITHIN_SECONDS
    while True:
        found = await _find(core, request, run_id)
        if found.earlier is not None:
            return await _again(core, request, found.earlier, found.slot)
        draft = await _draft(core, request, run_id, found)
        try:
            await core.documents.commit(draft.writes)
        except (CommitRefused, OutcomeUnknown) as error:
            # An earlier try may have been applied late: what is stored is then not this draft, but that one.
            stored = await load_run(core.documents, run_id) if request.idempotency_key is None else None
            if stored is not None:
                return await _started(core, request, stored, found)
            await let_others_start(core.clock, run_id, attempt, until, error)
            attempt += 1
            continue
        return await _started(core, request, draft.made, found)


async def _started(core: Core, request: RunRequest, made: LoadedRun, found: _Found) -> StartedRun:
    run, graph, slot = made.run, made.graph, found.slot
    if slot.run_id is not None:
        if request.if_busy == "interrupt":
            await cancel_run(core, request.caller, slot.run_id)
        return StartedRun(run, graph, messages=slot.next_message, after=slot.next_seq - 1)
    claimed = _is_claimed(request, run, slot)
    if not claimed:
        await enqueue_entries(core, run, graph)
    return StartedRun(run, graph, claimed=claimed, seq=slot.next_seq, messages=slot.next_message)


def _is_claimed(request: RunRequest, run: Run, slot: Slot) -> bool:
    """Whether the commit that starts the run also takes its node."""
    return request.claim is not None and slot.run_id is None and run.shape != "graph"


async def _again(core: Core, request: RunRequest, run: Run, slot: Slot) -> StartedRun:
    """The run of an earlier request with the same key; what that request may have left undone is done again."""
    if run.body_digest != request.digest:
        raise IdempotencyKeyReused("this Idempotency-Key came before with another request; use a new key")
    loaded = await load_run(core.documents, run.id)
    assert loaded is not None  # noqa: S101 - it was just read
    if run.state is RunState.QUEUED and run.next_sweep_at is not None:
        await enqueue_entries(core, loaded.run, loaded.graph)
    elif run.state in {RunState.QUEUED, RunState.PAUSED} and request.if_busy == "interrupt":
        await _interrupt(core, run)
    after = slot.next_seq - 1 if run.id in slot.queue else 0
    return StartedRun(loaded.run, loaded.graph, created=False, after=after)


async def _interrupt(core: Core, run: Run) -> None:
    """Cancel what `run` waits for, as the first request may have died before it did."""
    slot = parse(Slot, (await core.documents.get(slot_path(run.session_id))).fields or {})
    if slot.run_id is not None and run.id in slot.queue:
        await cancel_run(core, run.owner_uid, slot.run_id)


async def _find(core: Core, request: RunRequest, run_id: RunId) -> _Found:
    """Everything the request refers to, in one round trip."""
    session_id, agent_id = request.session_id, request.agent_id
    if request.definition is not None:
        agent_id = AD_HOC
    if session_id is None and agent_id is None:
        raise InvalidArgument("name the agent to run: 'agent_id', or a 'session_id' that has one")
    named = agent_path(agent_id or AD_HOC) if session_id is None else session_path(session_id)
    paths = [run_path(run_id), standing_path(request.caller), named]
    paths += [] if session_id is None else [slot_path(session_id)]
    earlier, standing, first, *rest = await core.documents.get_many(paths)
    ran = None if earlier.fields is None else parse(Run, earlier.fields)
    if session_id is None:
        assert agent_id is not None  # noqa: S101 - checked above
        if request.definition is not None:
            return _Found(AD_HOC, DRAFT_NUMBER, None, Slot(), earlier=ran, standing=standing)
        if ran is not None:
            return _Found(agent_id, ran.version, None, Slot(), earlier=ran)
        admission = await admit_run(core.documents, request.caller, first)
        number = _number(admission, request.version)
        return _Found(agent_id, number, None, Slot(), admission=admission, standing=standing)
    session = own(read_session(first, request.caller), request.caller)
    pinned = DRAFT if session.version == DRAFT_NUMBER else session.version
    if agent_id not in {None, session.agent_id} or request.version not in {None, pinned}:
        raise InvalidArgument(f"the session is pinned to version {pinned} of agent {session.agent_id}")
    slot = parse(Slot, rest[0].fields or {})
    admission = Admission() if ran is not None else await _admit_again(core, session)
    return _Found(session.agent_id, session.version, session, slot, rest[0], ran, admission, standing)


async def _admit_again(core: Core, session: Session) -> Admission:
    """Whether the session's owner may still run its agent: what was granted may have been revoked or used up."""
    if session.agent_owner_uid == session.owner_uid:
        return Admission()
    agent = await core.documents.get(agent_path(session.agent_id))
    admission = await admit_run(core.documents, session.owner_uid, agent)
    _number(admission, DRAFT if session.version == DRAFT_NUMBER else session.version)
    return admission


def _number(admission: Admission, ref: VersionRef | None) -> int:
    assert admission.opened is not None  # noqa: S101 - it was admitted by its agent
    return number_to_run(admission.opened.agent, admission.opened.access, ref)


async def _draft(core: Core, request: RunRequest, run_id: RunId, found: _Found) -> _Draft:
    """The run and the commit that makes it."""
    executed = await _executed(core, request, found)
    compiled = executed.version
    if request.repeated is not None:
        compiled = request.repeated.version(compiled)
    graph = compiled.graph
    if request.shape not in {None, graph.plan.shape}:
        raise wrong_shape(graph.plan.shape)
    assert found.standing is not None  # noqa: S101 - it was read for a run that is new
    metering = await meter_run(core, request.caller, found.standing, found.admission.funds)
    digest, chunks = graph.split
    now = core.clock.now()
    session_id = found.session.id if found.session else SessionId(core.ids.new())
    waits = found.slot.run_id is not None
    run = Run(
        id=run_id,
        owner_uid=request.caller,
        agent_id=found.agent_id,
        version=found.version,
        session_id=session_id,
        shape=graph.plan.shape,
        state=RunState.QUEUED,
        input_json=to_json(fit_input(compiled.input_schema, request.input)),
        plan_digest=digest,
        plan_chunks=len(chunks),
        created_at=now,
        body_digest=request.digest,
        trace_id=request.trace_id,
        author_uid=compiled.author_uid,
        grantee_uid=found.admission.grantee_uid,
        repeats=request.repeated.repetition if request.repeated else None,
        funds=(*run_funds(run_id, request.caller, graph.plan.budget.within(request.budget)), *metering.funds),
        wave=core.wave,
        is_counted=metering.is_counted,
        bounds=compiled.bounds,
        next_sweep_at=None if waits else now + SWEEP_AFTER,
    )
    writes: list[Write] = [
        Create(run.path, render(run)),
        *(Create(plan_path(run_id, n), {"owner_uid": run.owner_uid, "text": text}) for n, text in enumerate(chunks)),
        *_session_writes(request, run, found, now),
        *found.admission.writes,
        *executed.writes,
        *metering.writes,
    ]
    if request.claim is not None and _is_claimed(request, run, found.slot):
        writes += claim_writes(Target(run, graph, graph.entries[0]), request.claim, now)
    return _Draft(LoadedRun(run, graph), writes)


async def _executed(core: Core, request: RunRequest, found: _Found) -> CompiledRun:
    """What is run: an agent's version, or the definition that came with the request, or with the one it repeats."""
    if request.definition is not None:
        return await compile_definition(core, request.caller, request.definition, request.caller, is_new=True)
    if found.agent_id != AD_HOC:
        return await compile_run(core, request.caller, found.agent_id, found.version)
    if request.repeated is None:
        raise InvalidArgument("the session has no agent: each of its runs comes with its definition")
    graph = request.repeated.graph
    return CompiledRun(CompiledVersion(graph, request.caller, graph.plan.input_schema))


def wrong_shape(shape: Shape) -> InvalidArgument:
    """The refusal of a request that says it runs something else."""
    return InvalidArgument(f"This is of the type '{shape}': POST /workflows/{shape}.")


def _session_writes(request: RunRequest, run: Run, found: _Found, now: datetime) -> list[Write]:
    """Take the session's slot, or a place in its queue."""
    path = slot_path(run.session_id)
    if found.session is None or found.slot_snapshot is None:
        opened = found.admission.opened
        session = Session(
            id=run.session_id,
            owner_uid=run.owner_uid,
            agent_id=run.agent_id,
            version=run.version,
            created_at=now,
            updated_at=now,
            agent_owner_uid=opened.agent.owner_uid if opened else run.owner_uid,
        )
        return [
            Create(session_path(session.id), render(session)),
            Create(path, render(Slot(run_id=run.id, next_seq=2))),
            append(run.session_id, start_event(run, 1, now)),
        ]
    slot, seen = found.slot, found.slot_snapshot.update_time
    if slot.run_id is None:
        taken = {"run_id": run.id, "next_seq": slot.next_seq + 1}
        return [Update(path, taken, seen), append(run.session_id, start_event(run, slot.next_seq, now))]
    if request.if_busy == "reject":
        raise SessionBusy(
            f"the session is busy with run {slot.run_id}; wait, cancel it, or ask with if_busy 'enqueue' or 'interrupt'"
        )
    return [Update(path, {"queue": list(enqueue_run(slot, run.id, first=request.if_busy == "interrupt"))}, seen)]


def id_of_key(caller: Uid, key: str) -> RunId:
    """The id of the run that a person's request with an idempotency key starts."""
    return RunId(hashed_id("run", caller, key))
