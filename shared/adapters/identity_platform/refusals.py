"""What Identity Platform's error codes mean here: the one place where they are converted.

Source: https://cloud.google.com/identity-platform/docs/error-codes
Source: https://firebase.google.com/docs/reference/rest/auth
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from shared.domain.errors import (
    DomainError,
    EmailTaken,
    Fault,
    InvalidArgument,
    InvalidCredentials,
    NotFound,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
)
from shared.ports.accounts import HookRefused

_HOOK_CODE = re.compile(r'\\*"code\\*"\s*:\s*\\*"([a-z_]+)')
"""The code in a hook's answer, which arrives quoted inside an error's message."""


def _credentials() -> DomainError:
    return InvalidCredentials("The credentials are wrong.")


def _token() -> DomainError:
    return Unauthenticated("The token is expired or revoked; sign in again.")


def _code() -> DomainError:
    fault = Fault("code", "unknown, used before, or expired", "ask for a new one")
    return InvalidArgument("The code is not valid.", (fault,))


def _email() -> DomainError:
    return InvalidArgument("The email address is not valid.", (Fault("email", "not an email address"),))


def _password() -> DomainError:
    return InvalidArgument("The password is too weak.", (Fault("password", "too weak for this project's policy"),))


def _throttled() -> DomainError:
    return ResourceExhausted("Too many attempts; wait a while.", retry_after_seconds=60)


def _unavailable() -> DomainError:
    return Unavailable("Identity Platform does not answer as it should.")


REFUSALS: Mapping[str, Callable[[], DomainError]] = {
    "EMAIL_EXISTS": lambda: EmailTaken("An account with this email address exists."),
    "EMAIL_NOT_FOUND": _credentials,
    "EXPIRED_OOB_CODE": _code,
    "INVALID_EMAIL": _email,
    "INVALID_GRANT_TYPE": _credentials,
    "INVALID_ID_TOKEN": _token,
    "INVALID_LOGIN_CREDENTIALS": _credentials,
    "INVALID_OOB_CODE": _code,
    "INVALID_PASSWORD": _credentials,
    "INVALID_REFRESH_TOKEN": _credentials,
    "MISSING_EMAIL": _email,
    "MISSING_ID_TOKEN": _token,
    "MISSING_OOB_CODE": _code,
    "MISSING_PASSWORD": _password,
    "MISSING_REFRESH_TOKEN": _credentials,
    "PASSWORD_DOES_NOT_MEET_REQUIREMENTS": _password,
    "QUOTA_EXCEEDED": _throttled,
    "RESET_PASSWORD_EXCEED_LIMIT": _throttled,
    "TOKEN_EXPIRED": _credentials,
    "TOO_MANY_ATTEMPTS_TRY_LATER": _throttled,
    "USER_DISABLED": _credentials,
    "USER_NOT_FOUND": lambda: NotFound("There is no such account."),
    "WEAK_PASSWORD": _password,
}


def refusal_of(message: str) -> DomainError | HookRefused:
    """The error behind a message such as `WEAK_PASSWORD : Password should be at least 6 characters`."""
    code = message.partition(":")[0].strip()
    if code == "BLOCKING_FUNCTION_ERROR_RESPONSE":
        found = _HOOK_CODE.search(message)
        return HookRefused(found[1] if found else None)
    return REFUSALS.get(code, _unavailable)()
