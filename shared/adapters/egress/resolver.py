"""The addresses of a name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import TypeAlias

Resolver: TypeAlias = Callable[[str, int], Awaitable[tuple[str, ...]]]
"""From host and port to addresses, the best first; raises OSError where there are none."""


async def resolve_with_system(host: str, port: int) -> tuple[str, ...]:
    """As the operating system resolves it; an address is one already."""
    with suppress(ValueError):
        return (str(ip_address(host)),)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
