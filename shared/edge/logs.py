"""Structured logs: one JSON object a line, as Cloud Logging reads them, tied to a request.

Nothing here logs headers, query strings or bodies, and what looks like a bearer token is cut out
of every message.

Source: https://cloud.google.com/logging/docs/structured-logging
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TextIO

logger = logging.getLogger("fireloom")

_TOKEN = re.compile(r"eyJ[\w-]{8,}(?:\.[\w-]*){1,2}|(?<=Bearer )\S+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What ties log lines, errors and runs to one request.

    Args:
        function: the deployable that answers.
        request_id: the id that the caller sees; the caller's own `X-Request-Id`, or the trace id.
        trace_id: 32 hex digits, from the caller's trace context where there is one.
        path: the path of the request, without its query.
    """

    function: str = ""
    request_id: str = ""
    trace_id: str = ""
    path: str = ""


_current: ContextVar[RequestFacts] = ContextVar("fireloom_request", default=RequestFacts())  # noqa: B039 - frozen


def current_request() -> RequestFacts:
    """The facts of the request that is being answered; empty ones outside of any."""
    return _current.get()


def enter_request(facts: RequestFacts) -> None:
    """Make `facts` current for the present task and those it starts."""
    _current.set(facts)


class JsonFormatter(logging.Formatter):
    """Renders a record as one line of JSON; `extra={"fields": {...}}` adds fields of its own."""

    def __init__(self, project: str | None = None) -> None:
        """Name traces by `project`, so that Cloud Logging links them."""
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON."""
        facts = current_request()
        line: dict[str, object] = {
            "severity": record.levelname,
            "message": hide_tokens(record.getMessage()),
            "logger": record.name,
        }
        if facts.trace_id:
            prefix = f"projects/{self._project}/traces/" if self._project else ""
            line["logging.googleapis.com/trace"] = f"{prefix}{facts.trace_id}"
            line["request_id"] = facts.request_id
            line["function"] = facts.function
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = hide_tokens(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def hide_tokens(text: str) -> str:
    """`text` without anything that looks like a bearer token."""
    return _TOKEN.sub("[hidden]", text)


def write_logs(project: str | None = None, stream: TextIO | None = None) -> None:
    """Send all logs to `stream` (standard output) as JSON: ours, and others' warnings; for entry points."""
    writer = logging.StreamHandler(stream or sys.stdout)
    writer.setFormatter(JsonFormatter(project))
    logging.basicConfig(level=logging.WARNING, handlers=[writer])
    for name in (logger.name, "shared", "functions"):
        logging.getLogger(name).setLevel(logging.INFO)
