"""Every error that Pydantic AI can raise has a word in the domain."""

from __future__ import annotations

import inspect

import pydantic_ai.exceptions
import pytest
from google.auth.exceptions import DefaultCredentialsError, TransportError
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRequestTimeout,
    UnexpectedModelBehavior,
    UserError,
)

from shared.adapters.pydantic_ai.failures import ResponseBrokeOff, domain_error
from shared.domain.errors import DomainError, FailedPrecondition, LimitReached, ModelUnavailable

MODEL = "google:gemini-2.5-flash"
KINDS = [
    kind
    for _, kind in inspect.getmembers(pydantic_ai.exceptions, inspect.isclass)
    if issubclass(kind, ModelAPIError) and not issubclass(kind, ModelHTTPError | ModelRequestTimeout)
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_provider_error_is_mapped(kind: type[ModelAPIError]) -> None:
    found = domain_error(kind("m", "secret text"), MODEL)
    assert isinstance(found, ModelUnavailable | FailedPrecondition)
    assert MODEL in found.message
    assert "secret text" not in found.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, FailedPrecondition),
        (408, ModelUnavailable),
        (418, FailedPrecondition),
        (429, ModelUnavailable),
        (502, ModelUnavailable),
    ],
)
def test_a_status_without_a_category_decides_by_itself(status: int, expected: type[DomainError]) -> None:
    assert type(domain_error(ModelHTTPError(status, "m"), MODEL)) is expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ResponseBrokeOff(), ModelUnavailable),
        (ModelRequestTimeout("m", 3), ModelUnavailable),
        (ModelQuotaExceededError("m", "no credit"), FailedPrecondition),
        (pydantic_ai.exceptions.UsageLimitExceeded("x"), LimitReached),
        (pydantic_ai.exceptions.ContentFilterError("x"), FailedPrecondition),
        (pydantic_ai.exceptions.IncompleteToolCall("x"), FailedPrecondition),
        (UnexpectedModelBehavior("x"), FailedPrecondition),
        (UserError("x"), FailedPrecondition),
        (AgentRunError("x"), FailedPrecondition),
        (DefaultCredentialsError("x"), FailedPrecondition),
        (TransportError("x"), ModelUnavailable),
    ],
)
def test_other_failures_of_a_run_are_mapped(error: Exception, expected: type[DomainError]) -> None:
    assert type(domain_error(error, MODEL)) is expected


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), DomainError("x")])
def test_defects_are_not_taken_for_failures_of_a_model(error: Exception) -> None:
    assert domain_error(error, MODEL) is None


def test_hints_to_programmers_are_not_shown() -> None:
    found = domain_error(
        UnexpectedModelBehavior("Tool 'a' failed. Consider raising the retry limit, or see https://example.com"), MODEL
    )
    assert found is not None
    assert found.message == f"{MODEL} cannot go on: Tool 'a' failed."


def test_the_providers_own_reason_is_given_and_cut() -> None:
    found = domain_error(ModelHTTPError(400, "m", {"error": {"message": "too hot " * 100}}), MODEL)
    assert found is not None
    assert "It says: too hot" in found.message
    assert len(found.message) < 400


def test_a_reason_about_credentials_is_kept_back() -> None:
    body = {"error": {"message": "key abc is wrong"}}
    error = ModelHTTPError.for_category(
        pydantic_ai.exceptions.ModelAuthenticationError, status_code=401, model_name="m", body=body
    )
    found = domain_error(error, MODEL)
    assert found is not None
    assert "abc" not in found.message
