"""Logs are JSON lines that Cloud Logging understands, and hold no token."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from shared.edge.logs import RequestFacts, enter_request, hide_tokens, logger, write_logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    root.handlers.clear()  # pytest's own must not be closed
    stream = io.StringIO()
    write_logs("demo-fireloom", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_names_its_request_and_its_trace(written: io.StringIO) -> None:
    enter_request(RequestFacts("runs", "r-1", "ab" * 16, "/runs"))
    logger.info("run started", extra={"fields": {"run_id": "r7"}})
    assert json.loads(written.getvalue()) == {
        "severity": "INFO",
        "message": "run started",
        "logger": "fireloom",
        "logging.googleapis.com/trace": f"projects/demo-fireloom/traces/{'ab' * 16}",
        "request_id": "r-1",
        "function": "runs",
        "run_id": "r7",
    }


def test_an_exception_is_one_line_too(written: io.StringIO) -> None:
    logger.error("failed", exc_info=ValueError("Bearer abc.def is wrong"))
    (line,) = written.getvalue().splitlines()
    assert json.loads(line)["severity"] == logging.getLevelName(logging.ERROR)
    assert "abc.def" not in line


@pytest.mark.parametrize("text", ["token eyJhbGciOiJIUzI1.eyJzdWIiOiJhIn0.c2ln!", "Authorization: bearer s3cr3t-token"])
def test_tokens_are_cut_out(text: str) -> None:
    hidden = hide_tokens(text)
    assert "[hidden]" in hidden
    assert "eyJ" not in hidden
    assert "s3cr3t" not in hidden
