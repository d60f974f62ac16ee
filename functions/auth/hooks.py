"""The blocking hooks, as Identity Platform calls them: `{"data": {"jwt": …}}` in, `{"userRecord": …}` out.

A refusal answers in the shape of callable functions, which Identity Platform hands on to the client that signs in.

Source: https://cloud.google.com/identity-platform/docs/blocking-functions
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import JSONResponse

from shared.adapters.identity_platform.hook_tokens import EmulatorHookTokens, HookCall, HookTokenVerifier
from shared.domain.errors import Category, DomainError
from shared.domain.users import Role
from shared.edge.errors import status_of
from shared.edge.logs import logger
from shared.ports.accounts import Accounts
from shared.ports.documents import Documents
from shared.settings import Settings
from shared.usecases.users.confirm_sign_in import confirm_sign_in
from shared.usecases.users.reserve_username import reserve_username


class HookData(BaseModel):
    """The token."""

    jwt: str


class HookBody(BaseModel):
    """What Identity Platform sends."""

    data: HookData


def hook_tokens(settings: Settings) -> HookTokenVerifier | EmulatorHookTokens:
    """The verifier of hook tokens: Google's signature, except that the Authentication emulator has none."""
    if settings.auth_emulator_host:
        return EmulatorHookTokens(settings.project)
    hooks = ("before_create", "before_sign_in")
    return HookTokenVerifier(settings.project, [f"{settings.hook_base_url}/hooks/{name}" for name in hooks])


def hook_routes(
    documents: Documents,
    accounts: Accounts,
    tokens: HookTokenVerifier | EmulatorHookTokens,
    admin_emails: frozenset[str],
) -> APIRouter:
    """The two hooks. They are called by Identity Platform alone, so the API's document leaves them out."""
    router = APIRouter(prefix="/hooks", include_in_schema=False)

    @router.post("/before_create")
    async def before_create(body: HookBody) -> JSONResponse:
        """Hold the username and set the role."""

        async def decide() -> dict[str, Any]:
            call = await tokens.verify(body.data.jwt, "beforeCreate")
            return _grant(call, await reserve_username(documents, accounts, call.account, call.method))

        return await _answer(decide())

    @router.post("/before_sign_in")
    async def before_sign_in(body: HookBody) -> JSONResponse:
        """Refuse the deactivated, and keep profile and role up to date."""

        async def decide() -> dict[str, Any]:
            call = await tokens.verify(body.data.jwt, "beforeSignIn")
            return _grant(call, await confirm_sign_in(documents, call.account, admin_emails))

        return await _answer(decide())

    return router


def _grant(call: HookCall, role: Role) -> dict[str, Any]:
    """The answer that makes `role` the account's claim beside those it has; empty when it is already."""
    if call.claims.get("role") == role:
        return {}
    return {"userRecord": {"customClaims": {**call.claims, "role": role}, "updateMask": "customClaims"}}


async def _answer(decision: Awaitable[dict[str, Any]]) -> JSONResponse:
    try:
        return JSONResponse(await decision)
    except DomainError as error:
        hidden = error.category is Category.INTERNAL
        logger.warning("hook refuses: %s", error.code)
        problem = {
            "status": error.category.upper(),
            "message": "INTERNAL" if hidden else error.message,
            "details": {"code": error.code},
        }
        return JSONResponse({"error": problem}, status_of(error))
