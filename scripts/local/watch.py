"""Follows a run or a session through a listener, as `web/watch.js` does in a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeAlias

from scripts.local.listener import Listener, ListenRefused, One, Owned, Subscription
from scripts.local.run_view import RunView, SessionView

Take: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Takes in a changed document: its id and fields."""


class _Readers:
    """Tasks that read one subscription each, and the news that they bring."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._running: dict[str, tuple[Subscription, asyncio.Task[None]]] = {}
        self._news = asyncio.Event()
        self._failure: BaseException | None = None

    def read(self, wanted: One | Owned, take: Take) -> None:
        """Read from now on, unless that is done already."""
        key = wanted.path if isinstance(wanted, One) else wanted.collection
        if key not in self._running:
            subscription = self._listener.subscribe(wanted)
            task = asyncio.create_task(self._follow(subscription, take))
            self._running[key] = (subscription, task)

    def stop(self, prefix: str) -> None:
        """Read what is below `prefix` no more."""
        for key in [key for key in self._running if key.startswith(prefix)]:
            subscription, task = self._running.pop(key)
            self._listener.unsubscribe(subscription)
            task.cancel()

    async def news(self) -> None:
        """Return once something changed.

        Raises:
            ListenRefused: a subscription was refused.
        """
        await self._news.wait()
        self._news.clear()
        if self._failure is not None:
            raise self._failure

    async def close(self) -> None:
        """End all reading."""
        tasks = [task for _, task in self._running.values()]
        self.stop("")
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self, subscription: Subscription, take: Take) -> None:
        try:
            async for batch in subscription.batches():
                for path, fields in batch.items():
                    take(path.rpartition("/")[2], fields)
                self._news.set()
        except Exception as failure:  # noqa: BLE001 - raised where the news are awaited
            self._failure = failure
            self._news.set()


class RunWatch:
    """Follows one run: `view` is kept up to date inside the context, `changes` tells of it."""

    def __init__(self, listener: Listener, run_id: str, owner_uid: str) -> None:
        """Prepare; enter it as a context to start."""
        self.view = RunView()
        self._readers = _Readers(listener)
        self._run_id = run_id
        self._owner_uid = owner_uid

    async def __aenter__(self) -> Self:
        """Start to follow."""
        follow_run(self._readers, self._run_id, self._owner_uid, self.view)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self._readers.close()

    async def changes(self) -> AsyncIterator[RunView]:
        """The view after each change, up to the one in which the run and all its nodes have ended.

        Raises:
            ListenRefused: the rules refuse it, now or from now on; the view is empty then.
        """
        while True:
            try:
                await self._readers.news()
            except ListenRefused:
                self.view = RunView()
                raise
            yield self.view
            if self.view.ended:
                return


class SessionWatch:
    """Follows one session, and the run whose turn is not complete."""

    def __init__(self, listener: Listener, session_id: str, owner_uid: str, *, after: int = 0) -> None:
        """Prepare; enter it as a context to start. Events up to `after` are left out."""
        self.view = SessionView()
        self._readers = _Readers(listener)
        self._owner_uid = owner_uid
        self._events = Owned(f"sessions/{session_id}/events", owner_uid, f"{after:012}")

    async def __aenter__(self) -> Self:
        """Start to follow."""
        self._readers.read(self._events, self._take_event)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        await self._readers.close()

    async def changes(self) -> AsyncIterator[SessionView]:
        """The view after each change, without end.

        Raises:
            ListenRefused: the rules refuse it, now or from now on; the view is empty then.
        """
        while True:
            try:
                await self._readers.news()
            except ListenRefused:
                self.view = SessionView()
                raise
            yield self.view

    def _take_event(self, _: str, fields: Mapping[str, Any]) -> None:
        before = self.view.run_id
        self.view.take(fields)
        if self.view.run_id != before:
            self._readers.stop("runs/")
            if self.view.run_id is not None:
                follow_run(self._readers, self.view.run_id, self._owner_uid, self.view.run)


def follow_run(readers: _Readers, run_id: str, owner_uid: str, view: RunView) -> None:
    """Keep `view` up to date: the run, its nodes, and the segments of those that run."""

    def take_run(_: str, fields: Mapping[str, Any]) -> None:
        view.fields = fields

    def take_node(instance: str, fields: Mapping[str, Any]) -> None:
        node = view.node(instance)
        node.take(fields)
        segments = f"runs/{run_id}/nodes/{instance}/segments"
        if node.state == "running":
            readers.read(Owned(segments, owner_uid), lambda _, segment: node.take_segment(segment))
        elif node.state == "succeeded":
            readers.stop(segments)

    readers.read(One(f"runs/{run_id}"), take_run)
    readers.read(Owned(f"runs/{run_id}/nodes", owner_uid), take_node)
