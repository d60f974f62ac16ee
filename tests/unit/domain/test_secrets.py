"""Secrets in definitions, and what must not be seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.records import parse, render
from shared.domain.secrets import (
    LONGEST_WRITE,
    EntryId,
    SecretText,
    StoredSecret,
    secret_fault,
    secrets_in,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)
A, B, C = EntryId("a"), EntryId("b"), EntryId("c")
CONFIG: dict[str, Any] = {
    "url": "https://x",
    "headers": {"Authorization": {"secret": "token"}, "X-Kind": "secret"},
    "list": [{"secret": "other"}, {"secret": "token"}, ({"secret": "third"},)],
    "not": [{"secret": "a", "more": 1}, {"secret": 7}, "secret", None, {"secret": {"secret": "inner"}}],
}


@dataclass(frozen=True)
class Holder:
    text: SecretText


def test_a_secret_does_not_show_itself_by_accident() -> None:
    secret = SecretText("canary-canary")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>40}",
        repr([secret]),
        repr(Holder(secret)),
    ]
    assert "canary" not in " ".join(shown)
    assert secret.reveal() == "canary-canary"


def test_a_reference_is_a_map_of_one_key_and_nothing_else_is() -> None:
    assert secrets_in(CONFIG) == {"token", "other", "third", "inner"}
    assert secrets_in("{'secret': 'x'}") == frozenset()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1234567", "at least 8"),
        ("  1234567  ", "at least 8"),
        ("", "at least 8"),
        ("x" * 65_537, "65,536 bytes"),
        ("ä" * 32_769, "65,536 bytes"),
        ("\ud800" * 8, "valid Unicode"),
    ],
)
def test_what_cannot_be_a_secret_is_refused_without_repeating_it(value: str, reason: str) -> None:
    fault = secret_fault(value)
    assert fault is not None
    assert reason in fault


@pytest.mark.parametrize("value", ["12345678", "x" * 65_536, "-----BEGIN KEY-----\nabc\n-----END KEY-----\n"])
def test_passwords_and_whole_keys_are_secrets(value: str) -> None:
    assert secret_fault(value) is None


@pytest.mark.parametrize("value", ["canary\ncanary", "canary\r\nX: y", "canary\0canary", "canäry-canäry", "   "])
def test_what_would_break_a_header_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        SecretText(value).reveal_for_header()
    assert "can" not in refused.value.message.replace("cannot", "")


def test_space_around_a_header_is_dropped() -> None:
    assert SecretText(" canary canary\n").reveal_for_header() == "canary canary"


def test_the_life_of_a_secret_leaves_no_entry_unnamed() -> None:
    new = StoredSecret("token", Uid("ada"), NOW, NOW)
    assert new.is_empty
    noted = new.noting(A, NOW)
    assert (noted.is_stored, noted.is_empty, noted.stale(NOW)) == (False, False, ())
    stored = noted.pointing_at(A, NOW + timedelta(seconds=1))
    assert (stored.entry, stored.is_stored, stored.pending, stored.stale(NOW)) == (A, True, {}, ())
    assert stored.created_at == stored.updated_at == NOW + timedelta(seconds=1)
    replaced = stored.noting(B, NOW).noting(C, NOW).pointing_at(B, NOW + timedelta(seconds=2))
    assert (replaced.entry, replaced.discarded, set(replaced.pending)) == (B, (A,), {C})
    assert replaced.created_at == stored.created_at
    assert replaced.stale(NOW) == (A,)
    assert replaced.stale(NOW + LONGEST_WRITE * 2) == (A, C)
    deleted = replaced.without_value()
    assert (deleted.entry, deleted.is_stored, deleted.discarded) == (None, False, (A, B))
    assert not deleted.is_empty
    assert deleted.forgetting((A, B, C)).is_empty
    assert parse(StoredSecret, render(replaced)) == replaced
