"""The routes that people and administrators use."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from functions.auth.shapes import (
    AcceptedShape,
    CodeBody,
    EmailBody,
    LoginBody,
    NewPasswordBody,
    OwnShape,
    ProfileBody,
    RefreshBody,
    RegisterBody,
    SignedInShape,
    TokensShape,
    UserShape,
)
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import Uid
from shared.domain.users import Application, User
from shared.edge.auth import Administrator, Caller
from shared.edge.json_route import JsonRoute
from shared.ports.accounts import Accounts, Credentials
from shared.ports.documents import Documents
from shared.ports.id_source import Ids
from shared.ports.identity import Identity
from shared.usecases.users.deactivate_user import deactivate_user
from shared.usecases.users.get_profile import get_profile
from shared.usecases.users.reactivate_user import reactivate_user
from shared.usecases.users.refresh_tokens import refresh_tokens
from shared.usecases.users.register_user import register_user
from shared.usecases.users.reset_password import request_password_reset, reset_password
from shared.usecases.users.sign_in_user import sign_in_user
from shared.usecases.users.update_profile import update_profile
from shared.usecases.users.verify_email import request_email_verification, verify_email


@dataclass(frozen=True, slots=True)
class People:
    """What the routes need."""

    documents: Documents
    accounts: Accounts
    credentials: Credentials
    ids: Ids


def credential_routes(people: People) -> APIRouter:
    """Registering, signing in, and proving that one owns an address. No token is needed, but for a verification."""
    router = APIRouter(prefix="/auth", tags=["auth"], route_class=JsonRoute)
    documents, accounts, credentials = people.documents, people.accounts, people.credentials

    @router.post("/register", status_code=201)
    async def register(body: RegisterBody) -> SignedInShape:
        """Make an account with a username, and sign in."""
        application = Application(body.email, body.password, body.username, body.display_name)
        return SignedInShape.of_person(await register_user(documents, accounts, people.ids, application))

    @router.post("/login")
    async def login(body: LoginBody) -> SignedInShape:
        """Sign in with an email address or a username."""
        return SignedInShape.of_person(await sign_in_user(documents, accounts, _login_of(body), body.password))

    @router.post("/refresh")
    async def refresh(body: RefreshBody) -> TokensShape:
        """Buy a new ID token."""
        return TokensShape.of(await refresh_tokens(credentials, body.refresh_token))

    @router.post("/password-reset", status_code=202)
    async def ask_for_password_reset(body: EmailBody) -> AcceptedShape:
        """Send a code that sets a new password. The answer is the same whether or not there is such an account."""
        await request_password_reset(credentials, body.email)
        return AcceptedShape()

    @router.post("/password-reset/confirm", status_code=204)
    async def confirm_password_reset(body: NewPasswordBody) -> Response:
        """Set a new password with the code; every refresh token is revoked."""
        await reset_password(credentials, body.code, body.new_password)
        return Response(status_code=204)

    @router.post("/email-verification", status_code=202)
    async def ask_for_email_verification(_caller: Caller, request: Request) -> AcceptedShape:
        """Send a code to one's own address that proves it."""
        id_token = request.headers["Authorization"].partition(" ")[2]
        await request_email_verification(credentials, id_token)
        return AcceptedShape()

    @router.post("/email-verification/confirm", status_code=204)
    async def confirm_email_verification(body: CodeBody) -> Response:
        """Prove the address with the code; the next ID token says so."""
        await verify_email(credentials, body.code)
        return Response(status_code=204)

    return router


def profile_routes(people: People) -> APIRouter:
    """One's own profile."""
    router = APIRouter(tags=["users"], route_class=JsonRoute)

    @router.get("/auth/me")
    async def read_identity(caller: Caller) -> OwnShape:
        """Oneself."""
        return _own(await get_profile(people.documents, caller.uid), caller)

    @router.get("/users/me")
    async def read_profile(caller: Caller) -> OwnShape:
        """One's own profile."""
        return _own(await get_profile(people.documents, caller.uid), caller)

    @router.put("/users/me")
    async def write_profile(body: ProfileBody, caller: Caller) -> OwnShape:
        """Change one's own profile; a field that is left out stays."""
        changes = body.model_dump(include=body.model_fields_set)
        return _own(await update_profile(people.documents, caller.uid, changes), caller)

    return router


def administration_routes(people: People) -> APIRouter:
    """What administrators do to accounts."""
    router = APIRouter(prefix="/users", tags=["administration"], route_class=JsonRoute)

    @router.post("/{user_id}/deactivate")
    async def deactivate(user_id: str, administrator: Administrator) -> UserShape:
        """Shut somebody out: every token stops working at once."""
        uid = Uid(user_id)
        return UserShape.of(await deactivate_user(people.documents, people.accounts, administrator, uid))

    @router.post("/{user_id}/reactivate")
    async def reactivate(user_id: str, _administrator: Administrator) -> UserShape:
        """Let somebody in again."""
        return UserShape.of(await reactivate_user(people.documents, people.accounts, Uid(user_id)))

    return router


def _own(user: User, caller: Identity) -> OwnShape:
    return OwnShape(**UserShape.of(user).model_dump(), email_verified=caller.email_verified)


def _login_of(body: LoginBody) -> str:
    """The one of email and username that was sent."""
    given = [login for login in (body.email, body.username) if login is not None]
    if len(given) != 1:
        fault = Fault("email", "send exactly one of 'email' and 'username'")
        raise InvalidArgument("The request is not valid.", (fault,))
    return given[0]
