"""People who come back to what has ended: they replay a run, have a message answered again, or fork a session."""

from __future__ import annotations

from functools import partial

from shared.domain.errors import SessionBusy
from shared.domain.ids import NodeId, SessionId
from shared.domain.plans import END
from shared.domain.records import to_json
from shared.domain.sessions import Session
from shared.domain.states import is_terminal
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from shared.usecases.runs.start_run import RunRequest, start_run
from shared.usecases.sessions.fork_session import ForkRequest, fork_session
from shared.usecases.sessions.regenerate_answer import RegenerateRequest, regenerate_answer
from tests.support.chaos.definitions import ANN, SESSION
from tests.support.chaos.monitor import WatchedRun
from tests.support.chaos.requests import Requests
from tests.support.chaos.scenario import Fork, Regenerate, Replay, Store
from tests.support.chaos.world import World

TRIES = 10


class SecondThoughts:
    """Those who do so."""

    def __init__(self, world: World, requests: Requests) -> None:
        self._world = world
        self._requests = requests

    async def have(self, thought: Replay | Regenerate | Fork | Store) -> None:
        """Do what they think of."""
        match thought:
            case Replay():
                await self._replay(thought)
            case Regenerate():
                await self._regenerate(thought)
            case Fork():
                await self._fork(thought)
            case Store():
                await self._store(thought)

    async def _replay(self, replay: Replay) -> None:
        """Do a node again, with what comes after it; on another input, perhaps."""
        run = await self._ended(replay.text)
        if run is None:
            return
        nodes = [node.id for node in self._world.definition.graph.plan.nodes if node.id != END]
        node = NodeId(nodes[int(replay.place * len(nodes))])
        given = None
        if replay.items is not None:
            given = {"text": f"{replay.text} again", "items": list(range(replay.items))}
            self._world.monitor.edited[run.id, "replay"] = to_json(given)
        key = f"replay of {replay.text}"
        request = RepeatRequest(ANN, run.id, "replay", node, given, if_busy=replay.if_busy, idempotency_key=key)
        await self._requests.answer("replay", partial(repeat_run, request=request))

    async def _regenerate(self, regenerate: Regenerate) -> None:
        """Have the session's last message answered again, as soon as nothing is going on there."""
        run = await self._ended(regenerate.text)
        if run is None:
            return
        await self._answer_again(run.session_id)

    async def _answer_again(self, session_id: SessionId) -> None:
        request = RegenerateRequest(ANN, session_id, f"another answer in {session_id}")
        for _ in range(TRIES):
            answered = await self._requests.answer("regenerate", partial(regenerate_answer, request=request))
            if not isinstance(answered, SessionBusy):
                return
            await self._requests.wait(self._world.random.uniform(0.1, 20))

    async def _fork(self, fork: Fork) -> None:
        """Copy the session as it was, and go on in the copy; who asks without a key may leave half of it."""
        log = self._world.monitor.conversations[SESSION].events
        at_seq = None if fork.place is None else int(fork.place * (len(log) + 1))
        request = ForkRequest(ANN, SESSION, at_seq, "fork" if fork.has_key else None)
        if fork.has_key:
            forked = await self._requests.answer("fork", partial(fork_session, request=request))
        else:
            process = self._world.process("fork")
            forked = await self._requests.settle(process, fork_session(self._world.core(process), request))
        if isinstance(forked, Session):
            await self._go_on(fork, forked)

    async def _go_on(self, fork: Fork, forked: Session) -> None:
        """Say something in a fork, or have its last message answered again."""
        monitor = self._world.monitor
        if forked.id not in monitor.forks.seen:
            self._world.violation(f"somebody is told of the fork {forked.id}, and nobody sees it")
        elif fork.says or not monitor.conversations[forked.id].events:
            request = RunRequest(
                ANN, {"text": "f0", "items": [0, 1]}, session_id=forked.id, idempotency_key="said in the fork"
            )
            await self._requests.answer("runs", partial(start_run, request=request))
        else:
            await self._answer_again(forked.id)

    async def _store(self, store: Store) -> None:
        file = NewArtifact(SESSION, ANN, "notes.txt", store.content.encode(), ANN)
        await self._requests.answer("files", lambda core: put_artifact(core.documents, core.clock, file))

    async def _ended(self, text: str) -> WatchedRun | None:
        """The latest run of a message, once it has ended; None if that does not come to pass soon."""
        monitor = self._world.monitor
        for _ in range(TRIES):
            run_id = monitor.latest_of_message.get(text)
            if run_id is not None and is_terminal(monitor.runs[run_id].state):
                return monitor.runs[run_id]
            await self._requests.wait(self._world.random.uniform(0.1, 20))
        return None
