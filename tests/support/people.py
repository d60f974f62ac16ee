"""People who use the product through its API."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx

from scripts.local.api import Api, api_client


@asynccontextmanager
async def sign_up(api: httpx.AsyncClient) -> AsyncGenerator[httpx.AsyncClient, None]:
    """A client of the gateway that `api` speaks to, signed in as somebody new."""
    mark = secrets.token_hex(6)
    body = {"email": f"{mark}@example.com", "username": f"user-{mark}", "password": "correct horse"}
    answer = await api.post("/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    headers = {"Authorization": f"Bearer {answer.json()['id_token']}"}
    async with httpx.AsyncClient(base_url=api.base_url, timeout=60, trust_env=False, headers=headers) as client:
        yield client


@asynccontextmanager
async def joined(address: str, name: str) -> AsyncGenerator[Api, None]:
    """Somebody new whose name begins so, with the demo's client of the gateway at `address`."""
    async with api_client(address) as client:
        api = Api(client)
        await api.register(f"{name}-{secrets.token_hex(6)}", secrets.token_urlsafe(12))
        yield api
