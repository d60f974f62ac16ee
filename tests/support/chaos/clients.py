"""The people of a schedule: each request is a process of its own, which may die like any other."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial

from shared.domain.approvals import Approval, ApprovalKind
from shared.domain.decisions import Decision
from shared.domain.ids import ApprovalId, RunId
from shared.domain.records import from_json
from shared.domain.states import RunState, is_terminal
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.get_approval import get_approval
from shared.usecases.nodes.give_way import give_way
from shared.usecases.runs.cancel_run import cancel_run
from shared.usecases.runs.pause_run import pause_run, resume_run
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from shared.usecases.runs.start_run import RunRequest, StartedRun, start_run
from shared.usecases.sessions.answer_message import Turn, answer_message
from shared.usecases.sessions.turn_updates import Update
from tests.support.chaos.definitions import ANN, SESSION
from tests.support.chaos.network import NetworkDocuments
from tests.support.chaos.processes import Process
from tests.support.chaos.requests import Requests
from tests.support.chaos.scenario import (
    Action,
    Cancel,
    Fork,
    Message,
    Pause,
    Regenerate,
    Replay,
    Retry,
    Shutdown,
    Store,
)
from tests.support.chaos.second_thoughts import SecondThoughts
from tests.support.chaos.world import World

TRIES = 6
DENIED_SHARE = 0.2
"""Of what people are asked, how much they deny."""


@dataclass(slots=True)
class Reading:
    """What the client of a chat was told; `whole` if it read up to the end."""

    run_id: RunId
    updates: list[Update] = field(default_factory=list[Update])
    whole: bool = False


class Clients:
    """Everybody who calls from outside."""

    def __init__(self, world: World, items: int) -> None:
        self._world = world
        self._items = items
        self._requests = Requests(world)
        self._second_thoughts = SecondThoughts(world, self._requests)
        self.present = 0
        self.readings: list[Reading] = []

    def plan(self, actions: tuple[Action, ...]) -> None:
        """Have each action happen at its time."""
        for action in actions:
            self.present += 1
            self._world.loop.at(action.at, self._begin, action)

    def _begin(self, action: Action) -> None:
        match action:
            case Message():
                work = self._say(action)
            case Cancel():
                work = self._cancel(action)
            case Pause():
                work = self._pause(action)
            case Retry():
                work = self._retry(action)
            case Replay() | Regenerate() | Fork() | Store():
                work = self._second_thoughts.have(action)
            case Shutdown():
                work = self._shut_down(action)
        self._world.spawn(work).add_done_callback(self._end)

    def _end(self, done: asyncio.Task[None]) -> None:
        self.present -= 1
        error = None if done.cancelled() else done.exception()
        if error is not None:
            self._world.violation(f"a client ended in {error!r}")

    async def _say(self, message: Message) -> None:
        for _ in range(TRIES if message.has_key else 1):
            process = self._world.process("chat" if message.chat else "runs")
            done = await (self._chat(process, message) if message.chat else self._start(process, message))
            if done:
                return
            await self._requests.wait(self._world.random.uniform(0.1, 5))

    def _request(self, message: Message) -> RunRequest:
        return RunRequest(
            caller=ANN,
            input={"text": message.text, "items": list(range(self._items))},
            agent_id=None if message.session else self._world.definition.agent_id,
            session_id=SESSION if message.session else None,
            if_busy=message.if_busy,
            idempotency_key=message.text if message.has_key else None,
        )

    async def _start(self, process: Process, message: Message) -> bool:
        owner = self._world.monitor.owners.get(SESSION)
        started = await self._requests.settle(process, start_run(self._world.core(process), self._request(message)))
        if isinstance(started, StartedRun):
            self._check_interrupt(message, started.run.id, owner)
        return started is not None

    async def _chat(self, process: Process, message: Message) -> bool:
        owner = self._world.monitor.owners.get(SESSION)
        turn = await self._requests.settle(process, answer_message(self._world.engine(process), self._request(message)))
        if isinstance(turn, Turn):
            self._check_interrupt(message, turn.run.id, owner)
            await self._read(process, turn, message)
        return turn is not None

    async def _read(self, process: Process, turn: Turn, message: Message) -> None:
        reading = Reading(turn.run.id)
        self.readings.append(reading)
        reader = process.spawn(_collect(turn, reading))
        await asyncio.wait({reader}, timeout=message.leaves_after)
        reader.cancel()
        await asyncio.wait({reader})
        await self._requests.settle(process, turn.leave(message.grace_seconds))

    async def _cancel(self, cancel: Cancel) -> None:
        monitor = self._world.monitor
        for _ in range(TRIES):
            run_id = monitor.latest_of_message.get(cancel.text)
            if run_id is not None:
                process = self._world.process("cancel")
                run = await self._requests.settle(process, cancel_run(self._world.core(process), ANN, run_id))
                if run is not None:
                    monitor.cancelled(run_id)
                    return
            await self._requests.wait(self._world.random.uniform(0.1, 2))

    async def _pause(self, pause: Pause) -> None:
        """Who pauses a run resumes it, and asks until it is told that it goes on, and it does."""
        monitor = self._world.monitor
        for _ in range(TRIES):
            run_id = monitor.latest_of_message.get(pause.text)
            process = self._world.process("pause")
            work = None if run_id is None else pause_run(self._world.core(process), ANN, run_id)
            if run_id is not None and work is not None and await self._requests.settle(process, work) is not None:
                monitor.paused(run_id)
                break
            await self._requests.wait(self._world.random.uniform(0.1, 2))
        await self._requests.wait(pause.seconds)
        resumed = (run_id := monitor.latest_of_message.get(pause.text)) is None
        while not resumed and run_id is not None:
            monitor.resumed(run_id)
            process = self._world.process("resume")
            resuming = resume_run(self._world.core(process), ANN, run_id)
            resumed = await self._requests.settle(process, resuming) is not None
            await self._requests.wait(self._world.random.uniform(0.1, 2))
            while self._world.under_way:
                await self._requests.wait(1.0)  # a pause that was given up may still arrive
            resumed = resumed and not monitor.runs[run_id].is_paused

    async def _retry(self, retry: Retry) -> None:
        """Who retries a run asks until they are answered."""
        for time in range(retry.times):
            run_id = await self._failed(retry.text)
            if run_id is None:
                return
            key = f"retry {time} of {retry.text}"
            request = RepeatRequest(ANN, run_id, "retry", if_busy=retry.if_busy, idempotency_key=key)
            answered = await self._requests.answer("retry", partial(repeat_run, request=request))
            if not isinstance(answered, StartedRun):
                return

    async def _failed(self, text: str) -> RunId | None:
        """The latest run of a message, once it has failed or is cancelled; None if that does not come to pass."""
        monitor = self._world.monitor
        for _ in range(TRIES):
            run_id = monitor.latest_of_message.get(text)
            if run_id is not None and monitor.runs[run_id].state in {RunState.FAILED, RunState.CANCELLED}:
                return run_id
            await self._requests.wait(self._world.random.uniform(0.1, 20))
        return None

    def answer_people(self) -> None:
        """Somebody looks into the inbox and answers what they can."""
        for approval_id in self._world.monitor.pending:
            self.present += 1
            self._world.spawn(self._decide(approval_id)).add_done_callback(self._end)

    async def _decide(self, approval_id: ApprovalId) -> None:
        world = self._world
        process = world.process("people")
        approval = await self._requests.settle(
            process, get_approval(NetworkDocuments(world, process), ANN, approval_id)
        )
        decision = self._decision(approval) if isinstance(approval, Approval) else None
        if decision is not None:
            await self._requests.settle(process, decide_approval(world.core(process), ANN, approval_id, decision))

    def _decision(self, approval: Approval) -> Decision | None:
        """What somebody says who knows what happened; nothing while it still may happen."""
        random = self._world.random
        if approval.kind is not ApprovalKind.UNCERTAIN:
            verdict = "answer" if approval.kind is ApprovalKind.QUESTION else "approve"
            return Decision("deny", reason="no") if random.random() < DENIED_SHARE else Decision(verdict, answer="yes")
        happened = self._world.monitor.happened(approval.run_id, approval.instance, approval.call_id)
        if happened is None:
            return None
        if random.random() < DENIED_SHARE:
            return Decision("deny")
        return (
            Decision("answer", answer=from_json(approval.arguments_json)["value"]) if happened else Decision("approve")
        )

    async def _shut_down(self, shutdown: Shutdown) -> None:
        """An instance is told to stop; what it holds must go on elsewhere."""
        process, engine = self._world.worker()
        self._world.note(process.name, "SIGTERM")
        await self._requests.settle(process, give_way(engine, shutdown.grace_seconds))
        await self._requests.wait(1.0)
        self._world.note(process.name, "SIGKILL")
        process.crash()

    def _check_interrupt(self, message: Message, run_id: RunId, owner: RunId | None) -> None:
        """Whoever interrupts and is told to wait waits for a run that was told to stop."""
        monitor = self._world.monitor
        if message.if_busy != "interrupt" or not message.session or owner is None or owner == run_id:
            return
        run = monitor.runs[run_id]
        if not run.entered and not is_terminal(run.state) and monitor.owners.get(SESSION) == owner:
            monitor.cancelled(owner)


async def _collect(turn: Turn, reading: Reading) -> None:
    updates = turn.updates()
    async for update in updates:
        reading.updates.append(update)
    reading.whole = True
