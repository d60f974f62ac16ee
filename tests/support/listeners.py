"""Listeners of both kinds, whose every picture is kept: the Python one, and the web SDK's in Node.

Both tell the same pictures: of a run its state and its nodes' texts, of a session its events and the live text.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from scripts.local.listener import Listener, emulator_channels
from scripts.local.paths import ROOT
from scripts.local.run_view import RunView, SessionView
from scripts.local.watch import ListenRefused, RunWatch, SessionWatch
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.domain.ids import Instance, RunId
from shared.domain.segments import segments_path
from shared.ports.documents import Query
from tests.support.polling import PATIENCE_SECONDS

Picture: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class SignedIn:
    """A person, and what proves who it is to the Python listener and to the web SDK."""

    uid: str
    token: str
    web: Mapping[str, Any]


@dataclass(frozen=True)
class Place:
    """The database to listen to; `firestore` is the emulator's address, or a proxy's before it."""

    project: str
    firestore: str


class Pictures:
    """What one listener showed, in order, and how it ended."""

    def __init__(self) -> None:
        self.all: list[Picture] = []
        self.refused: str | None = None
        self.ended: str | None = None
        self._news = asyncio.Event()

    def show(self, picture: Picture) -> None:
        self.all.append(picture)
        self._news.set()

    def refuse(self, reason: str) -> None:
        self.refused = reason
        self._news.set()

    def end(self, reason: str) -> None:
        """Nothing more will be shown."""
        self.ended = reason
        self._news.set()

    async def until(self, wanted: Callable[[Picture], bool]) -> Picture:
        """The first picture from now on, or the last one so far, that is as wanted."""
        seen = max(len(self.all) - 1, 0)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                for picture in self.all[seen:]:
                    if wanted(picture):
                        return picture
                seen = len(self.all)
                assert self.refused is None, self.refused
                assert self.ended is None, self.ended
                await self._news.wait()
                self._news.clear()

    async def refusal(self) -> str:
        """Why the rules refused the listener."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while self.refused is None:
                assert self.ended is None, self.ended
                await self._news.wait()
                self._news.clear()
        return self.refused

    def texts(self, instance: str = "main~0") -> list[str]:
        """Every text that was shown of a node, or of a session's turn."""
        texts = [
            picture["nodes"].get(instance, {}).get("text", "") if "nodes" in picture else picture["live"]
            for picture in self.all
        ]
        return [text for at, text in enumerate(texts) if at == 0 or text != texts[at - 1]]


class Follow(Protocol):
    """One of the two ways to listen."""

    def __call__(
        self,
        place: Place,
        person: SignedIn,
        *,
        run: str = "",
        session: str = "",
        owner: str | None = None,
        after: int = 0,
    ) -> Any:
        """A context in which the pictures of a run or of a session gather."""
        ...


@asynccontextmanager
async def follow_in_python(
    place: Place, person: SignedIn, *, run: str = "", session: str = "", owner: str | None = None, after: int = 0
) -> AsyncGenerator[Pictures, None]:
    """Follow with the Python listener."""
    pictures = Pictures()
    owner = owner or person.uid

    async def gather(listener: Listener) -> None:
        try:
            if run:
                async with RunWatch(listener, run, owner) as watch:
                    await _keep(watch.changes(), show_run, pictures)
            else:
                async with SessionWatch(listener, session, owner, after=after) as watch:
                    await _keep(watch.changes(), show_session, pictures)
            pictures.end("the run is whole")
        except ListenRefused as refusal:
            pictures.refuse(str(refusal) or "refused")
        except Exception as error:
            pictures.end(repr(error))
            raise

    channels = emulator_channels(place.firestore)
    async with Listener(channels, place.project, lambda: person.token) as listener:
        gathering = asyncio.create_task(gather(listener))
        try:
            yield pictures
        finally:
            gathering.cancel()
            await asyncio.gather(gathering, return_exceptions=True)


@asynccontextmanager
async def follow_in_node(
    place: Place, person: SignedIn, *, run: str = "", session: str = "", owner: str | None = None, after: int = 0
) -> AsyncGenerator[Pictures, None]:
    """Follow with the web client, in Node."""
    wanted = {"run": run} if run else {"session": session, "after": after}
    asked = {"project": place.project, "firestore": place.firestore, "owner": owner, **wanted, **person.web}
    process = await asyncio.create_subprocess_exec(
        "node",
        str(ROOT / "tests/web/follow.mjs"),
        json.dumps(asked),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "")},
        stdout=asyncio.subprocess.PIPE,
        limit=2**26,
    )
    pictures = Pictures()
    started = asyncio.Event()

    async def gather() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            told = json.loads(line)
            if "refused" in told:
                pictures.refuse(told["refused"])
            elif "uid" in told:
                started.set()
            else:
                pictures.show(told)
        pictures.end(f"the page ended with {await process.wait()}")

    gathering = asyncio.create_task(gather())
    try:
        await asyncio.wait_for(started.wait(), PATIENCE_SECONDS)
        yield pictures
    finally:
        if process.returncode is None:
            process.kill()
        await gathering
        await process.wait()


async def _keep(changes: AsyncIterator[Any], show: Callable[[Any], Picture], pictures: Pictures) -> None:
    async for view in changes:
        pictures.show(show(view))


def show_run(view: RunView) -> Picture:
    """A run's picture."""
    nodes = {
        instance: {"state": node.state, "text": node.text, "complete": node.stream.complete}
        for instance, node in view.nodes.items()
    }
    return {"state": view.state, "whole": view.whole, "nodes": nodes}


def show_session(view: SessionView) -> Picture:
    """A session's picture."""
    return {"live": view.live_text, "run_id": view.run_id, "events": [dict(event) for event in view.log]}


async def stored_segments(place: Place, run: str, instance: str) -> list[Mapping[str, Any]]:
    """The segments of a node as they are stored, in order; nobody need be signed in."""
    documents = FirestoreDocuments(place.project)
    try:
        found = await documents.query(Query(segments_path(RunId(run), Instance(instance))))
    finally:
        await documents.close()
    return [segment.fields for segment in sorted(found, key=lambda one: one.id) if segment.fields]
