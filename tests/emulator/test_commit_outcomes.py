"""What a commit's failure means, against a server that fails on the real wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote

import grpc
import grpc.aio
import pytest

from shared.adapters.firestore.documents import FirestoreDocuments
from shared.domain.errors import DocumentTooLarge, Internal, Unavailable
from shared.domain.writes import Create
from shared.ports.documents import CommitRefused, OutcomeUnknown, Query

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSED = {grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION}
DEFECT = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.UNIMPLEMENTED,
}
FAILURES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]


@dataclass
class FailingFirestore:
    """A Firestore that answers calls with one status, and counts them."""

    status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    details: str = "as told"
    reads_that_fail: int = 1_000_000
    calls: list[str] = field(default_factory=list[str])
    routed_by: list[Any] = field(default_factory=list[Any])

    async def commit(self, _request: Any, context: Context) -> Any:
        self._note("commit", context)
        await context.abort(self.status, self.details)

    async def read(self, _request: Any, context: Context) -> AsyncIterator[Any]:
        self._note("read", context)
        if len(self.calls) <= self.reads_that_fail:
            await context.abort(self.status, self.details)
        for message in ():
            yield message

    def _note(self, call: str, context: Context) -> None:
        self.calls.append(call)
        self.routed_by.append(dict(context.invocation_metadata() or ()).get("x-goog-request-params"))


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FailingFirestore]:
    failing = FailingFirestore()
    handlers: dict[str, Any] = {
        "Commit": grpc.unary_unary_rpc_method_handler(failing.commit),
        "BatchGetDocuments": grpc.unary_stream_rpc_method_handler(failing.read),
        "RunQuery": grpc.unary_stream_rpc_method_handler(failing.read),
    }
    running = grpc.aio.server()
    running.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("google.firestore.v1.Firestore", handlers)])
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
    yield failing
    await running.stop(None)


@pytest.fixture
async def documents() -> AsyncIterator[FirestoreDocuments]:
    """With limits in which a server that is there always answers."""
    documents = FirestoreDocuments("demo-failing", commit_timeout_seconds=60, read_timeout_seconds=60)
    yield documents
    await documents.close()


@pytest.fixture
async def hasty() -> AsyncIterator[FirestoreDocuments]:
    """With a limit that reads which are tried again soon reach."""
    documents = FirestoreDocuments("demo-failing", read_timeout_seconds=0.05)
    yield documents
    await documents.close()


@pytest.mark.parametrize("status", FAILURES, ids=[code.name for code in FAILURES])
async def test_every_status_has_one_meaning_and_nothing_is_sent_twice(
    server: FailingFirestore, documents: FirestoreDocuments, status: grpc.StatusCode
) -> None:
    server.status = status
    expected = CommitRefused if status in REFUSED else Internal if status in DEFECT else OutcomeUnknown
    with pytest.raises(expected):
        await documents.commit([Create("a/b", {"n": 1})])
    assert server.calls == ["commit"]


async def test_a_document_that_grew_too_large_is_told_from_a_defect(
    server: FailingFirestore, documents: FirestoreDocuments
) -> None:
    server.status = grpc.StatusCode.INVALID_ARGUMENT
    server.details = (
        "Document 'x' cannot be written because its size (1,048,999 bytes) exceeds the maximum allowed size"
    )
    with pytest.raises(DocumentTooLarge):
        await documents.commit([Create("a/b", {"n": 1})])


@pytest.mark.parametrize("status", FAILURES, ids=[code.name for code in FAILURES])
async def test_a_read_that_fails_for_long_is_unavailable_unless_it_is_a_defect(
    server: FailingFirestore, documents: FirestoreDocuments, hasty: FirestoreDocuments, status: grpc.StatusCode
) -> None:
    server.status = status
    is_defect = status in DEFECT | REFUSED
    asked = documents if is_defect else hasty
    for read in (asked.get("a/b"), asked.query(Query("a"))):
        with pytest.raises(Internal if is_defect else Unavailable):
            await read


async def test_a_read_is_repeated_when_it_may_help(server: FailingFirestore) -> None:
    server.reads_that_fail = 2
    documents = FirestoreDocuments("demo-failing", read_timeout_seconds=60)
    assert await documents.query(Query("a")) == []
    assert len(server.calls) == 3
    await documents.close()


async def test_an_answer_without_the_document_is_none(server: FailingFirestore, hasty: FirestoreDocuments) -> None:
    server.reads_that_fail = 0
    with pytest.raises(Unavailable):
        await hasty.get("a/b")


async def test_every_call_says_where_it_is_to_be_routed(
    server: FailingFirestore, documents: FirestoreDocuments
) -> None:
    server.status = grpc.StatusCode.INVALID_ARGUMENT
    database = "projects/demo-failing/databases/(default)"
    root = f"{database}/documents"
    calls = {
        f"database={database}": (documents.commit([Create("a/b", {})]), documents.get("a/b")),
        f"parent={root}": (documents.query(Query("a")),),
        f"parent={root}/a/b": (documents.query(Query("a/b/c")),),
    }
    for expected, asked in calls.items():
        for call in asked:
            with pytest.raises(Internal):
                await call
            assert unquote(server.routed_by.pop()) == expected


async def test_a_store_that_is_not_there_leaves_the_outcome_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    documents = FirestoreDocuments("demo-nowhere", commit_timeout_seconds=1, read_timeout_seconds=0.2)
    with pytest.raises(OutcomeUnknown):
        await documents.commit([Create("a/b", {"n": 1})])
    with pytest.raises(Unavailable):
        await documents.get("a/b")
    await documents.close()
