"""Follows a run or a session through a listener, as `web/watch.js` does in a page."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeAlias

from scripts.local.listener import Listener, One, Owned, Subscription
from scripts.local.run_view import NodeView, RunView, SessionView

Batch: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The fields of changed documents, by id."""


class ListenRefused(Exception):
    """The rules do not let this person read what is to be followed."""


class Following:
    """The subscriptions of one following, by path: all end together, and with the first that is refused."""

    def __init__(self, listener: Listener, owner_uid: str) -> None:
        """Start with none; `owner_uid` is whose documents are followed."""
        self.owner_uid = owner_uid
        self._listener = listener
        self._open: dict[str, tuple[Subscription, Callable[[Batch], None]]] = {}
        self._news = asyncio.Event()
        self._refusal: str | None = None

    def document(self, path: str, take: Callable[[Batch], None]) -> None:
        """Follow one document, unless that is done already."""
        self._subscribe(path, One(path), take)

    def owned(self, path: str, take: Callable[[Batch], None], *, after: str | None = None) -> None:
        """Follow the owner's documents of one collection, unless that is done already."""
        self._subscribe(path, Owned(path, self.owner_uid, after), take)

    def again(self, path: str, take: Callable[[Batch], None]) -> None:
        """Follow the owner's documents of one collection anew: all that there are now; not what is below it."""
        if path in self._open:
            subscription, _ = self._open.pop(path)
            self._listener.unsubscribe(subscription)
        self.owned(path, take)

    def end(self, prefix: str = "") -> None:
        """Follow what is at and below a path no more."""
        for path in [path for path in self._open if path.startswith(prefix)]:
            subscription, _ = self._open.pop(path)
            self._listener.unsubscribe(subscription)

    @property
    def has_news(self) -> bool:
        """Whether something changed since `news` returned."""
        return self._news.is_set()

    async def news(self) -> None:
        """Return once something changed.

        Raises:
            ListenRefused: a subscription was refused; all have ended.
        """
        await self._news.wait()
        self._news.clear()
        if self._refusal is not None:
            raise ListenRefused(self._refusal)

    def take(self, path: str, documents: Batch) -> None:
        """Hand documents to whoever follows their path, and let whoever waits for news look."""
        if path in self._open:
            self._open[path][1](documents)
            self._news.set()

    def refused(self, reason: str) -> None:
        """End everything."""
        self.end()
        self._refusal = reason
        self._news.set()

    def _subscribe(self, path: str, wanted: One | Owned, take: Callable[[Batch], None]) -> None:
        if path not in self._open and self._refusal is None:
            self._open[path] = (self._listener.subscribe(wanted, self), take)


class RunWatch:
    """Follows one run: `view` is kept up to date inside the context, `changes` tells of it."""

    def __init__(self, listener: Listener, run_id: str, owner_uid: str) -> None:
        """Prepare; enter it as a context to start."""
        self.view = RunView()
        self._run_id = run_id
        self._following = Following(listener, owner_uid)

    async def __aenter__(self) -> Self:
        """Start to follow."""
        _follow(self._following, self._run_id, self.view)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._following.end()

    async def changes(self) -> AsyncIterator[RunView]:
        """The view after each change, up to the one that is whole.

        Raises:
            ListenRefused: the rules refuse it, now or from now on; the view is empty then.
        """
        while self._following.has_news or not self.view.whole:
            try:
                await self._following.news()
            except ListenRefused:
                self.view = RunView()
                raise
            yield self.view


class SessionWatch:
    """Follows one session, and the run whose turn is not complete."""

    def __init__(self, listener: Listener, session_id: str, owner_uid: str, *, after: int = 0) -> None:
        """Prepare; enter it as a context to start. Events up to `after` are left out."""
        self.view = SessionView()
        self._following = Following(listener, owner_uid)
        self._events = f"sessions/{session_id}/events"
        self._after = f"{after:012}"

    async def __aenter__(self) -> Self:
        """Start to follow."""
        self._following.owned(self._events, self._take_events, after=self._after)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self._following.end()

    async def changes(self) -> AsyncIterator[SessionView]:
        """The view after each change, without end.

        Raises:
            ListenRefused: the rules refuse it, now or from now on; the view is empty then.
        """
        while True:
            try:
                await self._following.news()
            except ListenRefused:
                self.view = SessionView()
                raise
            yield self.view

    def _take_events(self, events: Batch) -> None:
        before = self.view.run_id
        for event in events.values():
            self.view.take(event)
        if self.view.run_id != before:
            self._following.end("runs/")
            if self.view.run_id is not None:
                _follow(self._following, self.view.run_id, self.view.run)


def _follow(following: Following, run_id: str, view: RunView) -> None:
    """Keep `view` up to date: the run, its nodes, and the segments of those that run."""
    run = f"runs/{run_id}"

    def take_run(documents: Batch) -> None:
        had_ended = view.ended
        view.fields = documents.get(run_id, view.fields)
        if view.ended and not had_ended and view.may_lack:
            # What was told of the nodes may be older than the end: of the last ones nothing may have been heard at all.
            view.listed = False
            following.again(f"{run}/nodes", take_nodes)

    def take_nodes(documents: Batch) -> None:
        view.listed = True
        for instance, fields in documents.items():
            view.node(instance).take(fields)
            follow_segments(instance, view.node(instance))

    def follow_segments(instance: str, node: NodeView) -> None:
        segments = f"{run}/nodes/{instance}/segments"
        if node.state == "running":
            following.owned(segments, node.take_segments)
        elif node.stream.complete:
            following.end(segments)

    following.document(run, take_run)
    following.owned(f"{run}/nodes", take_nodes)
