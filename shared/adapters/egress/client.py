"""`WebClient` behind the egress guard."""

from __future__ import annotations

import asyncio
import logging
from functools import cached_property
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from shared.adapters.egress.resolver import Resolver, resolve_with_system
from shared.adapters.egress.transport import CONNECT_SECONDS, GuardedTransport, SeparateTransport, destination_of
from shared.domain.egress import EgressPolicy, check_chosen, check_url
from shared.domain.errors import EgressRefused, Unavailable
from shared.ports.web_client import WebAnswer, WebRequest

USER_AGENT = "Fireloom/0.1"
_ACCEPTED = "gzip, deflate"  # what every installation can decode piece by piece
# What may go to another host than the one that was asked: nothing that could be a credential.
_PUBLIC_HEADERS = ("accept", "accept-encoding", "accept-language", "user-agent")
_FOLLOWED = ("GET", "HEAD")


class GuardedWebClient:
    """Sends each request over a connection of its own: nothing is shared between callers, not even a cookie."""

    def __init__(self, policy: EgressPolicy, resolve: Resolver = resolve_with_system) -> None:
        """Reach what `policy` admits."""
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log addresses, and with them their secrets
        self._policy = policy
        self._resolve = resolve

    async def send(self, request: WebRequest) -> WebAnswer:
        """As `WebClient.send`."""
        destination = check_url(request.url, self._policy)
        host = f"{destination.host[:100]}:{destination.port}"
        try:
            async with asyncio.timeout(request.seconds) as limit:
                return await self._send(request, limit)
        except TimeoutError as error:
            raise Unavailable(f"{host} did not answer within {request.seconds:g} seconds.") from error
        except httpx2.InvalidURL as error:
            raise EgressRefused("The address is malformed.") from error
        except httpx2.TimeoutException as error:
            raise Unavailable(f"{host} did not answer in time.") from error
        except httpx2.ConnectError as error:
            raise Unavailable(f"{host} cannot be reached.") from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"{host} gave no answer that can be read ({type(error).__name__}).") from error

    def open(self, *, max_response_bytes: int, seconds: float) -> httpx2.AsyncClient:
        """A client for a library that speaks HTTP itself; it follows no redirect."""
        return httpx2.AsyncClient(
            transport=GuardedTransport(self._policy, self._resolve, max_response_bytes),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        )

    @cached_property
    def _client(self) -> httpx2.AsyncClient:
        """What words requests and reads answers: one for all of them, because it holds neither connections nor cookies.

        To make one takes as long as to connect.
        """
        return httpx2.AsyncClient(
            transport=SeparateTransport(self._policy, self._resolve),
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": _ACCEPTED, "Accept": "*/*"},
        )

    async def _send(self, request: WebRequest, limit: asyncio.Timeout) -> WebAnswer:
        outgoing = self._client.build_request(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body,
            timeout=httpx2.Timeout(request.seconds, connect=CONNECT_SECONDS),
        )
        cookies = httpx2.Cookies()  # which some sites set before they redirect to themselves
        for redirects_left in range(request.max_redirects, -1, -1):
            if request.only_hosts is not None:
                check_chosen(destination_of(outgoing.url), request.only_hosts)
            response = await self._client.send(outgoing, stream=True, follow_redirects=False)
            try:
                following = response.next_request
                if following is None or request.method not in _FOLLOWED:
                    if request.content_seconds is not None:
                        limit.reschedule(None)  # the status has come in time
                    return await _read(response, request)
                if not redirects_left:
                    raise Unavailable(f"{outgoing.url.host[:100]} redirects more than {request.max_redirects} times.")
                cookies.extract_cookies(response)
                cookies.set_cookie_header(following)
                outgoing = _stripped(following, outgoing)
            finally:
                await response.aclose()
        raise AssertionError(request)  # the loop returns or raises


def _stripped(following: httpx2.Request, asked: httpx2.Request) -> httpx2.Request:
    """A redirected request, without what only the first host may see."""
    if following.url.origin != asked.url.origin:
        for name in list(following.headers):
            if name.lower() not in {*_PUBLIC_HEADERS, "host", "connection"}:
                del following.headers[name]
    return following


async def _read(response: httpx2.Response, request: WebRequest) -> WebAnswer:
    """The answer, as far as it may be read."""
    parts: list[bytes] = []
    left = request.max_bytes
    try:
        async with asyncio.timeout(request.content_seconds):
            async for part in response.aiter_bytes():
                parts.append(part[:left])
                left -= len(part)
                if left < 0:
                    break
    except (TimeoutError, httpx2.HTTPError):
        if request.content_seconds is None:
            raise
        left = -1
    headers = {name.lower(): value for name, value in response.headers.items()}
    return WebAnswer(str(response.url), response.status_code, headers, b"".join(parts), truncated=left < 0)
