"""Firestore documents as a signed-in person sees them, live: what `onSnapshot` is to a web page.

The Python client's own `on_snapshot` runs one thread per listener and does not tell its callback of a refusal. This
speaks the same Listen call on one stream for all targets, as the web SDK does, with the person's ID token, so
that `firestore.rules` apply.
Source: https://firebase.google.com/docs/firestore/reference/rpc/google.firestore.v1#firestore
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import grpc.aio
from google.cloud.firestore_v1.services.firestore import FirestoreAsyncClient
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
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 5.0


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
    """Whoever wants to know. What comes before one `told` is a consistent state of all its subscriptions."""

    def take(self, path: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        """Documents at or in the subscribed path, by id, are new or have changed.

        At first all that there are, perhaps none. Skipped versions and removals are not told.
        """
        ...

    def told(self) -> None:
        """That was all for now."""
        ...

    def refused(self, reason: str) -> None:
        """The rules refuse it, now or from now on."""
        ...


class Subscription:
    """One target of a listener, on behalf of a reader."""

    def __init__(self, wanted: One | Owned, reader: Reader, number: int, root: str) -> None:
        """Made by `Listener.subscribe`."""
        self.reader = reader
        self.path = wanted.path
        self.target = wanted.target(root)
        self.target.target_id = number
        self._versions: dict[str, object] = {}
        self._arrived: dict[str, Mapping[str, Any]] = {}
        self._current = False
        self._told = False

    @property
    def number(self) -> int:
        """What the server calls it."""
        return self.target.target_id

    def arrive(self, document: Document) -> None:
        """Note a document until the state is consistent, unless its version was told before.

        At each change of a query the emulator resets the target and sends every document again.
        """
        name = document.name.rpartition("/")[2]
        if self._versions.get(name) != document.update_time:
            self._versions[name] = document.update_time
            self._arrived[name] = read_fields(document)

    def reset(self) -> None:
        """Forget what was not told yet: the server starts over."""
        for name in self._arrived:
            del self._versions[name]
        self._arrived.clear()
        self._current = False

    def current(self) -> None:
        """Note that the state is whole."""
        self._current = True

    def publish(self) -> bool:
        """Tell the reader what arrived; False where there was nothing to tell."""
        if not self._current or (self._told and not self._arrived):
            return False
        arrived, self._arrived, self._told = self._arrived, {}, True
        self.reader.take(self.path, arrived)
        return True


class Listener:
    """All that one signed-in person listens to, on one stream that is opened again when it breaks."""

    def __init__(self, channel: grpc.aio.Channel, project: str, token: Callable[[], str]) -> None:
        """Prepare; enter it as a context to start.

        Args:
            channel: to Firestore or its emulator; closed by whoever opened it.
            project: the project's id.
            token: gives a Firebase ID token that is valid now.
        """
        transport = FirestoreGrpcAsyncIOTransport(channel=channel)
        self._client = FirestoreAsyncClient(transport=transport)
        self._database = f"projects/{project}/databases/(default)"
        self._token = token
        self._subscriptions: dict[int, Subscription] = {}
        self._requests: asyncio.Queue[ListenRequest] = asyncio.Queue()
        self._numbers = iter(range(1, 2**31))
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start listening."""
        self._task = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def subscribe(self, wanted: One | Owned, reader: Reader) -> Subscription:
        """Tell `reader` of a document or a collection from now on."""
        subscription = Subscription(wanted, reader, next(self._numbers), f"{self._database}/documents")
        self._subscriptions[subscription.number] = subscription
        self._requests.put_nowait(ListenRequest(database=self._database, add_target=subscription.target))
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Tell no more of it."""
        if self._subscriptions.pop(subscription.number, None) is not None:
            self._requests.put_nowait(ListenRequest(database=self._database, remove_target=subscription.number))

    async def _listen(self) -> None:
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async for response in self._open():
                    pause = _FIRST_PAUSE_SECONDS
                    self._take(response)
            except grpc.aio.AioRpcError as error:
                if error.code() in _REFUSED:
                    self._refuse(self._subscriptions.values(), error.details() or "refused")
            except Exception as error:  # whoever waits must learn that nothing will come
                self._refuse(self._subscriptions.values(), repr(error))
                raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _open(self) -> Any:
        """A new stream that asks again for everything subscribed, each from its last consistent state on."""
        self._requests = asyncio.Queue()
        for subscription in self._subscriptions.values():
            self._requests.put_nowait(ListenRequest(database=self._database, add_target=subscription.target))
        metadata = (("google-cloud-resource-prefix", self._database), ("authorization", f"Bearer {self._token()}"))
        transport: Any = self._client.transport  # the client's own method adds a time limit
        return transport.listen(self._asked(self._requests), metadata=metadata)

    @staticmethod
    async def _asked(requests: asyncio.Queue[ListenRequest]) -> AsyncIterator[ListenRequest]:
        while True:
            yield await requests.get()

    def _take(self, response: ListenResponse) -> None:
        if "document_change" in response:
            change = response.document_change
            for subscription in self._those(change.target_ids):
                subscription.arrive(change.document)
        elif "target_change" in response:
            self._take_target_change(response.target_change)

    def _take_target_change(self, change: TargetChange) -> None:
        concerned = self._those(change.target_ids) if change.target_ids else list(self._subscriptions.values())
        if change.target_change_type == _Change.REMOVE:
            self._refuse(concerned, change.cause.message)
            return
        for subscription in concerned:
            if change.resume_token:
                subscription.target.resume_token = change.resume_token
            if change.target_change_type == _Change.RESET:
                subscription.reset()
            elif change.target_change_type == _Change.CURRENT:
                subscription.current()
        if change.read_time and not change.target_ids:  # all targets are consistent
            for reader in {id(one.reader): one.reader for one in concerned if one.publish()}.values():
                reader.told()

    def _those(self, numbers: Iterable[int]) -> list[Subscription]:
        return [self._subscriptions[number] for number in numbers if number in self._subscriptions]

    def _refuse(self, subscriptions: Iterable[Subscription], reason: str) -> None:
        for subscription in list(subscriptions):
            self._subscriptions.pop(subscription.number, None)
            subscription.reader.refused(reason)
