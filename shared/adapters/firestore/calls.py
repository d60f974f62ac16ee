"""Firestore's own calls, on one connection.

The client library's calls carry the same messages. They wrap each of them, and each call, several times: that took most
of the processor time of a commit.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from google.api_core.exceptions import Unknown, from_grpc_error
from google.api_core.gapic_v1.routing_header import to_grpc_metadata
from google.cloud.firestore_v1.services.firestore.transports.base import DEFAULT_CLIENT_INFO
from google.cloud.firestore_v1.services.firestore.transports.grpc_asyncio import FirestoreGrpcAsyncIOTransport
from google.cloud.firestore_v1.types.firestore import (
    BatchGetDocumentsRequest,
    BatchGetDocumentsResponse,
    CommitRequest,
    CommitResponse,
    RunQueryRequest,
    RunQueryResponse,
)
from grpc.aio import Metadata

_SERVICE = "/google.firestore.v1.Firestore"
_OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
)
"""As the client library sets them: the limits are Firestore's, and an idle connection is kept."""
_ReadRequest: Any = BatchGetDocumentsRequest.pb()
_QueryRequest: Any = RunQueryRequest.pb()


class FirestoreCalls:
    """Calls of one database; each raises the library's `GoogleAPIError`, and repeats nothing."""

    def __init__(self, database: str) -> None:
        """Connect, with the first call, to Firestore or to the emulator that the environment names.

        Args:
            database: its resource name.
        """
        emulator = os.environ.get("FIRESTORE_EMULATOR_HOST")
        self._database = database
        self._channel = _channel(emulator)
        self._metadata = (
            ("google-cloud-resource-prefix", database),
            DEFAULT_CLIENT_INFO.to_grpc_metadata(),
            *([("authorization", "Bearer owner")] if emulator else []),
        )
        self._of_database = _metadata(*self._metadata, to_grpc_metadata((("database", database),)))
        self._commit = _stub(self._channel.unary_unary, "Commit", CommitRequest, CommitResponse)
        reading = (BatchGetDocumentsRequest, BatchGetDocumentsResponse)
        self._read = _stub(self._channel.unary_stream, "BatchGetDocuments", *reading)
        # The answer about one document is one message. Asked for as such, it costs a third of a stream's bookkeeping.
        self._read_one = _stub(self._channel.unary_unary, "BatchGetDocuments", *reading)
        self._query = _stub(self._channel.unary_stream, "RunQuery", RunQueryRequest, RunQueryResponse)

    async def commit(self, request: Any, timeout_seconds: float) -> Any:
        """Send a commit; its answer."""
        try:
            return await self._commit(request, timeout=timeout_seconds, metadata=self._of_database)
        except grpc.RpcError as error:
            raise from_grpc_error(error) from error

    async def read(self, names: Sequence[str], timeout_seconds: float) -> list[Any]:
        """Read documents at one instant; the answers, in any order.

        Args:
            names: resource names, each once.
            timeout_seconds: how long it may take.
        """
        request = _ReadRequest(database=self._database, documents=names)
        call = {"timeout": timeout_seconds, "metadata": self._of_database}
        try:
            if len(names) > 1:
                return [answer async for answer in self._read(request, **call)]
            answer = await self._read_one(request, **call)
        except grpc.RpcError as error:
            raise from_grpc_error(error) from error
        if answer is None:
            raise Unknown("Firestore said nothing of the document")
        return [answer]

    async def query(self, parent: str, query: Any, timeout_seconds: float) -> AsyncIterator[Any]:
        """Ask a structured query below a document, or below the database's root; those answers that hold a document."""
        request = _QueryRequest(parent=parent, structured_query=query)
        metadata = _metadata(*self._metadata, to_grpc_metadata((("parent", parent),)))
        try:
            async for answer in self._query(request, timeout=timeout_seconds, metadata=metadata):
                if answer.HasField("document"):  # others only say how far the query is
                    yield answer
        except grpc.RpcError as error:
            raise from_grpc_error(error) from error

    async def close(self) -> None:
        """Close the connection."""
        await self._channel.close()


def _channel(emulator: str | None) -> grpc.aio.Channel:
    if emulator is not None:
        return grpc.aio.insecure_channel(emulator, options=_OPTIONS)
    return FirestoreGrpcAsyncIOTransport.create_channel(options=_OPTIONS)


def _metadata(*pairs: tuple[str, str]) -> Any:
    """In gRPC's own type: to find out what else it may be, and to convert it, takes as long as the rest of a call."""
    return Metadata(*pairs)


def _stub(make: Any, method: str, request: Any, response: Any) -> Any:
    return make(
        f"{_SERVICE}/{method}",
        request_serializer=request.pb().SerializeToString,
        response_deserializer=response.pb().FromString,
    )
