"""Record what an agent does while it does it: journal, segments and events, each commit under the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from shared.domain.approvals import Request, uncertain_request
from shared.domain.decisions import Decision
from shared.domain.errors import FailedPrecondition, TooLarge
from shared.domain.events import Author, Event, action_content, call_content, result_content
from shared.domain.ids import Instance
from shared.domain.journal import (
    Journal,
    journal_path,
    record_intent,
    record_response,
    record_result,
    response_id,
    result_id,
)
from shared.domain.large_values import beginning_of, file_name, is_large, told_of
from shared.domain.plans import AgentWork, ToolWork
from shared.domain.records import render, to_json
from shared.domain.segments import first_try
from shared.domain.states import NodeState
from shared.domain.tools import Effect, ToolCall, ToolResult
from shared.domain.usage import NO_USAGE, Usage
from shared.domain.writes import Update, Write
from shared.ports.agent_runner import CallWaits, Forecast, StepResponse
from shared.ports.documents import Snapshot
from shared.ports.tools import Tool
from shared.usecases.nodes.attempt import YieldRequested
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.keep_value import keep_text
from shared.usecases.nodes.node_context import NodeContext
from shared.usecases.nodes.read_live_text import read_live_text
from shared.usecases.nodes.segment_writer import SegmentWriter


class UncertainCall(FailedPrecondition):
    """A tool call with an effect may or may not have happened, and the person who was asked gave it up."""

    code = "uncertain_tool_call"


@dataclass(frozen=True, slots=True)
class Answer:
    """A call's result, and what models consumed for it."""

    result: ToolResult
    usage: Usage = NO_USAGE


class NodeRecorder:
    """The runner's sink and tool caller for one node.

    A final answer is not committed by itself but with the node's end, which saves a round trip: no tool depends on it.
    Nor is the result of the one call that a tool's node makes: whoever takes the node over before its end finds what it
    would have found a moment earlier, a call that is safe to make again, or one of which nobody knows.
    """

    def __init__(self, engine: Engine, context: NodeContext, journal: Journal) -> None:
        """Go on where `journal` ends."""
        self._engine = engine
        self._context = context
        self._journal = journal
        self._journal_path = journal_path(context.run.id, context.instance)
        self._writer: SegmentWriter | None = None
        self._open = False
        self._held: StepResponse | None = None
        self._model: str | None = None
        self._messages = list(journal.messages)
        self._said = list(journal.said)
        self._usage = journal.usage
        self._one_at_a_time = asyncio.Lock()
        self._children: dict[str, NodeRecorder] = {}
        self._answered: set[str] = set()
        self._requests: dict[str, Request] = {}
        self._unrecorded: list[Write] = []

    @property
    def journal(self) -> Journal:
        """What earlier attempts recorded."""
        return self._journal

    @property
    def messages(self) -> tuple[str, ...]:
        """All model messages of the turn so far."""
        return tuple(self._messages)

    @property
    def usage(self) -> Usage:
        """What all attempts consumed, as far as it was recorded, and what open children did."""
        return sum((child.usage for child in self._children.values()), self._usage)

    @property
    def shown(self) -> str:
        """The text of the step that is not recorded; what is recorded has an event of its own."""
        return self._writer.text if self._writer is not None and self._open else ""

    @property
    def said(self) -> str | None:
        """What it has said so far, in all its steps, as much of it as a document holds; None if nothing."""
        return beginning_of("\n\n".join(filter(None, (*self._said, self.shown)))) or None

    async def begin(self, step: int, forecast: Forecast | None = None) -> int | None:
        """Start a step, or start it again: the earlier try is void."""
        await self._release_held()
        previous = self._writer
        if previous is not None:
            await previous.stop()
        self._context.allowance.drop(self)
        self._check_may_ask()
        longest = await self._context.purse.reserve(self, forecast or Forecast())
        try:
            self._check_may_ask()
        except BaseException:
            self._context.purse.settle(self, NO_USAGE)
            raise
        self._context.allowance.ask(self)
        again = previous is not None and previous.step == step
        try_ = previous.try_ + 1 if previous is not None and again else first_try(self._context.attempt.number)
        self._open_step(step, try_)
        return longest

    def _open_step(self, step: int, try_: int) -> SegmentWriter:
        attempt, owner = self._context.attempt, self._context.run.owner_uid
        self._writer, self._open = SegmentWriter(self._engine.core, attempt, owner, step, try_), True
        return self._writer

    async def take_up_text(self) -> None:
        """Take up what an earlier attempt had shown of the step that it did not record, for an end without going on.

        It becomes a try of this attempt, so that nothing counts which arrives late from the one before. An attempt
        that has begun a step has made that void, and a first one finds nothing.
        """
        attempt = self._context.attempt
        if self._writer is not None or attempt.number == 1:
            return
        step = self._journal.steps
        text = await read_live_text(self._engine.core.documents, attempt.run_id, attempt.instance, step)
        if text:
            self._open_step(step, first_try(attempt.number)).take_up(text)

    def _check_may_ask(self) -> None:
        """Ask whether a model may be asked now."""
        if self._context.attempt.is_yielding:
            raise YieldRequested
        self._context.allowance.check()
        self._context.attempt.check()

    async def text(self, delta: str) -> None:
        """Show more text."""
        if self._writer is not None and delta:
            self._context.purse.note_answer(self)
            self._writer.append(delta)
            if self._context.viewer is not None:
                self._context.viewer.text(self._writer.step, self._writer.try_, delta)

    async def respond(self, response: StepResponse) -> None:
        """Journal a response before its tools start; hold a final answer back for the node's end."""
        self._messages.extend(response.messages)
        self._usage += response.usage
        self._context.allowance.spend(self, response.usage)
        self._context.purse.settle(self, response.usage)
        self._held = response
        self._model = response.model_name
        if response.calls:
            await self._release_held()
            self._context.allowance.call(len(response.calls))

    async def _release_held(self) -> None:
        response, self._held = self._held, None
        if response is None:
            return
        entry = f"{self._journal_path}/{response_id(response.step)}"
        writes = await self.step_writes(response)
        event = self.step_event("agent", _content(response), response.step)
        await self._commit(writes, entry, replace(event, metadata={**event.metadata, **self._answered_by}))
        self._said.append(response.text)
        self._open = False

    async def step_writes(self, response: StepResponse) -> list[Write]:
        """The writes that complete a step: its last segments and its journal entry."""
        writes: list[Write] = []
        if self._writer is not None:
            self._writer.add_parts([call_content(call) for call in response.calls])
            writes += await self._writer.finish()
        recorded = record_response(self._journal_path, response.step, response.messages, response.text, response.usage)
        return [*writes, recorded]

    def unrecorded_writes(self) -> list[Write]:
        """The writes that record a result which waits for the node to be given up; a success says it itself."""
        return list(self._unrecorded)

    async def final_writes(self) -> list[Write]:
        """The writes that complete the live text of the step that ends the node; call it once.

        Children that are still open end with it: their work was stopped.
        """
        writes = await self._writer.finish() if self._writer is not None and self._open else []
        for path, child in self._children.items():
            ended = {"state": NodeState.CANCELLED, "completed_at": self._engine.core.clock.now(), "text": child.said}
            writes += [Update(path, ended | {"usage": render(child.usage)}), *await child.final_writes()]
        return writes

    def decided(self, request: Request) -> Decision:
        """What a person said; where nobody has yet, the node is to wait for it.

        Raises:
            CallWaits: nobody has said anything yet.
        """
        decision = self._journal.decisions.get(request.entry)
        if decision is None:
            self._requests[request.entry] = request
            raise CallWaits
        return decision

    def has_result(self, call: ToolCall) -> bool:
        """Whether the call's result is in the journal."""
        return result_id(call) in self._journal.results

    def requests(self) -> list[tuple[Instance, Request]]:
        """What the node and its open children ask of people, each with the instance that asks."""
        own = [(self._context.instance, request) for request in self._requests.values()]
        return [*own, *(asked for child in self._children.values() for asked in child.requests())]

    def waiting_writes(self) -> list[Write]:
        """The writes by which the open children wait as this node does."""
        writes: list[Write] = []
        for path, child in self._children.items():
            waiting = {"state": NodeState.WAITING, "usage": render(child.usage), "text": child.said}
            writes += [Update(path, waiting), *child.waiting_writes()]
        return writes

    def counts(self, entry: str) -> bool:
        """Whether the usage counts the call whose result has this journal id."""
        return entry in self._journal.results or entry in self._answered

    def charge(self, entry: str, usage: Usage) -> None:
        """Count what was consumed for a call."""
        self._answered.add(entry)
        self._usage += usage

    def child(self, path: str) -> NodeRecorder | None:
        """The recorder of an open child."""
        return self._children.get(path)

    def open_child(self, path: str, child: NodeRecorder) -> None:
        """Note that the node at `path` is executed below this one."""
        self._children[path] = child

    def close_child(self, path: str) -> None:
        """Note that the child at `path` has ended."""
        self._children.pop(path, None)

    @property
    def position(self) -> dict[str, Any]:
        """The step and try whose live text the node's end replaces; no try where every step has its event."""
        step = self._journal.steps - 1 if self._writer is None else self._writer.step
        try_ = self._writer.try_ if self._writer is not None and self._open else None
        return {"step": max(step, 0), "try": try_, **self._answered_by}

    @property
    def _answered_by(self) -> dict[str, Any]:
        """The model that answered last: it may be one that took another's place."""
        return {} if self._model is None else {"model": self._model}

    async def call(self, call: ToolCall, tool: Tool) -> ToolResult:
        """Answer a tool call from the journal, or execute and journal it.

        Raises:
            UncertainCall: an earlier attempt may have made the call.
        """

        async def execute() -> Answer:
            return Answer(await tool.call(call))

        return await self.answer(call, tool.spec.effect, execute)

    async def answer(self, call: ToolCall, effect: Effect, execute: Callable[[], Awaitable[Answer]]) -> ToolResult:
        """Answer a call from the journal, or by `execute`, whose result is journalled.

        Raises:
            CallWaits: the effect happens once, an earlier attempt may have made the call, and nobody knows yet.
            UncertainCall: the same, and who was asked gave the call up.
        """
        key = result_id(call)
        if key in self._journal.results:
            return self._journal.results[key]
        if effect is not Effect.ONCE:
            return await self._make(call, execute)
        earlier = self._journal.intents.get(key, 0)
        if earlier and (known := self._clear_up(call, earlier)) is not None:
            return await self._make(call, known)
        intent = record_intent(self._journal_path, call, earlier)
        with self._context.attempt.undivided():
            await self._commit([intent], intent.path)
            return await self._make(call, execute)

    def _clear_up(self, call: ToolCall, earlier: int) -> Callable[[], Awaitable[Answer]] | None:
        """What a person knows of a call that may have happened; None if it did not, so that it is to be made."""
        decision = self.decided(uncertain_request(call, earlier))
        if decision.verdict == "deny":
            raise UncertainCall(
                f"the call of {call.name} may have happened before the worker stopped, and was given up"
            )

        async def known() -> Answer:
            return Answer(ToolResult(decision.answer))

        return known if decision.verdict == "answer" else None

    async def _make(self, call: ToolCall, execute: Callable[[], Awaitable[Answer]]) -> ToolResult:
        """Execute a call and journal its result."""
        self._context.attempt.check()
        answer = await execute()
        result = await self._laid_aside(call, answer.result)
        self.charge(result_id(call), answer.usage + Usage(tool_calls=1))
        record = record_result(self._journal_path, call, result, answer.usage)
        if isinstance(self._context.target.work, ToolWork) and result.file is None:
            self._unrecorded = [record]
            return result
        event = self.step_event("tool", {"result": result_content(call, result)}, call.step)
        event = replace(event, actions=action_content(result))
        await self._commit([record], record.path, event)
        return result

    async def _laid_aside(self, call: ToolCall, result: ToolResult) -> ToolResult:
        """The result, in a file if it is too large for the journal; an agent is told where, and how it begins."""
        text = result.content if isinstance(result.content, str) else to_json(result.content)
        if not is_large(text):
            return result
        context, is_agents = self._context, isinstance(self._context.target.work, AgentWork)
        ending = "txt" if is_agents and isinstance(result.content, str) else "json"
        name = file_name(context.run_id, context.instance, result_id(call), ending)
        try:
            kept = text if ending == "txt" else to_json(result.content)
            file = await keep_text(self._engine.core, context, name, kept)
        except TooLarge as error:
            return ToolResult(f"The result of {call.name} is too large to be kept. {error.message}", is_error=True)
        return replace(result, content=told_of(text, file)) if is_agents else replace(result, file=file)

    def step_event(self, author: Author, content: dict[str, Any], step: int) -> Event:
        """An event about a step; it gets its number when it is appended."""
        try_ = self._writer.try_ if self._writer is not None and self._writer.step == step else None
        return Event(
            owner_uid=self._context.run.owner_uid,
            seq=0,
            run_id=self._context.run.id,
            author=author,
            created_at=self._engine.core.clock.now(),
            content=content,
            metadata={"instance": self._context.instance, "step": step, "try": try_},
        )

    async def close(self) -> None:
        """Stop writing in the background, children too."""
        for child in self._children.values():
            await child.close()
        if self._writer is not None:
            await self._writer.stop()

    async def _commit(self, writes: Sequence[Write], witness: str, event: Event | None = None) -> None:
        """Commit records together with their event; the document at `witness` shows that it was done."""
        log = self._context.log

        async def make() -> Sequence[Write]:
            return [*writes, *(log.writes(event) if log and event else ())]

        async def applied(_: Snapshot) -> bool:
            return (await self._engine.core.documents.get(witness)).exists

        async with self._one_at_a_time:
            await self._context.attempt.commit(make, applied)
            if log and event:
                numbered = log.appended(event)
                if self._context.viewer is not None:
                    self._context.viewer.event(numbered)


def _content(response: StepResponse) -> dict[str, Any]:
    content: dict[str, Any] = {"text": response.text}
    if response.calls:
        content["calls"] = [call_content(call) for call in response.calls]
    return content
