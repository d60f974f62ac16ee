"""The main job: people register, one of them talks with an agent, and a graph of agents reviews a folder."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown

from scripts.local.api import Api, Person, api_client
from scripts.local.demo_files import TextFile
from scripts.local.demo_screen import Speech, cost_of, node_table, row_of, seconds_of, turn_error
from scripts.local.listener import Listener, emulator_channels
from scripts.local.paths import ROOT
from scripts.local.run_view import RunView
from scripts.local.watch import ListenRefused, RunWatch, SessionWatch

RESEARCH_AGENT = ROOT / "tests" / "data" / "research-agent.yaml"
REVIEW_AGENT = Path(__file__).with_name("demo_review.yaml")
ABSTRACT = """\
Forty looms were observed over two winters. Cloth woven beside a warm fire had nine percent fewer broken threads.
Dry thread is brittle, and the fires were tended with a kettle on them.
In summer the effect vanished."""
TURNS = (
    f"Here is an abstract:\n\n{ABSTRACT}\n\nWhat did they find about broken threads?",
    "And what became of the effect in summer?",
)
_REFRESHES_PER_SECOND = 8
_CONCURRENT_UPLOADS = 8
_TURN_SECONDS = 300
_GRAPH_SECONDS = 1800


class DemoFailed(RuntimeError):
    """The job did not come to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the stack is."""

    api: str
    firestore: str
    project: str


class Job:
    """The job's steps, for one person who is signed in and listens. Use as a context."""

    def __init__(self, addresses: Addresses, console: Console, model: str) -> None:
        """Prepare; `model` is `provider:model` and replaces that of every definition."""
        self._addresses = addresses
        self._console = console
        self._model = model
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Register two people, and listen as each of them."""
        self.ada, self._ada_listens = await self._join("ada")
        self.grace, self._grace_listens = await self._join("grace")
        return self

    async def __aexit__(self, *error: object) -> None:
        """Stop listening."""
        await self._open.aclose()

    async def converse(self) -> None:
        """Hold the two-turn conversation with the research agent; the other person may not listen."""
        definition = yaml.safe_load(RESEARCH_AGENT.read_text("utf-8"))
        agent_id = await self.ada.create_agent({**definition, "model": self._model})
        self._step(f"agent {definition['name']} on {self._model}")
        session_id = await self.ada.open_session(agent_id)
        async with SessionWatch(self._ada_listens, session_id, _uid(self.ada)) as watch, asyncio.timeout(_TURN_SECONDS):
            await anext(watch.changes())  # listens, to an empty log
            for text in TURNS:
                run_id = await self.ada.start_run(session_id, text)
                self._console.print(f"\n[bold cyan]you[/bold cyan]    {text}\n[bold green]agent[/bold green]  ", end="")
                speech = Speech(self._console, run_id)
                async for view in watch.changes():
                    if speech.show(view):
                        break
                if error := turn_error(watch.view, run_id):
                    raise DemoFailed(f"the agent's turn failed: {error}")
        await self._show_refusal(session_id)

    async def review(self, files: Sequence[TextFile]) -> str:
        """Run the graph over the files; the review that it wrote."""
        definition = yaml.safe_load(REVIEW_AGENT.read_text("utf-8"))
        agent_id = await self.ada.create_agent({**definition, "model": self._model})
        session_id = await self.ada.open_session(agent_id)
        await self._upload(session_id, files)
        self._step(f"{len(files)} files are in the session's workspace; the graph starts")
        run_id = await self.ada.start_run(session_id, "Review these files.")
        async with RunWatch(self._ada_listens, run_id, _uid(self.ada)) as watch, asyncio.timeout(_GRAPH_SECONDS):
            view = await self._show_progress(watch)
        if view.state != "succeeded":
            error: Any = view.fields.get("error") or {}
            raise DemoFailed(f"the graph {view.state}: {error.get('code')}: {error.get('message')}")
        self._step(
            f"{len(view.nodes)} nodes in {seconds_of(view.fields):.1f} s, {cost_of(view.fields.get('usage'))}: "
            f"run {run_id}"
        )
        return (await self.ada.get_file(session_id, "review.md")).decode()

    def show_review(self, review: str, path: Path) -> None:
        """Save the review and show its beginning."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(review, "utf-8")
        lines = review.splitlines()
        shown = lines[: _lines_shown(self._console)]
        self._console.print(Markdown("\n".join(shown)))
        left = len(lines) - len(shown)
        self._step(f"saved {path}" + (f" ({left} more lines)" if left else ""))

    async def _join(self, name: str) -> tuple[Api, Listener]:
        api = Api(await self._open.enter_async_context(api_client(self._addresses.api)))
        person = await api.register(f"{name}-{secrets.token_hex(3)}", secrets.token_urlsafe(16))
        self._step(f"{person.username} registered, with the role {person.role} from the blocking hook")
        listener = Listener(emulator_channels(self._addresses.firestore), self._addresses.project, lambda: person.token)
        return api, await self._open.enter_async_context(listener)

    async def _show_refusal(self, session_id: str) -> None:
        async with SessionWatch(self._grace_listens, session_id, _uid(self.ada)) as watch:
            try:
                async with asyncio.timeout(_TURN_SECONDS):
                    async for _ in watch.changes():
                        raise DemoFailed("somebody else could listen to the session: the rules are not in force")
            except ListenRefused:
                self._step(f"{_person(self.grace).username} tried to listen, and the rules refused")

    async def _upload(self, session_id: str, files: Sequence[TextFile]) -> None:
        turns = asyncio.Semaphore(_CONCURRENT_UPLOADS)

        async def put(file: TextFile) -> None:
            async with turns:
                await self.ada.put_file(session_id, file.path, file.content)

        await asyncio.gather(*map(put, files))

    async def _show_progress(self, watch: RunWatch) -> RunView:
        if not self._console.is_terminal:
            return await self._print_progress(watch)
        height = self._console.height
        with Live(console=self._console, refresh_per_second=_REFRESHES_PER_SECOND) as live:

            async def tick() -> None:
                while True:
                    live.update(node_table(watch.view, height))
                    await asyncio.sleep(1 / _REFRESHES_PER_SECOND)

            ticking = asyncio.create_task(tick())
            try:
                async for _ in watch.changes():
                    pass
            finally:
                ticking.cancel()
            live.update(node_table(watch.view, height))
        return watch.view

    async def _print_progress(self, watch: RunWatch) -> RunView:
        """One line for each state that a node takes."""
        shown: dict[str, tuple[str, int]] = {}
        async for view in watch.changes():
            for instance, node in view.nodes.items():
                stand = (node.state, node.fields.get("attempt", 0))
                if node.fields and shown.get(instance) != stand:
                    shown[instance] = stand
                    label, state, attempt, time, cost = row_of(node)
                    self._console.print(f"{label}: {state}, attempt {attempt}, {time}, {cost}", markup=False)
        return watch.view

    def _step(self, text: str) -> None:
        self._console.print(f"[bold]•[/bold] {text}", highlight=False)


def _person(api: Api) -> Person:
    assert api.person is not None  # noqa: S101 - everybody here has registered
    return api.person


def _uid(api: Api) -> str:
    return _person(api).uid


def _lines_shown(console: Console) -> int:
    return max(console.height - 10, 20) if console.is_terminal else 20
