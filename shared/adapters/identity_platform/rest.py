"""The public REST interface of Identity Platform, as clients use it: it knows the API key and no secret.

Source: https://cloud.google.com/identity-platform/docs/use-rest-api
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.adapters.identity_platform.refusals import refusal_of
from shared.domain.errors import Unavailable

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 20.0
"""Longer than a sign-up with two hooks of 7 s each."""


class RestClient:
    """Calls Identity Platform, or its emulator, with the API key."""

    def __init__(self, api_key: str, emulator_host: str | None) -> None:
        """Make a client that connects on first use; `emulator_host` is `host:port`, or None in production."""
        self._api_key = api_key
        self._emulated = emulator_host is not None
        self._root = f"http://{emulator_host}/" if emulator_host else "https://"

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        import httpx

        return httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=not self._emulated)

    async def close(self) -> None:
        """Close the connections; only what ends before its process needs to."""
        await self._http.aclose()

    async def call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Call `accounts:{method}` with a JSON body; absent values are left out."""
        present = {name: value for name, value in body.items() if value is not None}
        return await self._post(f"identitytoolkit.googleapis.com/v1/accounts:{method}", json=present)

    async def buy_token(self, refresh_token: str) -> dict[str, Any]:
        """Exchange a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self._post("securetoken.googleapis.com/v1/token", data=form)

    async def _post(self, path: str, **body: Any) -> dict[str, Any]:
        import httpx

        try:
            answer = await self._http.post(f"{self._root}{path}", params={"key": self._api_key}, **body)
            shape: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable("Identity Platform does not answer.") from error
        if answer.is_success:
            return shape
        raise refusal_of(_message(shape))


def _message(shape: Any) -> str:
    """The message of an error answer; empty where it has another shape."""
    try:
        return str(shape["error"]["message"])
    except (KeyError, TypeError):
        return ""
