"""What goes wrong between Pydantic AI and a provider, as domain errors. The one place where they are converted.

ModelUnavailable      429, 5xx, no connection, a stream that broke off, a timeout: trying again may help
FailedPrecondition    the key, the model's name, the request, or the model's conduct: trying again does not help
LimitReached          a limit of the definition
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelUnavailableError,
    OutputTokenLimitExceeded,
    UnexpectedModelBehavior,
    UsageLimitExceeded,
    UserError,
)

from shared.domain.errors import (
    DomainError,
    FailedPrecondition,
    LimitReached,
    ModelUnavailable,
)


class ResponseBrokeOff(Exception):
    """The stream ended in good order, but without the provider's word that the answer is complete."""


LONGEST_WAIT_SECONDS = 3600
_LONGEST_DETAIL = 300
_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429})
_LOWEST_SERVER_STATUS = 500

_UNAVAILABLE: tuple[tuple[type[ModelAPIError], str], ...] = (
    (ModelRequestTimeout, "did not finish in time"),
    (ModelRateLimitError, "refused the request because of its rate limit"),
    (ModelUnavailableError, "is overloaded or down"),
    (ModelServerError, "failed"),
    (ModelConnectionError, "could not be reached, or broke its answer off"),
)
_REFUSED: tuple[tuple[type[ModelAPIError], str], ...] = (
    (ModelQuotaExceededError, "refused the request: the account's quota or credit is used up"),
    (ModelAuthenticationError, "refused the credentials"),
    (ModelNotFoundError, "does not know this model"),
    (ModelContextWindowExceededError, "cannot take a conversation of this length"),
    (ModelRequestRejectedError, "refused the request"),
)


_CONDUCT: tuple[tuple[type[Exception], type[DomainError], str], ...] = (
    (ResponseBrokeOff, ModelUnavailable, "broke its answer off."),
    (UsageLimitExceeded, LimitReached, "was asked up to a limit of the agent."),
    (ContentFilterError, FailedPrecondition, "declined to answer (content filter)."),
    (OutputTokenLimitExceeded, FailedPrecondition, "reached max_tokens before it had said anything usable."),
)


def domain_error(error: BaseException, model: str) -> DomainError | None:
    """The domain's word for `error`, raised while `model` was asked; None if it is no failure of a model.

    Args:
        error: what was raised.
        model: `provider:model`, for the message.
    """
    if isinstance(error, ModelAPIError):
        return _from_provider(error, model)
    for kind, category, what in _CONDUCT:
        if isinstance(error, kind):
            return category(f"{model} {what}")
    if isinstance(error, UnexpectedModelBehavior | UserError | AgentRunError):
        return FailedPrecondition(f"{model} cannot go on: {_first_sentence(str(error))}")
    return _from_credentials(error, model)


def none_left(down: Sequence[ModelUnavailable]) -> ModelUnavailable:
    """What to say when every model that could answer is down; trying again begins with the first of them."""
    if len(down) == 1:
        return down[0]
    waits = [error.retry_after_seconds for error in down]
    return ModelUnavailable(
        " ".join(["None of the models answered:", *(error.message for error in down)]),
        retry_after_seconds=min(wait or 0 for wait in waits) or None,  # the first that is back can answer
    )


def _from_provider(error: ModelAPIError, model: str) -> DomainError:
    status = error.status_code if isinstance(error, ModelHTTPError) else None
    suffix = f" (HTTP {status})" if status is not None else ""
    for kind, what in _REFUSED:
        if isinstance(error, kind):
            return FailedPrecondition(f"{model} {what}{suffix}.{_detail(error, kind)}")
    for kind, what in _UNAVAILABLE:
        if isinstance(error, kind):
            return ModelUnavailable(f"{model} {what}{suffix}.", retry_after_seconds=_wait(error))
    if status is None or status >= _LOWEST_SERVER_STATUS or status in _RETRYABLE_STATUSES:
        return ModelUnavailable(f"{model} failed{suffix}.", retry_after_seconds=_wait(error))
    return FailedPrecondition(f"{model} refused the request{suffix}.{_detail(error, type(error))}")


def _wait(error: ModelAPIError) -> float | None:
    """The seconds that the provider asks for, as far as a task may be put off for it."""
    return None if error.retry_after is None else min(max(error.retry_after, 0), LONGEST_WAIT_SECONDS)


def _detail(error: ModelAPIError, kind: type[ModelAPIError]) -> str:
    """The provider's own reason, except about credentials: such a message may quote them."""
    if kind is ModelAuthenticationError:
        return ""
    body = _fields(error.body)
    message = (_fields(body.get("error")) or body).get("message")
    return f" It says: {message[:_LONGEST_DETAIL]}" if isinstance(message, str) and message else ""


def _fields(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _first_sentence(message: str) -> str:
    """Without the library's hints to programmers, which follow in further sentences."""
    return message.split(". ", 1)[0].splitlines()[0][:_LONGEST_DETAIL].rstrip(".") + "."


def _from_credentials(error: BaseException, model: str) -> DomainError | None:
    from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

    match error:
        case DefaultCredentialsError():
            return FailedPrecondition(f"{model} needs Google credentials, and none are configured.")
        case GoogleAuthError():
            return ModelUnavailable(f"{model}: Google's credentials could not be obtained.")
        case _:
            return None
