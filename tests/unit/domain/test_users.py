"""What people may be called, and who holds a username."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from shared.domain.ids import Uid
from shared.domain.users import (
    RESERVATION_LIFE,
    Username,
    display_name_fault,
    email_fault,
    password_fault,
    registration_path,
    username_fault,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("username", ["ada", "Ada_L.1815", "a-b", "0x0", "a" * 30])
def test_these_are_usernames(username: str) -> None:
    assert username_fault(username) is None


@pytest.mark.parametrize(
    "username", ["", "ab", "a" * 31, "-ada", "ada.", "a da", "ada/bob", "ädä", "ada\n", "ada@x.org", "__x__", "٣٣٣"]
)
def test_these_are_no_usernames(username: str) -> None:
    assert username_fault(username)


@pytest.mark.parametrize("email", ["ada@example.com", " Ada@Example.COM ", "a.b+c@d.e.org", "ü@exämple.de"])
def test_these_are_email_addresses(email: str) -> None:
    assert email_fault(email) is None


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@x.org",
        "a@b",
        "a@@b.org",
        "a b@c.org",
        "a@b..org",
        "a@.org",
        "a@b.org\nx",
        "a" * 250 + "@b.org",
    ],
)
def test_these_are_no_email_addresses(email: str) -> None:
    assert email_fault(email)


@pytest.mark.parametrize(("password", "fits"), [("1234567", False), ("12345678", True), ("x" * 4097, False)])
def test_a_password_has_8_to_4096_characters(password: str, fits: bool) -> None:  # noqa: FBT001 - a table's column
    assert (password_fault(password) is None) == fits


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        (None, True),
        ("Ada", True),
        ("Ada Lovelace ♥", True),
        ("", False),
        ("  ", False),
        ("a\nb", False),
        ("x" * 101, False),
    ],
)
def test_a_display_name_can_be_shown(name: str | None, fits: bool) -> None:  # noqa: FBT001 - a table's column
    assert (display_name_fault(name) is None) == fits


def test_an_address_has_one_registration_and_is_not_readable_from_its_path() -> None:
    assert registration_path(" Ada@Example.com") == registration_path("ada@example.com")
    assert "ada" not in registration_path("ada@example.com")


@pytest.mark.parametrize(
    ("uid", "state", "age", "held"),
    [
        ("ada", "confirmed", timedelta(days=9), False),
        ("bob", "confirmed", timedelta(days=9), True),
        ("bob", "reserved", RESERVATION_LIFE - timedelta(seconds=1), True),
        ("bob", "reserved", RESERVATION_LIFE, False),
    ],
)
def test_a_username_is_held_against_others_for_ever_once_confirmed(
    uid: str,
    state: Literal["reserved", "confirmed"],
    age: timedelta,
    held: bool,  # noqa: FBT001 - a table's column
) -> None:
    holder = Username(Uid(uid), "name", state, NOW - age)
    assert holder.is_held_against(Uid("ada"), NOW) == held
