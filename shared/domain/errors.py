"""Every way in which Fireloom refuses or fails, as one tree.

DomainError
├── InvalidArgument          the request is malformed; carries every fault at once
│   ├── TooLarge
│   └── UnsupportedMediaType
├── FailedPrecondition       well formed, but not possible in this state
│   ├── RunEnded             so it can be neither paused nor resumed
│   ├── PreconditionRequired
│   ├── OutputInvalid        an answer that does not fit the agent's output_schema
│   ├── DocumentTooLarge
│   └── SessionTooLarge      there is more of it than is forked: waiting does not help
├── Unauthenticated
│   └── InvalidCredentials
├── PermissionDenied
│   ├── AccountDeactivated
│   ├── EgressRefused        an address that Fireloom does not connect to for others
│   └── GrantUsedUp
├── NotFound                 also a private thing that is not yours
├── AlreadyExists
│   ├── UsernameTaken
│   ├── EmailTaken
│   ├── IdempotencyKeyReused
│   └── AlreadyDecided
├── Aborted                  a concurrent change won; reading again helps
│   ├── SessionBusy
│   └── VersionMismatch
├── ResourceExhausted
│   ├── TooManyRuns          started too fast, or too many at once: waiting helps
│   ├── TooManyKept          as many are kept as may be: deleting one helps, waiting does not
│   └── LimitReached         a limit of the definition: waiting does not help
│       ├── BudgetExceeded   the run's own budget
│       └── QuotaExceeded    a person's quota of a day, or what a grant allows in one
├── DeadlineExceeded
├── Unavailable
│   ├── ModelUnavailable
│   └── StoreUnavailable     no fault of what needs the store, so not what that comes to
└── Internal
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, ClassVar


class Category(StrEnum):
    """The canonical kind of an error; each has one HTTP status (`shared.edge.errors`)."""

    INVALID_ARGUMENT = "invalid_argument"
    FAILED_PRECONDITION = "failed_precondition"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    ABORTED = "aborted"
    RESOURCE_EXHAUSTED = "resource_exhausted"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: where, why, and what would be right.

    Args:
        line: where it stands in the text that was sent, from 1; None where that is not known.
        column: in characters, from 1.
    """

    path: str
    reason: str
    suggestion: str | None = None
    line: int | None = None
    column: int | None = None


class DomainError(Exception):
    """A refusal or failure whose message is safe to show to the caller."""

    category: ClassVar[Category] = Category.INTERNAL
    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep the public message and, where known, the seconds after which a retry may succeed."""
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class InvalidArgument(DomainError):
    """The input is malformed; `faults` lists everything that is wrong with it."""

    category = Category.INVALID_ARGUMENT
    code = "invalid_argument"

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        """Keep the message and the faults."""
        super().__init__(message)
        self.faults = faults


class TooLarge(InvalidArgument):
    """The input has more bytes than is allowed."""

    code = "too_large"


class UnsupportedMediaType(InvalidArgument):
    """The body has a media type that is not understood here."""

    code = "unsupported_media_type"


class FailedPrecondition(DomainError):
    """The request is well formed but cannot be done in the present state."""

    category = Category.FAILED_PRECONDITION
    code = "failed_precondition"


class RunEnded(FailedPrecondition):
    """The run has ended, or is being cancelled, so it can be neither paused nor resumed."""

    code = "run_ended"


class PreconditionRequired(FailedPrecondition):
    """The request would overwrite somebody's work unseen; it must say what it means to replace."""

    code = "precondition_required"


class OutputInvalid(FailedPrecondition):
    """What came out does not fit the agent's output schema."""

    code = "output_invalid"


class DocumentTooLarge(FailedPrecondition):
    """A document, or a commit of several, is larger than Firestore takes."""

    code = "document_too_large"


class SessionTooLarge(FailedPrecondition):
    """There is more of a session up to an event than is copied in one fork."""

    code = "session_too_large"


class Unauthenticated(DomainError):
    """The caller has not proved who they are."""

    category = Category.UNAUTHENTICATED
    code = "unauthenticated"


class InvalidCredentials(Unauthenticated):
    """What should prove the identity does not; says neither which part is wrong nor whether the account exists."""

    code = "invalid_credentials"


class PermissionDenied(DomainError):
    """The caller is known and may not do this."""

    category = Category.PERMISSION_DENIED
    code = "permission_denied"


class AccountDeactivated(PermissionDenied):
    """An administrator has deactivated the account."""

    code = "account_deactivated"


class EgressRefused(PermissionDenied):
    """The address may not be reached: it is not on the public internet, or not an address for HTTP."""

    code = "egress_refused"


class GrantUsedUp(PermissionDenied):
    """Every run that a grant allows was started."""

    code = "grant_used_up"


class NotFound(DomainError):
    """There is no such thing, or it is private and not the caller's."""

    category = Category.NOT_FOUND
    code = "not_found"


class AlreadyExists(DomainError):
    """The thing to be made is there already."""

    category = Category.ALREADY_EXISTS
    code = "already_exists"


class UsernameTaken(AlreadyExists):
    """Somebody has this username, or is registering it now."""

    code = "username_taken"


class EmailTaken(AlreadyExists):
    """An account with this email address exists."""

    code = "email_taken"


class IdempotencyKeyReused(AlreadyExists):
    """The idempotency key was used before with another body."""

    code = "idempotency_key_reused"


class AlreadyDecided(AlreadyExists):
    """An approval was decided before, or nobody waits for it any more."""

    code = "already_decided"


class Aborted(DomainError):
    """A concurrent change won; read again and retry."""

    category = Category.ABORTED
    code = "aborted"
    retryable = True


class SessionBusy(Aborted):
    """The session has an active run."""

    code = "session_busy"


class VersionMismatch(Aborted):
    """The caller would change what is no longer as they saw it; `changed` tells what changed since, ready for JSON."""

    code = "version_mismatch"

    def __init__(self, message: str, *, changed: Mapping[str, Any] | None = None) -> None:
        """Keep the message and what changed."""
        super().__init__(message)
        self.changed = changed


class ResourceExhausted(DomainError):
    """A quota, a rate limit or a bounded queue is full."""

    category = Category.RESOURCE_EXHAUSTED
    code = "resource_exhausted"
    retryable = True


class LimitReached(ResourceExhausted):
    """A limit of the agent's definition is reached; trying again meets it again."""

    code = "limit_reached"
    retryable = False


class BudgetExceeded(LimitReached):
    """The next step would cross the run's budget."""

    code = "budget_exceeded"


class QuotaExceeded(LimitReached):
    """The next step would cross what may be consumed in a day."""

    code = "quota_exceeded"


class TooManyRuns(ResourceExhausted):
    """Runs are started too fast, or too many are active at once."""

    code = "too_many_runs"


class TooManyKept(ResourceExhausted):
    """As many of a kind are kept as may be; deleting one of them helps."""

    code = "too_many_kept"
    retryable = False


class DeadlineExceeded(DomainError):
    """The work took longer than its limit."""

    category = Category.DEADLINE_EXCEEDED
    code = "deadline_exceeded"
    retryable = True


class Unavailable(DomainError):
    """A service that is needed does not answer at the moment."""

    category = Category.UNAVAILABLE
    code = "unavailable"
    retryable = True


class ModelUnavailable(Unavailable):
    """The model's provider is down, overloaded, or broke its stream off."""

    code = "model_unavailable"


class StoreUnavailable(Unavailable):
    """A store of our own does not answer: what needs it is to be done later, and has not failed."""

    code = "store_unavailable"


class Internal(DomainError):
    """A defect in Fireloom; the message is hidden from callers."""


@cache
def retryable_codes() -> tuple[str, ...]:
    """The codes of all errors after which trying again may help, in order."""
    found: set[str] = set()
    left: list[type[DomainError]] = [DomainError]
    while left:
        error = left.pop()
        found |= {error.code} if error.retryable else set()
        left += error.__subclasses__()
    return tuple(sorted(found))
