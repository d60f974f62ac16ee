"""Ask a delegate: run a sub-agent as a child node, under the lease and within the allowance of the agent that asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from shared.domain.definitions import AgentSpec, Delegate
from shared.domain.errors import DomainError
from shared.domain.ids import Instance, NodeId
from shared.domain.journal import result_id
from shared.domain.nodes import NodeRun, Outcome, nodes_path
from shared.domain.plans import AgentWork, PlanNode
from shared.domain.records import parse, render
from shared.domain.runs import Failure
from shared.domain.states import NodeState, is_terminal
from shared.domain.templates import as_text
from shared.domain.tool_specs import ASKING
from shared.domain.tools import Effect, ToolCall, ToolResult, ToolSpec
from shared.domain.writes import Create, Update, Write
from shared.ports.documents import Filter, Query, Snapshot
from shared.usecases.nodes.carry_over import carry_over
from shared.usecases.nodes.end_run import output_fields
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.keep_value import keep_output, read_outputs_of
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.node_recorder import Answer, NodeRecorder
from shared.usecases.nodes.read_journal import read_node_journal


@dataclass(frozen=True, slots=True)
class Question:
    """Whom an agent asks, and by which call."""

    delegate: Delegate
    call: ToolCall


Play: TypeAlias = Callable[[NodeContext, NodeRecorder, str], Awaitable[Outcome]]


def delegate_spec(delegate: Delegate) -> ToolSpec:
    """The tool by which an agent asks a delegate."""
    task = {"type": "string", "minLength": 1, "description": "What to do, with everything that must be known for it."}
    return ToolSpec(
        name=f"{ASKING}{delegate.name}",
        description=delegate.description,
        effect=Effect.NONE,
        arguments_schema={
            "type": "object",
            "properties": {"task": task},
            "required": ["task"],
            "additionalProperties": False,
        },
    )


async def ask_delegate(
    engine: Engine, context: NodeContext, recorder: NodeRecorder, question: Question, play: Play
) -> Answer:
    """What the delegate answers; its failure is a message to the agent that asked, unless trying again may help.

    Args:
        engine: the engine.
        context: the node that asks.
        recorder: its recorder.
        question: whom it asks, by which call.
        play: runs an agent on a prompt in a context.

    Raises:
        shared.domain.errors.DomainError: a retryable error, which the whole node is tried again after.
        StopRequested: the run is being cancelled.
    """
    delegate, call = question.delegate, question.call
    child = _child_context(context, delegate, call)
    path = child.attempt.path
    stored = await _earlier(engine, child)
    if stored is not None:
        earlier = parse(NodeRun, stored.fields or {})
        if earlier.state in {NodeState.SUCCEEDED, NodeState.FAILED}:
            return await _known_answer(engine, delegate, earlier)
        _check_cancelled(child, earlier.state)
    elif (held := await carry_over(engine, child)) is not None:
        return Answer(ToolResult(as_text(held.output)))
    opened = await _open(engine, context, child, delegate, stored)
    below = NodeRecorder(engine, child, await read_node_journal(engine, child))
    recorder.open_child(path, below)
    try:
        outcome = await play(child, below, str(call.arguments["task"]))
        kept = await keep_output(engine.core, child, outcome)
        ended: dict[str, Any] = {"state": NodeState.SUCCEEDED, **output_fields(kept), "text": None}
        result = ToolResult(as_text(outcome.output))
    except DomainError as error:
        if error.retryable:
            raise
        context.purse.drop(below)
        context.allowance.drop(below)
        await below.take_up_text()
        failure = Failure(error.code, error.message)
        ended = {"state": NodeState.FAILED, "error": render(failure), "text": below.said}
        result = _failed(delegate, failure)
    await _close(engine, child, below, ended, opened)
    recorder.close_child(path)
    return Answer(result, below.usage)


def _child_context(context: NodeContext, delegate: Delegate, call: ToolCall) -> NodeContext:
    """The context of the child node, which is named after the node that asks and the call."""
    own = context.instance.rpartition("~")[0]
    node = NodeId(f"{own}.{delegate.name}.{result_id(call)}")
    return _context_below(context, node, delegate.agent)


def _context_below(context: NodeContext, node: NodeId, agent: AgentSpec) -> NodeContext:
    epoch = context.instance.rpartition("~")[2]
    work = AgentWork(kind="agent", agent=agent, prompt="{{ input.text }}")
    asker = context.target.node
    vertex = PlanNode(id=node, work=work, origin=asker.origin, carried=asker.carried)
    return replace(
        context,
        target=replace(context.target, node=vertex, item=None),
        attempt=context.attempt.below(Instance(f"{node}~{epoch}")),
        log=None,
        viewer=None,
        history=(),
    )


async def take_up_children(engine: Engine, context: NodeContext, recorder: NodeRecorder, agent: AgentSpec) -> None:
    """Take note of how the children are stored, because they end with the node, and count for it.

    Some may have been opened by an earlier attempt, or opened or closed by a commit that nobody waited for any more.
    """
    if not agent.delegates:
        return
    by_asker = Query(nodes_path(context.run_id), (Filter("parent", "==", context.instance),))
    for snapshot in await engine.core.documents.query(by_asker):
        node = parse(NodeRun, snapshot.fields or {})
        _, name, entry = node.node.rsplit(".", 2)
        if recorder.counts(entry):
            continue
        if is_terminal(node.state):
            recorder.close_child(snapshot.path)
            recorder.charge(entry, node.usage)
            continue
        delegate = next(one for one in agent.delegates if one.name == name)
        child = _context_below(context, node.node, delegate.agent)
        below = recorder.child(snapshot.path) or NodeRecorder(engine, child, await read_node_journal(engine, child))
        await take_up_children(engine, child, below, delegate.agent)
        await below.take_up_text()
        recorder.open_child(snapshot.path, below)


async def _earlier(engine: Engine, child: NodeContext) -> Snapshot | None:
    """The child as an earlier attempt left it."""
    if child.attempt.number == 1:
        return None
    snapshot = await engine.core.documents.get(child.attempt.path)
    return snapshot if snapshot.exists else None


async def _known_answer(engine: Engine, delegate: Delegate, child: NodeRun) -> Answer:
    """What a child came to whose asker stopped before it recorded the answer."""
    if child.error is not None:
        return Answer(_failed(delegate, child.error), child.usage)
    (output,) = await read_outputs_of(engine.core.documents, [child])
    return Answer(ToolResult(as_text(output)), child.usage)


def _failed(delegate: Delegate, failure: Failure) -> ToolResult:
    return ToolResult(f"{delegate.name} failed: {failure.message}", is_error=True)


async def _open(
    engine: Engine, context: NodeContext, child: NodeContext, delegate: Delegate, stored: Snapshot | None
) -> datetime | None:
    """Create the child's document, or take it up as an earlier attempt left it; its update time since.

    Only as it was seen: a commit that was given up may still be applied when the child has ended.
    """
    attempt, now = child.attempt, engine.core.clock.now()
    node = NodeRun(
        owner_uid=context.run.owner_uid,
        run_id=context.run_id,
        instance=attempt.instance,
        node=child.target.node.id,
        kind="agent",
        state=NodeState.RUNNING,
        attempt=attempt.number,
        token=attempt.token,
        created_at=now,
        started_at=now,
        parent=context.instance,
        item=delegate.name,
    )
    taken = {"state": NodeState.RUNNING, "attempt": attempt.number, "token": attempt.token, "completed_at": None}
    create = Create(attempt.path, render(node))
    write: Write = create if stored is None else Update(attempt.path, taken, seen=stored.update_time)

    async def make() -> Sequence[Write]:
        return [write]

    async def applied(_: Snapshot) -> bool:
        found = await engine.core.documents.get(attempt.path)
        if found.fields is None:
            return False
        _check_cancelled(child, NodeState(found.fields["state"]))
        return bool(found.fields["token"] == attempt.token)

    committed = await attempt.commit(make, applied)
    return (await engine.core.documents.get(attempt.path) if committed is None else committed).update_time


def _check_cancelled(child: NodeContext, state: NodeState) -> None:
    """Stop where whoever cancels the run has ended the child, which waited for people, before its asker heard of it.

    Raises:
        StopRequested: so it is.
    """
    if state is NodeState.CANCELLED:
        child.attempt.stop()
        child.attempt.check()


async def _close(
    engine: Engine, child: NodeContext, recorder: NodeRecorder, ended: dict[str, Any], opened: datetime | None
) -> None:
    """Record how the child ended: once, also where a commit that was given up is applied after the next one."""
    live = await recorder.final_writes()
    fields = {**ended, "usage": render(recorder.usage), "completed_at": engine.core.clock.now()}

    async def make() -> Sequence[Write]:
        return [Update(child.attempt.path, fields, seen=opened), *live]

    async def applied(_: Snapshot) -> bool:
        found = await engine.core.documents.get(child.attempt.path)
        return found.fields is not None and is_terminal(NodeState(found.fields["state"]))

    await child.attempt.commit(make, applied)
