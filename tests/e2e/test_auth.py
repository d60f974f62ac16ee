"""People, end to end: the staged function, the emulator that calls its hooks, and Firestore."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import jwt
import pytest

from scripts.local.environment import ADMINISTRATOR
from scripts.local.stack import Stack
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.domain.users import registration_path
from shared.ports.documents import Documents

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Newcomer:
    email: str
    username: str

    @property
    def body(self) -> dict[str, str]:
        return {"email": self.email, "username": self.username, "password": PASSWORD, "display_name": "Ada Lovelace"}


@dataclass(frozen=True)
class Emulator:
    """The Authentication emulator as clients and mailboxes see it."""

    http: httpx.AsyncClient
    project: str

    async def sign_up(self, email: str, **fields: str) -> httpx.Response:
        """Sign up as the web SDK does, past Fireloom."""
        body = {"email": email, "password": PASSWORD, "returnSecureToken": True, **fields}
        return await self.http.post("/identitytoolkit.googleapis.com/v1/accounts:signUp?key=any", json=body)

    async def accounts_of(self, email: str) -> list[dict[str, Any]]:
        answer = await self.http.post(
            f"/identitytoolkit.googleapis.com/v1/projects/{self.project}/accounts:lookup",
            json={"email": [email]},
            headers={"Authorization": "Bearer owner"},
        )
        accounts: list[dict[str, Any]] = answer.json().get("users", [])
        return accounts

    @asynccontextmanager
    async def without_sign_in_hook(self) -> AsyncGenerator[None]:
        """Let the second hook's address be one where nobody listens."""
        url = f"/identitytoolkit.googleapis.com/v2/projects/{self.project}/config"
        owner = {"Authorization": "Bearer owner"}
        config: dict[str, Any] = (await self.http.get(url, headers=owner)).json()["blockingFunctions"]
        broken = {**config["triggers"], "beforeSignIn": {"functionUri": "http://127.0.0.1:9/"}}
        mask = {"updateMask": "blockingFunctions"}
        body = {"blockingFunctions": {"triggers": broken}}
        (await self.http.patch(url, params=mask, headers=owner, json=body)).raise_for_status()
        try:
            yield
        finally:
            body = {"blockingFunctions": config}
            (await self.http.patch(url, params=mask, headers=owner, json=body)).raise_for_status()

    async def code_for(self, email: str, kind: str) -> str:
        answer = await self.http.get(f"/emulator/v1/projects/{self.project}/oobCodes")
        codes = [code for code in answer.json()["oobCodes"] if (code["email"], code["requestType"]) == (email, kind)]
        return str(codes[-1]["oobCode"])


@pytest.fixture
def newcomer() -> Newcomer:
    mark = secrets.token_hex(6)
    return Newcomer(f"{mark}@example.com", f"ada-{mark}")


@pytest.fixture
async def emulator(stack: Stack) -> AsyncIterator[Emulator]:
    base = f"http://127.0.0.1:{stack.settings.ports.emulators.auth}"
    async with httpx.AsyncClient(base_url=base, timeout=60, trust_env=False) as http:
        yield Emulator(http, stack.settings.project)


@pytest.fixture
def documents(stack: Stack) -> Documents:
    return FirestoreDocuments(stack.settings.project)


async def fields_of(documents: Documents, path: str) -> dict[str, Any]:
    return dict((await documents.get(path)).fields or {})


async def register(api: httpx.AsyncClient, newcomer: Newcomer) -> dict[str, Any]:
    answer = await api.post("/auth/register", json=newcomer.body)
    assert answer.status_code == 201, answer.text
    signed_in: dict[str, Any] = answer.json()
    return signed_in


async def login(api: httpx.AsyncClient, email: str, password: str = PASSWORD) -> httpx.Response:
    return await api.post("/auth/login", json={"email": email, "password": password})


async def me(api: httpx.AsyncClient, token: str) -> httpx.Response:
    return await api.get("/auth/me", headers=bearing(token))


def bearing(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_registering_makes_account_username_profile_and_role(
    api: httpx.AsyncClient, documents: Documents, newcomer: Newcomer
) -> None:
    signed_in = await register(api, newcomer)
    user = signed_in["user"]
    assert (user["username"], user["email"], user["role"]) == (newcomer.username, newcomer.email, "user")
    claims = jwt.decode(signed_in["id_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["role"]) == (user["uid"], "user")
    holder = await fields_of(documents, f"usernames/{newcomer.username}")
    assert (holder["uid"], holder["state"]) == (user["uid"], "confirmed")
    assert (await fields_of(documents, f"users/{user['uid']}"))["username"] == newcomer.username
    assert await fields_of(documents, registration_path(newcomer.email)) == {}
    answer = await me(api, signed_in["id_token"])
    assert answer.json() == {**user, "email_verified": False}
    assert (await api.get("/users/me", headers=bearing(signed_in["id_token"]))).json() == answer.json()


async def test_one_signs_in_by_address_or_username_and_refreshes(api: httpx.AsyncClient, newcomer: Newcomer) -> None:
    registered = await register(api, newcomer)
    for key, login_name in (("email", newcomer.email), ("username", newcomer.username.upper())):
        answer = await api.post("/auth/login", json={key: login_name, "password": PASSWORD})
        assert (answer.status_code, answer.json()["user"]) == (200, registered["user"])
    refreshed = await api.post("/auth/refresh", json={"refresh_token": registered["refresh_token"]})
    assert refreshed.json()["expires_in"] == 3600
    assert (await me(api, refreshed.json()["id_token"])).status_code == 200


@pytest.mark.parametrize(
    ("changes", "faulty"),
    [
        ({"password": "123"}, {"password"}),
        ({"email": "ada"}, {"email"}),
        ({"username": None}, {"username"}),
        ({"email": "ada", "password": "1", "username": "?", "nick": "x"}, {"email", "password", "username", "nick"}),
    ],
)
async def test_all_that_is_wrong_with_a_registration_is_told_at_once(
    api: httpx.AsyncClient, newcomer: Newcomer, changes: dict[str, Any], faulty: set[str]
) -> None:
    answer = await api.post("/auth/register", json={**newcomer.body, **changes})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_argument")
    assert {fault["path"] for fault in answer.json()["faults"]} == faulty
    assert PASSWORD not in answer.text


async def test_a_taken_username_or_address_is_a_conflict_and_leaves_nothing(
    api: httpx.AsyncClient, emulator: Emulator, documents: Documents, newcomer: Newcomer
) -> None:
    await register(api, newcomer)
    rival = {**newcomer.body, "email": f"rival-{newcomer.email}", "username": newcomer.username.upper()}
    answer = await api.post("/auth/register", json=rival)
    assert (answer.status_code, answer.json()["code"]) == (409, "username_taken")
    assert await emulator.accounts_of(rival["email"]) == []
    answer = await api.post("/auth/register", json={**newcomer.body, "username": f"x{newcomer.username}"})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert await fields_of(documents, f"usernames/x{newcomer.username}") == {}


async def test_of_many_who_want_one_username_at_once_exactly_one_gets_it(
    api: httpx.AsyncClient, emulator: Emulator, documents: Documents, newcomer: Newcomer
) -> None:
    rivals = [{**newcomer.body, "email": f"{n}-{newcomer.email}"} for n in range(6)]
    answers = await asyncio.gather(*(api.post("/auth/register", json=rival) for rival in rivals))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    (winner,) = [answer.json()["user"] for answer in answers if answer.status_code == 201]
    assert (await fields_of(documents, f"usernames/{newcomer.username}"))["uid"] == winner["uid"]
    assert [len(await emulator.accounts_of(rival["email"])) for rival in rivals].count(1) == 1


async def test_who_signs_up_past_fireloom_gets_a_profile_and_a_role_and_may_choose_a_username(
    api: httpx.AsyncClient, emulator: Emulator, newcomer: Newcomer
) -> None:
    token = (await emulator.sign_up(newcomer.email, displayName="Eve")).json()["idToken"]
    profile = (await me(api, token)).json()
    assert (profile["username"], profile["display_name"], profile["role"]) == (None, "Eve", "user")
    answer = await api.put("/users/me", json={"username": newcomer.username}, headers=bearing(token))
    assert (answer.json()["username"], answer.json()["display_name"]) == (newcomer.username, "Eve")
    assert (await api.post("/auth/login", json={"username": newcomer.username, "password": PASSWORD})).is_success


async def test_every_refusal_to_sign_in_is_the_same_401(api: httpx.AsyncClient, newcomer: Newcomer) -> None:
    await register(api, newcomer)
    bodies: list[dict[str, str]] = [
        {"email": newcomer.email, "password": "wrong horse"},
        {"email": f"x{newcomer.email}", "password": PASSWORD},
        {"username": newcomer.username, "password": "wrong horse"},
        {"username": f"x{newcomer.username}", "password": PASSWORD},
    ]
    answers = [await api.post("/auth/login", json=body) for body in bodies]
    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.json()["code"], answer.json()["detail"]) for answer in answers}) == 1
    assert (await api.post("/auth/login", json={"password": PASSWORD})).status_code == 400
    assert (await api.post("/auth/refresh", json={"refresh_token": "none"})).status_code == 401


@pytest.mark.parametrize("token", [None, "none", "e30.e30."])
async def test_without_a_valid_token_one_is_nobody(api: httpx.AsyncClient, token: str | None) -> None:
    answer = await api.get("/auth/me", headers=bearing(token) if token else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_password_is_reset_by_the_code_in_the_message(
    api: httpx.AsyncClient, emulator: Emulator, newcomer: Newcomer
) -> None:
    await register(api, newcomer)
    known = await api.post("/auth/password-reset", json={"email": newcomer.email})
    unknown = await api.post("/auth/password-reset", json={"email": f"x{newcomer.email}"})
    assert (known.status_code, known.text) == (unknown.status_code, unknown.text) == (202, '{"status":"accepted"}')
    code = await emulator.code_for(newcomer.email, "PASSWORD_RESET")
    weak = await api.post("/auth/password-reset/confirm", json={"code": code, "new_password": "123"})
    assert (weak.status_code, weak.json()["faults"][0]["path"]) == (400, "new_password")
    change = {"code": code, "new_password": "battery staple"}
    assert (await api.post("/auth/password-reset/confirm", json=change)).status_code == 204
    assert (await login(api, newcomer.email)).status_code == 401
    assert (await login(api, newcomer.email, "battery staple")).status_code == 200
    again = await api.post("/auth/password-reset/confirm", json=change)
    assert (again.status_code, again.json()["faults"][0]["path"]) == (400, "code")


async def test_an_address_is_verified_by_the_code_in_the_message(
    api: httpx.AsyncClient, emulator: Emulator, newcomer: Newcomer
) -> None:
    registered = await register(api, newcomer)
    assert (await api.post("/auth/email-verification")).status_code == 401
    asked = await api.post("/auth/email-verification", headers=bearing(registered["id_token"]))
    assert asked.status_code == 202
    code = await emulator.code_for(newcomer.email, "VERIFY_EMAIL")
    assert (await api.post("/auth/email-verification/confirm", json={"code": code})).status_code == 204
    fresh = await api.post("/auth/refresh", json={"refresh_token": registered["refresh_token"]})
    assert (await me(api, fresh.json()["id_token"])).json()["email_verified"] is True
    assert (await api.post("/auth/email-verification/confirm", json={"code": code})).status_code == 400


async def administrator_token(api: httpx.AsyncClient, emulator: Emulator) -> str:
    """A token of the first administrator, who has proved the address that the settings list."""
    body = {"email": ADMINISTRATOR, "username": "grace", "password": PASSWORD}
    registered = await api.post("/auth/register", json=body)
    if registered.status_code == 201:
        assert registered.json()["user"]["role"] == "user"
        await api.post("/auth/email-verification", headers=bearing(registered.json()["id_token"]))
        code = await emulator.code_for(ADMINISTRATOR, "VERIFY_EMAIL")
        await api.post("/auth/email-verification/confirm", json={"code": code})
    signed_in = (await login(api, ADMINISTRATOR)).json()
    assert signed_in["user"]["role"] == "admin"
    return str(signed_in["id_token"])


async def test_a_deactivated_persons_tokens_stop_working_at_once_until_reactivated(
    api: httpx.AsyncClient, emulator: Emulator, documents: Documents, newcomer: Newcomer
) -> None:
    registered = await register(api, newcomer)
    uid = registered["user"]["uid"]
    admin = bearing(await administrator_token(api, emulator))
    assert (await me(api, registered["id_token"])).status_code == 200

    deactivated = await api.post(f"/users/{uid}/deactivate", headers=admin)
    assert (deactivated.status_code, deactivated.json()["is_active"]) == (200, False)
    assert (await me(api, registered["id_token"])).status_code == 401
    assert (await api.post("/auth/refresh", json={"refresh_token": registered["refresh_token"]})).status_code == 401
    assert (await login(api, newcomer.email)).status_code == 401
    assert (await emulator.accounts_of(newcomer.email))[0]["disabled"] is True
    assert (await fields_of(documents, f"deactivated/{uid}"))["uid"] == uid

    reactivated = await api.post(f"/users/{uid}/reactivate", headers=admin)
    assert (reactivated.status_code, reactivated.json()["is_active"]) == (200, True)
    assert (await login(api, newcomer.email)).status_code == 200


async def test_the_hook_itself_refuses_the_deactivated(
    api: httpx.AsyncClient, emulator: Emulator, newcomer: Newcomer
) -> None:
    registered = await register(api, newcomer)
    uid = registered["user"]["uid"]
    admin = bearing(await administrator_token(api, emulator))
    await api.post(f"/users/{uid}/deactivate", headers=admin)
    await emulator.http.post(  # as if Identity Platform had missed the deactivation
        f"/identitytoolkit.googleapis.com/v1/projects/{emulator.project}/accounts:update",
        json={"localId": uid, "disableUser": False},
        headers={"Authorization": "Bearer owner"},
    )
    answer = await emulator.http.post(
        "/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=any",
        json={"email": newcomer.email, "password": PASSWORD, "returnSecureToken": True},
    )
    assert answer.status_code == 400
    assert "account_deactivated" in answer.json()["error"]["message"]
    assert (await login(api, newcomer.email)).status_code == 401


async def test_only_administrators_shut_people_out(api: httpx.AsyncClient, newcomer: Newcomer) -> None:
    registered = await register(api, newcomer)
    path = f"/users/{registered['user']['uid']}/deactivate"
    answer = await api.post(path, headers=bearing(registered["id_token"]))
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert (await api.post(path)).status_code == 401


async def test_an_administrator_neither_locks_oneself_out_nor_finds_who_is_not_there(
    api: httpx.AsyncClient, emulator: Emulator
) -> None:
    token = await administrator_token(api, emulator)
    uid = (await me(api, token)).json()["uid"]
    assert (await api.post(f"/users/{uid}/deactivate", headers=bearing(token))).status_code == 400
    assert (await api.post("/users/nobody/deactivate", headers=bearing(token))).status_code == 404


async def test_a_registration_that_fails_between_the_hooks_leaves_nothing_and_can_be_repeated(
    api: httpx.AsyncClient, emulator: Emulator, documents: Documents, newcomer: Newcomer
) -> None:
    async with emulator.without_sign_in_hook():
        answer = await api.post("/auth/register", json=newcomer.body)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert await emulator.accounts_of(newcomer.email) == []
    assert await fields_of(documents, f"usernames/{newcomer.username}") == {}
    assert (await register(api, newcomer))["user"]["username"] == newcomer.username


async def test_a_registration_and_a_renaming_that_race_for_a_username_leave_it_with_one(
    api: httpx.AsyncClient, emulator: Emulator, documents: Documents, newcomer: Newcomer
) -> None:
    first = await register(api, newcomer)
    second = {**newcomer.body, "email": f"rival-{newcomer.email}", "username": f"x{newcomer.username}"}
    await asyncio.gather(
        api.post("/auth/register", json=second),
        api.put("/users/me", json={"username": second["username"]}, headers=bearing(first["id_token"])),
    )
    owner = (await fields_of(documents, f"usernames/{second['username']}"))["uid"]
    people = [first["user"]["uid"], *(account["localId"] for account in await emulator.accounts_of(second["email"]))]
    named = [(await fields_of(documents, f"users/{uid}"))["username"] == second["username"] for uid in people]
    assert [uid for uid, has_it in zip(people, named, strict=True) if has_it] == [owner]
