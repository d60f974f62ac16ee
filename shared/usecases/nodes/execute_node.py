"""Execute one node of one run: claim it, do its work, record the outcome once, wake what waited for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.domain.errors import DocumentTooLarge, DomainError, FailedPrecondition, Internal, StoreUnavailable
from shared.domain.ids import Instance, NodeId, RunId, instance_of, parse_instance, share_of
from shared.domain.nodes import NodeRun, Outcome, Pending, indices_of, node_path, spawned
from shared.domain.plans import AgentWork, EndWork, LoopWork, ToolWork
from shared.domain.records import parse
from shared.domain.runs import Failure, Run
from shared.domain.states import NodeState, is_terminal
from shared.ports.agent_runner import CallWaits
from shared.ports.task_queue import NodeTask
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.nodes.allowance import Allowance
from shared.usecases.nodes.ask_delegate import take_up_children
from shared.usecases.nodes.attempt import Attempt, StopRequested, Superseded, YieldRequested
from shared.usecases.nodes.claim_node import Busy, Finished, claim_node
from shared.usecases.nodes.end_run import cancelled
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.enter_node import enter_node, open_purse
from shared.usecases.nodes.finish_node import finish_node, release_node
from shared.usecases.nodes.keep_value import read_items_of, read_outputs_of
from shared.usecases.nodes.load_run import load_run_once
from shared.usecases.nodes.node_context import Item, NodeContext, Target
from shared.usecases.nodes.node_recorder import NodeRecorder
from shared.usecases.nodes.perform_work import perform_work
from shared.usecases.nodes.purse import pause_after
from shared.usecases.nodes.read_journal import read_node_journal
from shared.usecases.nodes.stop_nodes import stop_rest
from shared.usecases.nodes.time_limits import in_time
from shared.usecases.nodes.wait_for_people import look_again, wait_for_people
from shared.usecases.nodes.wake_successors import enqueue_next_run, wake_next_run, wake_successors


async def execute_node(engine: Engine, run_id: RunId, instance: Instance) -> Acknowledgement:
    """Execute a delivered task; safe to call any number of times, concurrently, for the same node.

    Raises:
        shared.domain.errors.Unavailable: the store or the queue did not answer; deliver the task again.
    """
    target = await find_target(engine, run_id, instance)
    if target is None:
        return Acknowledgement.DONE
    claim = await claim_node(engine, target)
    match claim:
        case Busy():
            return Acknowledgement.BUSY
        case Finished(node):
            await _wake_again(engine, target, node)
            return Acknowledgement.DONE
        case Attempt():
            return await execute_claimed(engine, target, claim)


async def find_target(engine: Engine, run_id: RunId, instance: Instance) -> Target | None:
    """What a task is about; None when there is no such run, or it has gone on to another epoch."""
    loaded = await load_run_once(engine, run_id)
    if loaded is None:
        return None
    name, epoch, index = parse_instance(instance)
    node = loaded.graph.by_id.get(name)
    if node is None or epoch != loaded.run.epoch:
        return None
    if index is None:
        return Target.of(loaded, node)
    rounds = isinstance(node.work, LoopWork)
    item = await (_read_round if rounds else _read_item)(engine, loaded.run, name, index)
    return None if item is None else Target.of(loaded, node, item)


async def execute_claimed(engine: Engine, target: Target, attempt: Attempt) -> Acknowledgement:
    """Execute a node whose lease is held."""
    try:
        context = await enter_node(engine, target, attempt)
    except Superseded:
        return Acknowledgement.BUSY
    return Acknowledgement.DONE if context is None else await execute_entered(engine, context)


async def execute_entered(engine: Engine, context: NodeContext) -> Acknowledgement:
    """Execute a node whose run was read after its claim, or made with it."""
    try:
        await _execute(engine, context)
    except Superseded:
        return Acknowledgement.BUSY
    return Acknowledgement.DONE


async def _execute(engine: Engine, context: NodeContext) -> None:
    """Do the work and finish: with its outcome, with a failure, cancelled, or released to be tried again."""
    journal = await read_node_journal(engine, context)
    work = context.target.work
    limits = work.agent.limits if isinstance(work, AgentWork) else None
    purse = open_purse(engine.core, context.attempt, context.target, context.stored)
    context = replace(context, allowance=Allowance(limits, journal.usage), drawn=purse)
    recorder = NodeRecorder(engine, context, journal)
    try:
        outcome = await _attempt(engine, context, recorder)
    except StopRequested:
        outcome = cancelled(recorder.usage, recorder.shown)
    except CallWaits:
        outcome = Outcome(NodeState.WAITING, usage=recorder.usage)
    except YieldRequested as asked:
        outcome = _gives_way(engine, context, asked.pause)
    except DomainError as error:
        purse.drop_failed(error)
        outcome = _failure(engine, context, recorder, error)
    finally:
        await recorder.close()
    if _is_undecided(context, outcome):
        outcome = _gives_way(engine, context)
    if outcome.state is NodeState.WAITING:
        await _wait(engine, context, outcome, recorder)
    elif outcome.state is NodeState.READY:
        await _release(engine, context, outcome, recorder)
    else:
        await _finish(engine, context, outcome, recorder)


def _gives_way(
    engine: Engine, context: NodeContext, pause: timedelta = timedelta(), cause: Pending = "yield"
) -> Outcome:
    """The outcome of a node that goes on in another request, after a pause of about that length."""
    pause *= 1 + share_of(context.attempt.token)
    return Outcome(NodeState.READY, not_before=engine.core.clock.now() + pause if pause else None, cause=cause)


def _is_undecided(context: NodeContext, outcome: Outcome) -> bool:
    """Whether a child may yet be created or ended by this attempt: who takes the node next finds what became of it."""
    work = context.target.work
    delegates = isinstance(work, AgentWork) and bool(work.agent.delegates)
    return delegates and context.attempt.is_in_doubt and outcome.state is not NodeState.SUCCEEDED


async def _attempt(engine: Engine, context: NodeContext, recorder: NodeRecorder) -> Outcome:
    """The outcome of the work; every error that is not expected becomes a retryable `Internal`."""
    if context.skips:
        return Outcome(NodeState.SKIPPED)
    if context.attempt.number - context.waits > engine.max_attempts:
        context.attempt.check()  # what is cancelled ends so, however often it was attempted
        raise FailedPrecondition(f"the node was attempted {engine.max_attempts} times without an end")

    async def work() -> Outcome:
        if isinstance(context.target.work, AgentWork | ToolWork):
            await context.purse.enter()
        return await perform_work(engine, context, recorder)

    try:
        if isinstance(context.target.work, EndWork):
            return await work()  # also the end of a run that is cancelled or out of time adds up what it consumed
        return await context.attempt.hold(in_time(engine, context, work))
    except (DomainError, StopRequested, YieldRequested, Superseded, CallWaits):
        raise
    except Exception as error:
        engine.report_defect(error)
        raise Internal("an internal error") from error


def _failure(engine: Engine, context: NodeContext, recorder: NodeRecorder, error: DomainError) -> Outcome:
    """The outcome of an error: another try where the error and the node's policy allow one.

    The end of a run is always tried again: it has no effect, and nobody else adds up what the run consumed. A store of
    our own that does not answer is no failure of the node, which only comes again later.
    """
    if isinstance(error, StoreUnavailable):
        return _gives_way(engine, context, pause_after(context.attempt.number), "unavailable")
    retry = context.target.node.retry
    retryable = error.retryable or isinstance(error, Internal)
    retryable = retryable and (retry.on is None or error.code in retry.on)
    failure = Failure(error.code, error.message, retryable)
    outcome = Outcome(NodeState.FAILED, error=failure, usage=recorder.usage, text=recorder.shown)
    is_over = context.failures + 1 >= retry.max_attempts and not isinstance(context.target.work, EndWork)
    if not retryable or is_over:
        return outcome
    back_off = min(retry.initial_seconds * retry.factor**context.failures, retry.max_seconds)
    back_off *= 1 + retry.jitter * share_of(context.attempt.token)
    wait = timedelta(seconds=max(back_off, error.retry_after_seconds or 0))
    return replace(outcome, state=NodeState.READY, not_before=engine.core.clock.now() + wait)


async def _release(engine: Engine, context: NodeContext, outcome: Outcome, recorder: NodeRecorder) -> None:
    """Let the node be tried again; one that is to be tried later looks whether its run was cancelled meanwhile."""
    so_far = replace(outcome, usage=recorder.usage, said=recorder.said)
    await release_node(context, so_far, recorder.unrecorded_writes())
    cause = f"{outcome.cause} {context.attempt.number}"
    task = NodeTask(context.run_id, context.instance, cause, outcome.not_before)
    await engine.core.queue.enqueue([task])
    if outcome.not_before is not None:
        await look_again(engine.core, context.target)


async def _wait(engine: Engine, context: NodeContext, outcome: Outcome, recorder: NodeRecorder) -> None:
    """Let the node wait; what no document can hold cannot be asked, and fails the node."""
    try:
        await wait_for_people(engine, context, outcome, recorder)
    except DocumentTooLarge as error:
        failure = Failure("approval_too_large", f"what is to be asked does not fit into a document: {error.message}")
        await _finish(engine, context, replace(outcome, state=NodeState.FAILED, error=failure), recorder)


async def _finish(engine: Engine, context: NodeContext, outcome: Outcome, recorder: NodeRecorder) -> None:
    work = context.target.work
    if outcome.state is not NodeState.SUCCEEDED and isinstance(work, AgentWork):
        await take_up_children(engine, context, recorder, work.agent)
        await recorder.take_up_text()
        outcome = replace(outcome, usage=recorder.usage, text=outcome.text or recorder.shown)
    live = await recorder.final_writes()
    if outcome.state is not NodeState.SUCCEEDED:
        live += recorder.unrecorded_writes()
    outcome = replace(outcome, position=recorder.position, said=recorder.said)
    counts = await finish_node(engine, context, outcome, live)
    indices = spawned(None if outcome.items is None else len(outcome.items), outcome.next_index)
    await wake_successors(engine.core, context.target, indices, counts)
    if context.log is not None:
        await stop_rest(engine.core, context.target)
        await wake_next_run(engine.core, context.run)


async def _wake_again(engine: Engine, target: Target, node: NodeRun) -> None:
    """Check every successor of a node that had ended before, or whether one that waits still should.

    Whoever brought it there may have died before it looked.
    """
    if not is_terminal(node.state):
        await look_again(engine.core, target)
        return
    if not node.attempt:  # its run ended before anybody began it, so it has set nothing off but the next run
        if target.node is target.graph.entries[0]:
            await enqueue_next_run(engine.core, target.run)
        return
    await wake_successors(engine.core, target, indices_of(node), counts=None)
    if target.graph.ends_run(target.node.id):
        await stop_rest(engine.core, target)
        await wake_next_run(engine.core, target.run)


async def _read_item(engine: Engine, run: Run, name: NodeId, index: int) -> Item | None:
    documents, path = engine.core.documents, node_path(run.id, instance_of(name, run.epoch))

    async def read() -> list[Any] | None:
        fields = (await documents.get(path)).fields
        return None if fields is None else await read_items_of(documents, parse(NodeRun, fields))

    picked = await engine.lists.pick(path, index, read)
    return None if picked is None else Item(index, picked.count, picked.value)


async def _read_round(engine: Engine, run: Run, name: NodeId, index: int) -> Item | None:
    """A loop's round: its item is what the round before came to, which must have asked for it."""
    if index == 0:
        return Item(0, 1, None)
    snapshot = await engine.core.documents.get(node_path(run.id, instance_of(name, run.epoch, index - 1)))
    if snapshot.fields is None or snapshot.fields["next_index"] != index:
        return None
    (before,) = await read_outputs_of(engine.core.documents, [parse(NodeRun, snapshot.fields)])
    return Item(index, 1, before)
