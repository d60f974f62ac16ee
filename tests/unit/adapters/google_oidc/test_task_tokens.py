from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from shared.adapters.google_oidc.known_tokens import KnownTokens
from shared.adapters.google_oidc.task_tokens import GoogleTaskTokens, LocalTaskTokens
from shared.domain.errors import Unauthenticated, Unavailable

AUDIENCE = "https://worker.example"
ACCOUNT = "tasks@acme.iam.gserviceaccount.com"
SECRET = "s" * 64
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "email": ACCOUNT,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def google_token(body: Mapping[str, Any], key: rsa.RSAPrivateKey = KEY, kid: str = "one") -> str:
    return jwt.encode(dict(body), key, algorithm="RS256", headers={"kid": kid})


def local_token(body: Mapping[str, Any]) -> str:
    return jwt.encode(dict(body), SECRET, algorithm="HS256")


@pytest.fixture(scope="module")
def keys_url() -> Iterator[str]:
    jwk = {**RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "one", "use": "sig", "alg": "RS256"}

    class Issuer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [jwk]}).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/certs"
    server.shutdown()
    server.server_close()
    thread.join()


UNSIGNED = jwt.encode(claims(), "", algorithm="none")

WRONG: Mapping[str, dict[str, Any]] = {
    "expired": claims(exp=int(time.time()) - 60),
    "without an expiry": claims(exp=None),
    "for somebody else": claims(aud="https://elsewhere.example"),
    "for nobody": claims(aud=None),
    "of another issuer": claims(iss="https://evil.example"),
    "of another account": claims(email="somebody@acme.iam.gserviceaccount.com"),
    "of nobody": claims(email=None),
    "with an unverified address": claims(email_verified=False),
}


@pytest.mark.loopback
@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("sign", [google_token, local_token])
async def test_a_token_that_is_wrong_is_refused(
    keys_url: str, sign: Callable[[Mapping[str, Any]], str], body: dict[str, Any]
) -> None:
    google = GoogleTaskTokens(AUDIENCE, [ACCOUNT], keys_url)
    verifier = google if sign is google_token else LocalTaskTokens(SECRET, AUDIENCE, [ACCOUNT])
    with pytest.raises(Unauthenticated):
        await verifier.verify(sign(body))


@pytest.mark.loopback
@pytest.mark.parametrize("issuer", ["https://accounts.google.com", "accounts.google.com"])
async def test_a_token_of_the_queues_account_is_accepted(keys_url: str, issuer: str) -> None:
    body = claims(iss=issuer)
    assert await GoogleTaskTokens(AUDIENCE, [ACCOUNT], keys_url).verify(google_token(body)) == ACCOUNT
    assert await LocalTaskTokens(SECRET, AUDIENCE, [ACCOUNT]).verify(local_token(body)) == ACCOUNT


@pytest.mark.loopback
@pytest.mark.parametrize(
    "token",
    [
        "",
        "not a token",
        local_token(claims()),
        google_token(claims(), OTHER_KEY),
        google_token(claims(), kid="two"),
        UNSIGNED,
    ],
    ids=["empty", "garbage", "signed with the local key", "signed by another", "of an unknown key", "unsigned"],
)
async def test_only_googles_signature_counts(keys_url: str, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await GoogleTaskTokens(AUDIENCE, [ACCOUNT], keys_url).verify(token)


@pytest.mark.parametrize(
    "token",
    ["", "not a token", google_token(claims()), UNSIGNED],
    ids=["empty", "garbage", "signed by Google", "unsigned"],
)
async def test_only_the_local_keys_signature_counts_locally(token: str) -> None:
    with pytest.raises(Unauthenticated):
        await LocalTaskTokens(SECRET, AUDIENCE, [ACCOUNT]).verify(token)


async def test_without_accounts_nobody_is_accepted() -> None:
    with pytest.raises(Unauthenticated):
        await LocalTaskTokens(SECRET, AUDIENCE, []).verify(local_token(claims()))


def test_an_empty_local_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key"):
        LocalTaskTokens("", AUDIENCE, [ACCOUNT])


@pytest.mark.loopback
async def test_keys_that_cannot_be_read_are_no_verdict() -> None:
    verifier = GoogleTaskTokens(AUDIENCE, [ACCOUNT], "http://127.0.0.1:1/certs")
    with pytest.raises(Unavailable):
        await verifier.verify(google_token(claims()))


@pytest.mark.loopback
async def test_a_token_that_was_verified_is_known_without_its_issuer(keys_url: str) -> None:
    verifier = GoogleTaskTokens(AUDIENCE, [ACCOUNT], keys_url)
    token = google_token(claims())
    assert await verifier.verify(token) == ACCOUNT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jwt, "decode", None)
        assert await verifier.verify(token) == ACCOUNT


@pytest.mark.parametrize(("seconds", "account"), [(9.9, ACCOUNT), (10.0, None), (11.0, None)])
def test_a_token_is_known_until_it_expires(seconds: float, account: str | None) -> None:
    now = 1_000.0
    known = KnownTokens(lambda: now)
    assert known.account_of("token") is None
    assert known.keep("token", ACCOUNT, now + 10) == ACCOUNT
    now += seconds
    assert known.account_of("token") == account
    assert known.account_of("another") is None


def test_only_so_many_tokens_are_known() -> None:
    known = KnownTokens(lambda: 0.0)
    for number in range(10_000):
        known.keep(f"{number}", ACCOUNT, 1.0)
    assert known.account_of("9999") == ACCOUNT
    assert sum(known.account_of(f"{number}") is not None for number in range(10_000)) <= 256
