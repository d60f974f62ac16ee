"""Only Identity Platform calls the hooks: signed tokens in production, unsigned ones from the emulator alone."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
import pytest

from shared.adapters.identity_platform.hook_tokens import EmulatorHookTokens, HookTokenVerifier
from shared.domain.errors import Unauthenticated, Unavailable
from shared.domain.ids import Uid
from shared.domain.users import Account
from tests.support.google_keys import GoogleKeys, new_key, published_keys

PROJECT = "acme"
HOOKS = ["https://auth.example/hooks/before_create", "https://auth.example/hooks/before_sign_in"]

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def google() -> Iterator[GoogleKeys]:
    with published_keys() as keys:
        yield keys


@pytest.fixture(scope="module")
def verifier(google: GoogleKeys) -> HookTokenVerifier:
    return HookTokenVerifier(PROJECT, HOOKS, f"{google.base_url}/jwk")


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": HOOKS[0],
        "sub": "uid1",
        "iat": now,
        "exp": now + 600,
        "event_id": "e1",
        "event_type": "beforeCreate",
        "sign_in_method": "password",
        "user_record": {
            "uid": "uid1",
            "email": "ada@example.com",
            "email_verified": True,
            "display_name": "Ada",
            "custom_claims": {"team": "x"},
        },
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def unsigned(body: Mapping[str, Any]) -> str:
    return jwt.encode(dict(body), "", algorithm="none")


WRONG: Mapping[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 60},
    "without an expiry": {"exp": None},
    "of another project": {"iss": "https://securetoken.google.com/evil"},
    "of nobody": {"iss": None},
    "for another hook": {"event_type": "beforeSignIn"},
    "without an account": {"sub": None},
    "with an empty account": {"sub": ""},
    "with an account that is a path": {"sub": "a/b"},
    "without a record": {"user_record": None},
    "with a record of another shape": {"user_record": "ada"},
}


async def test_what_google_signed_for_this_hook_is_believed(google: GoogleKeys, verifier: HookTokenVerifier) -> None:
    call = await verifier.verify(google.sign(claims()), "beforeCreate")
    assert call.account == Account(Uid("uid1"), "ada@example.com", email_verified=True, display_name="Ada")
    assert (call.claims, call.method) == ({"team": "x"}, "password")


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
async def test_a_token_that_is_wrong_is_refused(
    google: GoogleKeys, verifier: HookTokenVerifier, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(google.sign(claims(**changes)), "beforeCreate")
    with pytest.raises(Unauthenticated):
        await EmulatorHookTokens(PROJECT).verify(unsigned(claims(**changes)), "beforeCreate")


@pytest.mark.parametrize("audience", ["https://elsewhere.example/hooks/before_create", PROJECT, None])
async def test_a_signed_token_for_another_address_is_refused(
    google: GoogleKeys, verifier: HookTokenVerifier, audience: str | None
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(google.sign(claims(aud=audience)), "beforeCreate")


async def test_what_google_did_not_sign_is_refused(google: GoogleKeys, verifier: HookTokenVerifier) -> None:
    forged = GoogleKeys(google.base_url, new_key())
    symmetric = jwt.encode(claims(), "x" * 64, algorithm="HS256", headers={"kid": "one"})
    for token in ("", "no token", unsigned(claims()), forged.sign(claims()), google.sign(claims(), "two"), symmetric):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token, "beforeCreate")


async def test_keys_that_cannot_be_read_are_a_passing_failure(google: GoogleKeys) -> None:
    with pytest.raises(Unavailable):
        await HookTokenVerifier(PROJECT, HOOKS, "http://127.0.0.1:9/jwk").verify(google.sign(claims()), "beforeCreate")


async def test_the_emulators_token_is_believed_without_signature() -> None:
    call = await EmulatorHookTokens(PROJECT).verify(unsigned(claims(user_record={"uid": "uid1"})), "beforeCreate")
    assert (call.account.uid, call.account.email, call.claims) == ("uid1", None, {})


async def test_the_emulator_signs_nothing(google: GoogleKeys) -> None:
    for token in ("", "no token", google.sign(claims())):
        with pytest.raises(Unauthenticated):
            await EmulatorHookTokens(PROJECT).verify(token, "beforeCreate")
