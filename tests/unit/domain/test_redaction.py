"""Secrets are taken out of what comes back, however it was encoded on the way."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.redaction import HIDDEN, Redactor
from shared.domain.secrets import SecretText

CANARY = 'canary "p+s/w" öd\\1'
REDACTOR = Redactor([SecretText(CANARY), SecretText("other-secret")])


@pytest.mark.parametrize(
    "shown",
    [
        CANARY,
        f"Bearer {CANARY}",
        json.dumps({"authorization": CANARY}),
        json.dumps({"authorization": CANARY}, ensure_ascii=False),
        f"https://x/?{urlencode({'key': CANARY})}",
        f"https://x/{quote(CANARY, safe='')}",
        f"https://x/{quote_plus(CANARY)}",
        CANARY.encode().hex(),
        base64.b64encode(f"user:{CANARY}".encode()).decode(),
        base64.urlsafe_b64encode(f"me:{CANARY}!".encode()).decode(),
    ],
)
def test_a_secret_is_hidden_in_each_of_its_forms(shown: str) -> None:
    hidden = REDACTOR.text(f"before {shown} other-secret after")
    assert HIDDEN in hidden
    assert hidden.startswith("before ")
    assert hidden.endswith(f"{HIDDEN} after")
    assert "canary" not in hidden
    assert CANARY.encode().hex() not in hidden


@given(before=st.binary(max_size=8), after=st.binary(max_size=8), secret=st.text(min_size=8, max_size=40))
def test_no_neighbour_hides_a_secret_inside_base64(before: bytes, after: bytes, secret: str) -> None:
    try:
        inner = secret.encode()
    except UnicodeEncodeError:
        return
    encoded = base64.b64encode(before + inner + after).decode()
    assert HIDDEN in Redactor([SecretText(secret)]).text(encoded)


def test_values_are_searched_to_their_depth_keys_too() -> None:
    value: Any = {"a": [1, None, True, {"other-secret": ("x other-secret", 2.5)}]}
    assert REDACTOR.value(value) == {"a": [1, None, True, {HIDDEN: [f"x {HIDDEN}", 2.5]}]}


def test_a_key_of_several_lines_is_hidden_line_by_line() -> None:
    lines = ["-----BEGIN KEY-----", "bW9yZSBzZWNyZXQ", "-----END KEY-----"]
    hidden = Redactor([SecretText("\n".join(lines) + "\n")]).text("\r\n".join(lines))
    assert lines[1] not in hidden


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    redactor = Redactor([SecretText("secret-one"), SecretText("secret-one-and-more")])
    assert redactor.text("secret-one-and-more secret-one") == f"{HIDDEN} {HIDDEN}"


def test_without_secrets_nothing_changes() -> None:
    value = {"a": ["text", 1]}
    assert Redactor([]).value(value) == value
    assert Redactor([]).text("text") == "text"
