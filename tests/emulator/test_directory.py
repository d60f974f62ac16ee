"""Finding people by what they have proved, in the Authentication emulator."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from firebase_admin import auth as untyped

from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.directory import IdentityPlatformDirectory

PROJECT = "demo-fireloom"
auth: Any = untyped


@pytest.fixture
def admin() -> AdminSdk:
    return AdminSdk(PROJECT)


@pytest.mark.parametrize("proved", [True, False])
async def test_an_address_means_who_has_proved_it(admin: AdminSdk, *, proved: bool) -> None:
    email = f"{secrets.token_hex(8)}@example.com"
    made: Any = await admin.call(auth.create_user, email=email, email_verified=proved)
    found = await IdentityPlatformDirectory(admin).find_by_proved_email(email)
    assert found == (made.uid if proved else None)


@pytest.mark.parametrize("email", ["nobody-at-all@example.com", "no address", ""])
async def test_an_unknown_address_means_nobody(admin: AdminSdk, email: str) -> None:
    assert await IdentityPlatformDirectory(admin).find_by_proved_email(email) is None
