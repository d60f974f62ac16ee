"""Requests to addresses that come from a definition, a message or a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from shared.domain.media_types import media_type_in


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One request.

    Args:
        url: an absolute http or https address.
        method: in capitals.
        headers: more headers; they go to the host of `url` and to no other, whatever it redirects to.
        body: the content.
        max_bytes: how much of the answer is read, decoded; the rest is left.
        seconds: how long all of it may take, redirects included.
        content_seconds: where given, the status is what counts: `seconds` is how long it may take, this how long the
            content may after it; what has not come by then, or cannot be read, is left.
        max_redirects: how many redirects of a GET are followed; those of other methods never are.
        only_hosts: where given, the names that may be asked, redirects included; `*.x.org` stands for all below x.org.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_bytes: int = 1 << 20
    seconds: float = 30.0
    content_seconds: float | None = None
    max_redirects: int = 5
    only_hosts: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """What came back, whatever its status.

    Args:
        url: where it came from in the end.
        status: the HTTP status.
        headers: by their names in lower case.
        body: the content, decoded.
        truncated: there was more than `max_bytes`, or what `content_seconds` says was left.
    """

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False

    @property
    def is_success(self) -> bool:
        """Whether the status says so."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's own class

    @property
    def media_type(self) -> str:
        """The type of the content without parameters, in lower case; empty where the server named none."""
        return media_type_in(self.headers.get("content-type"))


class WebClient(Protocol):
    """Sends requests to the public internet and nowhere else."""

    async def send(self, request: WebRequest) -> WebAnswer:
        """Send a request; every status is an answer.

        Raises:
            shared.domain.errors.EgressRefused: the address, or one it redirects to, may not be reached.
            shared.domain.errors.Unavailable: nobody answers there, in time, or in HTTP.
        """
        ...
