"""Firestore documents as a signed-in person sees them, live: what `onSnapshot` is to a web page.

The Python client's own `on_snapshot` runs one thread per listener and does not tell its callback of a refusal. This
speaks the same Listen call in one event loop, with the person's ID token, so that `firestore.rules` apply.

The emulator (1.19.9) writes to a stream from several threads: when documents of one target change at the same time, a
message now and then lands inside another, and what follows is lost or never read. So each target has a stream
of its own, and one that brings something unreadable, or nothing for a while, is opened anew: on a connection of its
own too, because what is left of a broken stream may stand in the way of the next.
Source: https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1#firestore
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import grpc.aio
from google.cloud.firestore_v1.services.firestore.transports import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types import (
    Document,
    ListenRequest,
    ListenResponse,
    StructuredQuery,
    Target,
    TargetChange,
)

from scripts.local.wire_values import read_fields

_Change = TargetChange.TargetChangeType
_REFUSED = frozenset({grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.NOT_FOUND})
_TARGET = 1
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0

OpenChannel: TypeAlias = Callable[[], grpc.aio.Channel]
"""Opens a connection to Firestore, which is closed by whoever asked for it."""
Streams: TypeAlias = Callable[[AsyncIterator[ListenRequest]], AbstractAsyncContextManager[Any]]
"""Opens a Listen call for a while."""


def emulator_channels(address: str) -> OpenChannel:
    """Opens connections to the emulator at an address, no two of which are one beneath."""
    return lambda: grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])


@dataclass(frozen=True, slots=True)
class Owned:
    """A collection's documents that one person owns.

    Args:
        path: the collection's.
        owner_uid: the owner.
        after: only documents with a higher id.
    """

    path: str
    owner_uid: str
    after: str | None = None

    def target(self, root: str) -> Target:
        """As a target of the Listen call; `root` is the name of the database's documents."""
        parent, _, collection_id = f"{root}/{self.path}".rpartition("/")
        owner = {"field": {"field_path": "owner_uid"}, "op": "EQUAL", "value": {"string_value": self.owner_uid}}
        query: dict[str, Any] = {
            "from_": [{"collection_id": collection_id}],
            "where": {"field_filter": owner},
            "order_by": [{"field": {"field_path": "__name__"}, "direction": "ASCENDING"}],
        }
        if self.after is not None:
            last = {"reference_value": f"{root}/{self.path}/{self.after}"}
            query["start_at"] = {"values": [last], "before": False}
        return Target(query=Target.QueryTarget(parent=parent, structured_query=StructuredQuery(query)))


@dataclass(frozen=True, slots=True)
class One:
    """One document, which must exist: the rules refuse a missing one like a foreign one."""

    path: str

    def target(self, root: str) -> Target:
        """As a target of the Listen call."""
        return Target(documents=Target.DocumentsTarget(documents=[f"{root}/{self.path}"]))


class Reader(Protocol):
    """Whoever wants to know."""

    def take(self, path: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Documents at or in the subscribed path, by id, are new or have changed: a consistent state.

        At first all that there are, perhaps none. Skipped versions and removals are not told.
        """
        ...

    def refused(self, reason: str) -> None:
        """The rules refuse it, now or from now on."""
        ...


class Subscription:
    """One document or collection, followed on behalf of a reader on one stream that is opened again when it breaks."""

    def __init__(
        self, wanted: One | Owned, reader: Reader, database: str, streams: Streams, silence_seconds: float
    ) -> None:
        """Made by `Listener.subscribe`."""
        self._silence_seconds = silence_seconds
        self._path = wanted.path
        self._reader = reader
        self._database = database
        self._streams = streams
        self._target = wanted.target(f"{database}/documents")
        self._target.target_id = _TARGET
        self._versions: dict[str, object] = {}
        self._arrived: dict[str, Mapping[str, Any]] = {}
        self._current = False
        self._told = False
        self._heard = 0

    async def follow(self) -> None:
        """Follow until it is refused or cancelled."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            heard = self._heard
            try:
                if await self._read_stream():
                    return
            except asyncio.CancelledError:
                if _is_told_to_end():
                    raise
                self._start_over()  # only the call was cancelled: gRPC does so by itself where it cannot write
            except grpc.aio.AioRpcError as error:
                if error.code() in _REFUSED:
                    self._reader.refused(error.details() or "refused")
                    return
            except Exception as error:  # whoever waits must learn that nothing will come
                self._reader.refused(repr(error))
                raise
            pause = _FIRST_PAUSE_SECONDS if self._heard > heard else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            await asyncio.sleep(pause)

    async def _read_stream(self) -> bool:
        """Read one stream until it breaks; True when the subscription is refused."""
        async with self._streams(self._requests()) as call:
            return await self._read_call(call)

    async def _read_call(self, call: Any) -> bool:
        try:
            while True:
                response = await asyncio.wait_for(call.read(), self._silence_seconds)
                if response is None or response is grpc.aio.EOF:
                    self._start_over()
                    return False
                self._heard += 1
                if self._take(response):
                    return True
        except TimeoutError:
            self._start_over()
            return False

    def _start_over(self) -> None:
        """Ask for everything again: it is not known what was lost. What was told is not told twice."""
        self._reset()
        self._target.resume_token = b""

    async def _requests(self) -> AsyncIterator[ListenRequest]:
        """The request, from the last consistent state on; then nothing more, while the stream stays open."""
        yield ListenRequest(database=self._database, add_target=self._target)
        await asyncio.Event().wait()

    def _take(self, response: ListenResponse) -> bool:
        """Take in one message; True when the subscription is refused."""
        if "document_change" in response:
            self._arrive(response.document_change.document)
        elif "target_change" in response:
            return self._change(response.target_change)
        return False

    def _arrive(self, document: Document) -> None:
        """Note a document until the state is consistent, unless its version was told before.

        At each change of a query the emulator resets the target and sends every document again.
        """
        name = document.name.rpartition("/")[2]
        if self._versions.get(name) != document.update_time:
            self._versions[name] = document.update_time
            self._arrived[name] = read_fields(document)

    def _change(self, change: TargetChange) -> bool:
        if change.target_change_type == _Change.REMOVE:
            self._reader.refused(change.cause.message or "refused")
            return True
        if change.resume_token:
            self._target.resume_token = change.resume_token
        if change.target_change_type == _Change.RESET:
            self._reset()
        elif change.target_change_type == _Change.CURRENT:
            self._current = True
        elif change.read_time and not change.target_ids:
            self._publish()
        return False

    def _reset(self) -> None:
        """Forget what was not told yet: the server starts over."""
        for name in self._arrived:
            del self._versions[name]
        self._arrived.clear()
        self._current = False

    def _publish(self) -> None:
        """Tell the reader what arrived: the state is consistent."""
        if self._current and (self._arrived or not self._told):
            arrived, self._arrived, self._told = self._arrived, {}, True
            self._reader.take(self._path, arrived)


def _is_told_to_end() -> bool:
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class Listener:
    """All that one signed-in person listens to. Use as a context."""

    def __init__(
        self, open_channel: OpenChannel, project: str, token: Callable[[], str], *, silence_seconds: float = 5.0
    ) -> None:
        """Prepare.

        Args:
            open_channel: opens a connection to Firestore or its emulator, for one stream.
            project: the project's id.
            token: gives a Firebase ID token that is valid now.
            silence_seconds: open a stream anew that brought nothing for so long. On the emulator that costs
                nothing; every new stream of production is billed as a query.
        """
        self._open_channel = open_channel
        self._database = f"projects/{project}/databases/(default)"
        self._token = token
        self._silence_seconds = silence_seconds
        self._following: dict[Subscription, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        """Be ready."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        tasks = list(self._following.values())
        for subscription in list(self._following):
            self.unsubscribe(subscription)
        await asyncio.gather(*tasks, return_exceptions=True)

    def subscribe(self, wanted: One | Owned, reader: Reader) -> Subscription:
        """Tell `reader` of a document or a collection from now on."""
        subscription = Subscription(wanted, reader, self._database, self._stream, self._silence_seconds)
        self._following[subscription] = asyncio.create_task(subscription.follow())
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell no more of it."""
        task = self._following.pop(subscription, None)
        if task is not None:
            task.cancel()

    @asynccontextmanager
    async def _stream(self, requests: AsyncIterator[ListenRequest]) -> AsyncGenerator[Any]:
        metadata = (("google-cloud-resource-prefix", self._database), ("authorization", f"Bearer {self._token()}"))
        async with self._open_channel() as channel:
            transport: Any = FirestoreGrpcAsyncIOTransport(channel=channel)
            call = transport.listen(requests, metadata=metadata)  # the client's own method adds a time limit
            try:
                yield call
            finally:
                call.cancel()
