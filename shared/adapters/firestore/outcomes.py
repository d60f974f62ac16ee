"""What an error of the client library says about a call: the one place where vendor errors become the port's.

A commit that Firestore aborted under contention was not applied. It counts as unknown all the same: no condition
failed, so `CommitRefused` would make a caller believe that somebody else won, whereas after an unknown outcome it
reads, and sends the batch again.
"""

from __future__ import annotations

from google.api_core import exceptions as vendor

from shared.domain.errors import DocumentTooLarge, DomainError, Internal, StoreUnavailable
from shared.ports.documents import CommitRefused, OutcomeUnknown

_REFUSALS = (vendor.AlreadyExists, vendor.NotFound, vendor.FailedPrecondition)
_DEFECTS = (
    vendor.InvalidArgument,
    vendor.OutOfRange,
    vendor.PermissionDenied,
    vendor.Unauthenticated,
    vendor.MethodNotImplemented,
)
_TRANSIENT = (
    vendor.Aborted,
    vendor.Cancelled,
    vendor.DeadlineExceeded,
    vendor.InternalServerError,
    vendor.ResourceExhausted,
    vendor.ServiceUnavailable,
    vendor.Unknown,
)


def is_transient(error: Exception) -> bool:
    """Whether a read that failed so is worth repeating."""
    return isinstance(error, _TRANSIENT)


def commit_error(error: vendor.GoogleAPIError) -> Exception:
    """What a failed commit means for its caller."""
    if isinstance(error, _REFUSALS):
        return CommitRefused(str(error))
    if isinstance(error, _DEFECTS):
        return _defect(error)
    return OutcomeUnknown(str(error))


def read_error(error: vendor.GoogleAPIError) -> DomainError:
    """What a failed read means for its caller."""
    if isinstance(error, (*_DEFECTS, *_REFUSALS)):
        return _defect(error)
    return StoreUnavailable("the document store does not answer")


def _defect(error: vendor.GoogleAPIError) -> DomainError:
    text = str(error)
    # Firestore has no code of its own for this; the domain's check comes first, this is the server's.
    # A field that was merged may make a document too large that was small enough when it was sent.
    if isinstance(error, vendor.InvalidArgument) and ("maximum" in text or "too big" in text):
        return DocumentTooLarge("the document is larger than Firestore takes")
    return Internal(text)
