"""Accounts and ID tokens against the Authentication emulator. The hooks are not registered here; tests/e2e has them."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from scripts.local.emulators import EmulatorPorts
from shared.adapters.identity_platform.accounts import IdentityPlatformAccounts
from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.id_tokens import IdTokenVerifier
from shared.adapters.identity_platform.rest import RestClient
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.system.clock import SystemClock
from shared.domain.errors import (
    EmailTaken,
    InvalidArgument,
    InvalidCredentials,
    NotFound,
    Unauthenticated,
    Unavailable,
)
from shared.domain.ids import Uid
from shared.domain.writes import Create

PROJECT = "demo-fireloom"  # what every API key means to the emulator
PASSWORD = "correct horse"


@pytest.fixture
def admin() -> AdminSdk:
    return AdminSdk(PROJECT)


@pytest.fixture
async def accounts(emulators: EmulatorPorts, admin: AdminSdk) -> AsyncIterator[IdentityPlatformAccounts]:
    rest = RestClient("any", f"127.0.0.1:{emulators.auth}")
    yield IdentityPlatformAccounts(rest, admin)
    await rest.close()


@pytest.fixture
def email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


async def sent_codes(emulators: EmulatorPorts, email: str) -> list[dict[str, Any]]:
    """The messages that the emulator did not send to `email`."""
    url = f"http://127.0.0.1:{emulators.auth}/emulator/v1/projects/{PROJECT}/oobCodes"
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        codes: list[dict[str, Any]] = (await client.get(url)).json()["oobCodes"]
    return [code for code in codes if code["email"] == email]


async def test_who_signs_up_can_sign_in_and_refresh(accounts: IdentityPlatformAccounts, email: str) -> None:
    first = await accounts.sign_up(email, PASSWORD, "Ada")
    second = await accounts.sign_in(email.upper(), PASSWORD)
    third = await accounts.refresh(second.refresh_token)
    assert first.uid == second.uid == third.uid == await accounts.find_uid(email)
    assert third.expires_in_seconds == 3600


async def test_each_refusal_has_its_meaning(accounts: IdentityPlatformAccounts, email: str) -> None:
    await accounts.sign_up(email, PASSWORD, None)
    with pytest.raises(EmailTaken):
        await accounts.sign_up(email, PASSWORD, None)
    with pytest.raises(InvalidArgument):
        await accounts.sign_up("x" + email, "123", None)
    with pytest.raises(InvalidArgument):
        await accounts.sign_up("nobody", PASSWORD, None)
    for wrong in (("nobody", PASSWORD), ("x" + email, PASSWORD), (email, "wrong horse"), (email, "")):
        with pytest.raises(InvalidCredentials):
            await accounts.sign_in(*wrong)
    with pytest.raises(InvalidCredentials):
        await accounts.refresh("no token")
    assert await accounts.find_uid("x" + email) is None


async def test_a_service_that_is_gone_is_a_passing_failure(admin: AdminSdk, email: str) -> None:
    rest = RestClient("any", "127.0.0.1:9")
    with pytest.raises(Unavailable):
        await IdentityPlatformAccounts(rest, admin).sign_in(email, PASSWORD)
    await rest.close()


async def test_a_disabled_account_is_out_until_enabled(accounts: IdentityPlatformAccounts, email: str) -> None:
    tokens = await accounts.sign_up(email, PASSWORD, None)
    await accounts.disable(tokens.uid)
    with pytest.raises(InvalidCredentials):
        await accounts.sign_in(email, PASSWORD)
    with pytest.raises(InvalidCredentials):
        await accounts.refresh(tokens.refresh_token)
    await accounts.enable(tokens.uid)
    assert (await accounts.sign_in(email, PASSWORD)).uid == tokens.uid


async def test_a_deleted_account_is_gone_and_deleting_it_again_does_no_harm(
    accounts: IdentityPlatformAccounts, email: str
) -> None:
    tokens = await accounts.sign_up(email, PASSWORD, None)
    await accounts.delete(tokens.uid)
    await accounts.delete(tokens.uid)
    assert await accounts.find_uid(email) is None
    with pytest.raises(NotFound):
        await accounts.disable(tokens.uid)


async def test_a_code_sets_a_new_password_once(
    accounts: IdentityPlatformAccounts, emulators: EmulatorPorts, email: str
) -> None:
    await accounts.sign_up(email, PASSWORD, None)
    await accounts.send_password_reset(email)
    (message,) = await sent_codes(emulators, email)
    await accounts.reset_password(message["oobCode"], "battery staple")
    assert await accounts.sign_in(email, "battery staple")
    with pytest.raises(InvalidArgument) as caught:
        await accounts.reset_password(message["oobCode"], "third password")
    assert caught.value.faults[0].path == "code"


async def test_a_reset_for_nobody_looks_like_any_other(
    accounts: IdentityPlatformAccounts, emulators: EmulatorPorts, email: str
) -> None:
    await accounts.send_password_reset(email)
    assert await sent_codes(emulators, email) == []


async def test_a_code_proves_an_address(
    accounts: IdentityPlatformAccounts, admin: AdminSdk, emulators: EmulatorPorts, email: str
) -> None:
    verifier = IdTokenVerifier(admin, MemoryDocuments(), SystemClock())
    tokens = await accounts.sign_up(email, PASSWORD, None)
    assert (await verifier.verify(tokens.id_token)).email_verified is False
    await accounts.send_email_verification(tokens.id_token)
    (message,) = await sent_codes(emulators, email)
    await accounts.verify_email(message["oobCode"])
    fresh = await accounts.refresh(tokens.refresh_token)
    assert (await verifier.verify(fresh.id_token)).email_verified is True
    with pytest.raises(InvalidArgument):
        await accounts.verify_email(message["oobCode"])
    with pytest.raises(Unauthenticated):
        await accounts.send_email_verification("no token")


async def test_an_emulator_token_is_checked_as_far_as_it_can_be(
    accounts: IdentityPlatformAccounts, admin: AdminSdk, email: str
) -> None:
    documents = MemoryDocuments()
    verifier = IdTokenVerifier(admin, documents, SystemClock())
    token = (await accounts.sign_up(email, PASSWORD, None)).id_token
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    assert (await verifier.verify(token)).uid == claims["sub"]
    for changes in ({"exp": 1}, {"aud": "demo-other"}, {"iss": "https://evil.example"}, {"sub": "a/b"}):
        with pytest.raises(Unauthenticated):
            await verifier.verify(jwt.encode({**claims, **changes}, "", algorithm="none"))
    await documents.commit([Create(f"deactivated/{Uid(claims['sub'])}", {})])
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)
