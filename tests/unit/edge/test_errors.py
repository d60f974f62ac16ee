"""Every refusal has one status, one code and one shape."""

from __future__ import annotations

import importlib
import json
import pkgutil
from typing import Any

import pytest
from starlette.responses import Response

import shared.domain
from shared.domain.errors import (
    Category,
    DomainError,
    Fault,
    Internal,
    InvalidArgument,
    LimitReached,
    NotFound,
    QuotaExceeded,
    ResourceExhausted,
    SessionTooLarge,
    TooManyKept,
    Unauthenticated,
    Unavailable,
)
from shared.edge.errors import STATUS_OF_CATEGORY, STATUS_OF_CODE, render_domain_error, status_of


def problem_of(answer: Response) -> dict[str, Any]:
    return json.loads(bytes(answer.body))


def every_error() -> list[type[DomainError]]:
    for module in pkgutil.iter_modules(shared.domain.__path__):
        importlib.import_module(f"shared.domain.{module.name}")
    found: list[type[DomainError]] = []
    waiting: list[type[DomainError]] = [DomainError]
    while waiting:
        error = waiting.pop()
        found.append(error)
        waiting += error.__subclasses__()
    return found


def test_every_category_has_a_status() -> None:
    assert set(STATUS_OF_CATEGORY) == set(Category)


@pytest.mark.parametrize("error", every_error(), ids=lambda error: error.__name__)
def test_every_domain_error_is_answered_with_its_code(error: type[DomainError]) -> None:
    answer = render_domain_error(error("what the caller may read"))
    problem = problem_of(answer)
    assert answer.status_code == problem["status"] == status_of(error("x"))
    assert problem["code"] == error.code
    assert problem["type"] == f"urn:fireloom:error:{error.code}"
    assert answer.headers["content-type"] == "application/problem+json"
    shown = problem["detail"] == "what the caller may read"
    assert shown is (error.category is not Category.INTERNAL)


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in every_error() if error not in {DomainError, Internal}]
    assert sorted(codes) == sorted(set(codes))


def test_a_status_by_code_belongs_to_a_code_that_exists() -> None:
    assert set(STATUS_OF_CODE) <= {error.code for error in every_error()}


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (ResourceExhausted("full", retry_after_seconds=6.2), "Retry-After", "7"),
        (QuotaExceeded("no more today", retry_after_seconds=60), "Retry-After", "60"),
        (Unavailable("down"), "Retry-After", "1"),
        (
            Unauthenticated("who?"),
            "WWW-Authenticate",
            'Bearer realm="fireloom", error="invalid_token"',
        ),
    ],
)
def test_an_answer_tells_what_to_do_next(error: DomainError, header: str, value: str) -> None:
    assert render_domain_error(error).headers[header] == value


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (LimitReached("the limit is reached"), 429),
        (TooManyKept("delete one first"), 429),
        (SessionTooLarge("fork it earlier"), 413),
    ],
)
def test_nobody_is_told_to_wait_where_waiting_does_not_help(error: DomainError, status: int) -> None:
    answer = render_domain_error(error)
    assert (answer.status_code, answer.headers.get("Retry-After")) == (status, None)


def test_all_faults_are_in_the_answer_with_their_suggestions() -> None:
    faults = (Fault("model.provider", "unknown provider", "google"), Fault("name", "missing"))
    problem = problem_of(render_domain_error(InvalidArgument("two faults", faults)))
    assert problem["faults"] == [
        {"path": "model.provider", "reason": "unknown provider", "suggestion": "google"},
        {"path": "name", "reason": "missing", "suggestion": None},
    ]


def test_text_that_is_no_unicode_does_not_break_an_answer() -> None:
    answer = render_domain_error(NotFound("no agent \ud800"))
    assert problem_of(answer)["detail"].startswith("no agent")
