"""The connections of the egress guard: what is connected to is what was checked.

A name is resolved once for a connection, every address is judged, and one of just these is connected to, so a name that
changes its mind in between gains nothing. A kept connection stays with the address that it was made to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from functools import cache
from ssl import SSLContext
from typing import Any, cast

import httpcore2
import httpx2

from shared.adapters.egress.resolver import Resolver, resolve_with_system
from shared.domain.egress import Destination, EgressPolicy
from shared.domain.errors import EgressRefused

CONNECT_SECONDS = 10.0
_TRIED_ADDRESSES = 4


class GuardedTransport(httpx2.AsyncHTTPTransport):
    """HTTP to the destinations and addresses that a policy admits, without any proxy."""

    def __init__(
        self,
        policy: EgressPolicy,
        resolve: Resolver = resolve_with_system,
        max_response_bytes: int | None = None,
    ) -> None:
        """Connect as `policy` says.

        Args:
            policy: what may be reached.
            resolve: names to addresses.
            max_response_bytes: where given, longer answers break off, and compressed ones are refused: for clients
                that read without a bound of their own.
        """
        super().__init__(verify=_certificates(), trust_env=False)
        self._policy = policy
        self._max_response_bytes = max_response_bytes
        self._pool = self._connections(_GuardedNetwork(policy, resolve))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; redirects are the caller's business, and come back here.

        Raises:
            EgressRefused: it may not be sent there.
        """
        if request.url.userinfo:
            raise EgressRefused("The address must not carry a user name or password.")
        self._policy.check_destination(destination_of(request.url))
        response = await super().handle_async_request(request)
        encoding = response.headers.get("content-encoding", "")
        if "," in encoding or (encoding and self._max_response_bytes is not None):
            await response.aclose()
            raise httpx2.DecodingError(f"an answer in the encoding {encoding[:40]!a}", request=request)
        if self._max_response_bytes is not None:
            assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - an asynchronous transport's
            response.stream = _Bounded(response.stream, self._max_response_bytes)
        return response

    def _connections(self, network: httpcore2.AsyncNetworkBackend) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=_certificates(), network_backend=network, max_keepalive_connections=4, keepalive_expiry=30
        )


class SeparateTransport(GuardedTransport):
    """HTTP in which each request has a connection of its own, which ends with the answer: all callers may share it."""

    def _connections(self, network: httpcore2.AsyncNetworkBackend) -> httpcore2.AsyncConnectionPool:
        return _SeparateConnections(ssl_context=_certificates(), network_backend=network)


def destination_of(url: httpx2.URL) -> Destination:
    """Where the client would connect to."""
    return Destination.of(url.scheme, url.raw_host.decode("ascii", "replace"), url.port)


class _GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """Opens connections to checked addresses."""

    def __init__(self, policy: EgressPolicy, resolve: Resolver) -> None:
        self._policy = policy
        self._resolve = resolve
        self._network = cast("httpcore2.AsyncNetworkBackend", httpcore2.AnyIOBackend())  # a stand-in hides its type

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(f"{host} could not be resolved in time") from error
        except OSError as error:
            raise httpcore2.ConnectError(f"{host} cannot be resolved") from error
        checked = self._policy.check_addresses(Destination("", host, port), found)
        failure: Exception = httpcore2.ConnectError("no address")
        for address in checked[:_TRIED_ADDRESSES]:
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        del path, timeout, socket_options
        raise EgressRefused("A socket of this machine may not be reached.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _SeparateConnections(httpcore2.AsyncConnectionPool):
    """A pool that keeps nothing."""

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        connection = self.create_connection(request.url.origin)
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await connection.aclose()
            raise
        response.stream = _Last(cast("AsyncIterable[bytes]", response.stream), connection)
        return response


class _Last:
    """The last answer of a connection."""

    def __init__(self, stream: AsyncIterable[bytes], connection: httpcore2.AsyncConnectionInterface) -> None:
        self._stream = stream
        self._connection = connection

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        await self._connection.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A stream that breaks off when it has become too long."""

    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            self._left -= len(part)
            if self._left < 0:
                raise httpx2.ReadError("the answer is too long")
            yield part

    async def aclose(self) -> None:
        await self._stream.aclose()


@cache
def _certificates() -> SSLContext:
    return httpx2.create_ssl_context()
