"""ID tokens as production verifies them: Google's signature by the Admin SDK, and no deactivation in the store."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from firebase_admin import _token_gen

from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.id_tokens import IdTokenVerifier
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.domain.errors import Unauthenticated, Unavailable
from shared.domain.ids import Uid
from shared.domain.writes import Create
from shared.ports.identity import Identity
from tests.support.google_keys import GoogleKeys, new_key, published_keys
from tests.support.watched_documents import WatchedDocuments

PROJECT = "acme"

pytestmark = pytest.mark.loopback


@pytest.fixture(scope="module")
def google() -> Iterator[GoogleKeys]:
    with published_keys() as keys:
        yield keys


@pytest.fixture
def documents() -> WatchedDocuments:
    return WatchedDocuments(MemoryDocuments())


@pytest.fixture
def verifier(
    google: GoogleKeys, documents: WatchedDocuments, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> IdTokenVerifier:
    """A production verifier whose only difference is where Google's certificates are."""
    account = {
        "type": "service_account",
        "client_email": "auth@acme.iam.gserviceaccount.com",
        "token_uri": f"{google.base_url}/token",
        "private_key": google.private_pem,
    }
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    monkeypatch.setattr(_token_gen, "ID_TOKEN_CERT_URI", f"{google.base_url}/x509")
    return IdTokenVerifier(AdminSdk(PROJECT), documents, MemoryClock(datetime.now(UTC)))


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "iss": f"https://securetoken.google.com/{PROJECT}",
        "aud": PROJECT,
        "sub": "uid1",
        "iat": now - 1,
        "exp": now + 600,
        "email": "ada@example.com",
        "email_verified": True,
        "role": "moderator",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


async def test_a_token_that_google_signed_proves_the_person_with_one_read(
    google: GoogleKeys, verifier: IdTokenVerifier, documents: WatchedDocuments
) -> None:
    identity = await verifier.verify(google.sign(claims()))
    assert identity == Identity(Uid("uid1"), "moderator", "ada@example.com", email_verified=True)
    assert documents.round_trips == 1


@pytest.mark.parametrize("role", [None, "root", 7, ["admin"], {"admin": True}])
async def test_whoever_has_no_known_role_is_a_user(google: GoogleKeys, verifier: IdTokenVerifier, role: Any) -> None:
    assert (await verifier.verify(google.sign(claims(role=role)))).role == "user"


WRONG: Mapping[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 60, "iat": int(time.time()) - 120},
    "without an expiry": {"exp": None},
    "of another project": {"iss": "https://securetoken.google.com/evil"},
    "for another project": {"aud": "evil"},
    "without a person": {"sub": None},
    "with a person that is a path": {"sub": "a/b"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
async def test_a_token_that_is_wrong_is_refused(
    google: GoogleKeys, verifier: IdTokenVerifier, documents: WatchedDocuments, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unauthenticated):
        await verifier.verify(google.sign(claims(**changes)))
    assert documents.round_trips == 0


async def test_what_google_did_not_sign_is_refused(google: GoogleKeys, verifier: IdTokenVerifier) -> None:
    forged = GoogleKeys(google.base_url, new_key())
    unsigned = jwt.encode(claims(), "", algorithm="none")
    symmetric = jwt.encode(claims(), "x" * 64, algorithm="HS256", headers={"kid": "one"})
    for token in ("", "no token", unsigned, forged.sign(claims()), google.sign(claims(), "two"), symmetric):
        with pytest.raises(Unauthenticated):
            await verifier.verify(token)


async def test_a_deactivated_persons_token_is_refused_at_once(
    google: GoogleKeys, verifier: IdTokenVerifier, documents: WatchedDocuments
) -> None:
    token = google.sign(claims())
    await verifier.verify(token)
    await documents.commit([Create("deactivated/uid1", {"uid": "uid1"})])
    with pytest.raises(Unauthenticated):
        await verifier.verify(token)


async def test_nobody_is_let_in_while_the_store_does_not_answer(
    google: GoogleKeys, verifier: IdTokenVerifier, documents: WatchedDocuments
) -> None:
    documents.failure = Unavailable("as told")
    with pytest.raises(Unavailable):
        await verifier.verify(google.sign(claims()))
