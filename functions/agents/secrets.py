"""The HTTP face of the secrets that people store for their tools: written, listed by name, deleted, never shown."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.domain.pages import Page
from shared.domain.secrets import MAX_SECRET_BYTES, MIN_SECRET_CHARACTERS, NAME_PATTERN, SecretText, StoredSecret
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.page_query import PageQuery
from shared.usecases.secrets.delete_secret import delete_secret
from shared.usecases.secrets.list_secrets import list_secrets
from shared.usecases.secrets.put_secret import put_secret
from shared.usecases.secrets.vault import Vault

Name = Annotated[str, Path(pattern=NAME_PATTERN, description="The name that definitions use; letters, digits, _ . -")]


class SecretBody(BaseModel):
    """The value of a secret."""

    model_config = ConfigDict(extra="forbid")

    value: SecretStr = Field(
        description=f"{MIN_SECRET_CHARACTERS} characters at least, {MAX_SECRET_BYTES:,} bytes at most. Never shown."
    )


class SecretView(BaseModel):
    """That there is a secret of this name."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    created_at: datetime
    updated_at: datetime


class SecretPage(BaseModel):
    """Secrets, by name."""

    items: list[SecretView]
    next_page_token: str | None


def secret_routes(vault: Vault) -> APIRouter:
    """The routes of one's own secrets."""
    router = APIRouter(tags=["secrets"], route_class=JsonRoute)

    @router.put("/secrets/{name}", responses=problem_responses(400, 401, 409, 413, 429, 503))
    async def put(caller: Caller, name: Name, body: SecretBody, response: Response) -> SecretView:
        """Store a secret (201), or replace its value (200). Definitions name it as `{"secret": "NAME"}`."""
        secret, is_first = await put_secret(vault, caller.uid, name, SecretText(body.value.get_secret_value()))
        response.status_code = 201 if is_first else 200
        return SecretView.model_validate(secret)

    @router.get("/secrets", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[PageQuery, Query()]) -> SecretPage:
        """List your secrets by name; nobody is shown their values."""
        return _render(await list_secrets(vault.documents, caller.uid, query.limit, query.page_token))

    @router.delete("/secrets/{name}", status_code=204, responses=problem_responses(400, 401, 404, 409, 503))
    async def delete(caller: Caller, name: Name) -> None:
        """Delete a secret: no tool gets its value any more."""
        await delete_secret(vault, caller.uid, name)

    return router


def _render(page: Page[StoredSecret]) -> SecretPage:
    items = [SecretView.model_validate(secret) for secret in page.items]
    return SecretPage(items=items, next_page_token=page.next_page_token)
