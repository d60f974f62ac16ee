"""A person's requests to the HTTP API, for the demo and the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

_SECONDS = 60


class ApiRefused(RuntimeError):
    """The API answered with a problem; the message says what was asked and what it answered."""


@dataclass(frozen=True, slots=True)
class Person:
    """Someone who has registered, with a token that is valid for an hour."""

    uid: str
    username: str
    email: str
    password: str
    role: str
    token: str


class Api:
    """The API as one person uses it; as nobody until `register`."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        """Speak through a client whose base address is the API's."""
        self._client = client
        self.person: Person | None = None

    async def register(self, username: str, password: str) -> Person:
        """Make an account, which signs in, and go by it from now on."""
        email = f"{username}@example.com"
        body = {"username": username, "email": email, "password": password}
        signed_in = await self.send("POST", "/auth/register", json=body)
        user = signed_in["user"]
        self.person = Person(user["uid"], username, email, password, user["role"], signed_in["id_token"])
        return self.person

    async def create_agent(self, definition: dict[str, Any]) -> str:
        """Create an agent; its id."""
        return (await self.send("POST", "/agents", json=definition))["id"]

    async def open_session(self, agent_id: str) -> str:
        """Open a session with an agent; its id."""
        return (await self.send("POST", "/sessions", json={"agent_id": agent_id}))["id"]

    async def start_run(self, session_id: str, text: str) -> str:
        """Start a run in a session; its id."""
        return (await self.send("POST", "/runs", json={"session_id": session_id, "input": text}))["id"]

    async def put_file(self, session_id: str, name: str, content: bytes) -> None:
        """Put a text file into a session's workspace."""
        headers = {"Content-Type": "text/plain; charset=utf-8"}
        path = f"/sessions/{session_id}/artifacts"
        await self.send("PUT", path, params={"name": name}, content=content, headers=headers)

    async def get_file(self, session_id: str, name: str) -> bytes:
        """The newest version of a file in a session's workspace."""
        return (await self._request("GET", f"/sessions/{session_id}/artifacts", params={"name": name})).content

    async def send(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        """Send a request; the answer's JSON.

        Raises:
            ApiRefused: the answer is not a success.
        """
        return (await self._request(method, path, **request)).json()

    async def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = dict(request.pop("headers", {}))
        if self.person is not None:
            headers["Authorization"] = f"Bearer {self.person.token}"
        answer = await self._client.request(method, path, headers=headers, **request)
        if not answer.is_success:
            raise ApiRefused(f"{method} {path} answered {answer.status_code}: {answer.text[:2000]}")
        return answer


def api_client(address: str) -> httpx.AsyncClient:
    """A client of the API at an address."""
    return httpx.AsyncClient(base_url=address, timeout=_SECONDS, trust_env=False)
