"""What a subscription does with streams that break, fall silent, or never come to a consistent state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.cloud.firestore_v1.types import ListenRequest, ListenResponse, TargetChange

from scripts.local.listener import One, Subscription

_ROOT = "projects/demo-x/databases/(default)/documents"
Type = TargetChange.TargetChangeType


def broken(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "as told")


def document(number: int) -> ListenResponse:
    value = {"n": {"integer_value": number}}
    return ListenResponse(
        {
            "document_change": {
                "document": {"name": f"{_ROOT}/runs/r", "fields": value, "update_time": {"seconds": number}}
            }
        }
    )


CURRENT = ListenResponse(target_change=TargetChange(target_change_type=Type.CURRENT, target_ids=[1]))
CONSISTENT = ListenResponse({"target_change": {"read_time": {"seconds": 1}}})
SILENCE = object()


class Streams:
    """One stream after the other: what each brings, and then silence."""

    def __init__(self, *scripts: list[Any]) -> None:
        self._scripts = list(scripts)
        self.tokens: list[bytes] = []

    @asynccontextmanager
    async def open(self, requests: AsyncIterator[ListenRequest]) -> AsyncGenerator[Streams]:
        self.tokens.append((await anext(requests)).add_target.resume_token)
        self._rest = self._scripts.pop(0)
        yield self

    async def read(self) -> Any:
        told = self._rest.pop(0) if self._rest else SILENCE
        if told is SILENCE:
            await asyncio.Event().wait()
        if isinstance(told, BaseException):
            raise told
        return told


class Reader:
    def __init__(self) -> None:
        self.told: asyncio.Queue[Any] = asyncio.Queue()

    def take(self, path: str, documents: Mapping[str, Mapping[str, Any]]) -> None:
        self.told.put_nowait((path, dict(documents)))

    def refused(self, reason: str) -> None:
        self.told.put_nowait(reason)


@asynccontextmanager
async def following(streams: Streams) -> AsyncGenerator[Reader]:
    reader = Reader()
    subscription = Subscription(One("runs/r"), reader, _ROOT.removesuffix("/documents"), streams.open, 0.05)
    task = asyncio.create_task(subscription.follow())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


WHOLE: list[Any] = [document(1), CURRENT, CONSISTENT]


@pytest.mark.parametrize(
    "before",
    [
        list,
        lambda: [document(1)],
        lambda: [document(1), CURRENT],
        lambda: [CURRENT, document(1)],
        lambda: [broken(grpc.StatusCode.INTERNAL)],
        lambda: [broken(grpc.StatusCode.CANCELLED)],
        lambda: [asyncio.CancelledError()],
        lambda: [document(1), asyncio.CancelledError()],
        lambda: [grpc.aio.EOF],
    ],
    ids=[
        "silent",
        "cut",
        "not consistent",
        "disordered",
        "broken",
        "cancelled there",
        "cancelled here",
        "late",
        "ended",
    ],
)
async def test_a_stream_that_comes_to_nothing_is_opened_anew_and_all_asked_for_again(
    before: Callable[[], list[Any]],
) -> None:
    streams = Streams(before(), list(WHOLE))
    async with following(streams) as reader:
        assert await reader.told.get() == ("runs/r", {"r": {"n": 1}})
    assert streams.tokens[:2] == [b"", b""]


async def test_what_was_told_is_not_told_again_by_the_next_stream() -> None:
    streams = Streams(list(WHOLE), [*WHOLE, document(2), CONSISTENT])
    async with following(streams) as reader:
        assert [await reader.told.get() for _ in range(2)] == [("runs/r", {"r": {"n": n}}) for n in (1, 2)]


async def test_a_refusal_is_told_and_ends_it() -> None:
    streams = Streams([broken(grpc.StatusCode.PERMISSION_DENIED)])
    async with following(streams) as reader:
        assert await reader.told.get() == "as told"
    assert len(streams.tokens) == 1
