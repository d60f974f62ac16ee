"""What Identity Platform's messages mean."""

from __future__ import annotations

import pytest

from shared.adapters.identity_platform.refusals import REFUSALS, refusal_of
from shared.domain.errors import (
    DomainError,
    EmailTaken,
    InvalidArgument,
    InvalidCredentials,
    ResourceExhausted,
    Unavailable,
)
from shared.ports.accounts import HookRefused

ANSWER = '{"error":{"status":"ALREADY_EXISTS","message":"taken","details":{"code":"username_taken"}}}'


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("EMAIL_EXISTS", EmailTaken),
        ("WEAK_PASSWORD : Password should be at least 6 characters", InvalidArgument),
        ("PASSWORD_DOES_NOT_MEET_REQUIREMENTS : Missing password requirements: [x]", InvalidArgument),
        ("INVALID_LOGIN_CREDENTIALS", InvalidCredentials),
        ("USER_DISABLED", InvalidCredentials),
        ("TOO_MANY_ATTEMPTS_TRY_LATER : Access is disabled", ResourceExhausted),
        ("OPERATION_NOT_ALLOWED", Unavailable),
        ("", Unavailable),
    ],
)
def test_a_message_has_one_meaning(message: str, kind: type[DomainError]) -> None:
    assert type(refusal_of(message)) is kind


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (
            f"BLOCKING_FUNCTION_ERROR_RESPONSE : ((HTTP request to x returned HTTP error 409: {ANSWER}))",
            "username_taken",
        ),
        (
            "BLOCKING_FUNCTION_ERROR_RESPONSE : ((HTTP Cloud Function returned an error: {ANSWER}))".replace(
                "{ANSWER}", ANSWER.replace('"', '\\"')
            ),
            "username_taken",
        ),
        ("BLOCKING_FUNCTION_ERROR_RESPONSE : ((Deadline exceeded making request to x.))", None),
    ],
)
def test_a_hooks_refusal_keeps_its_code(message: str, code: str | None) -> None:
    refusal = refusal_of(message)
    assert isinstance(refusal, HookRefused)
    assert refusal.code == code


def test_wrong_credentials_read_alike_whichever_part_is_wrong() -> None:
    told = {refusal().message for refusal in REFUSALS.values() if isinstance(refusal(), InvalidCredentials)}
    assert len(told) == 1
