"""The HTTP tools of a definition, executed through the egress guard."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from shared.adapters.tools.web_content import text_of_answer
from shared.domain.characters import whole_characters
from shared.domain.definition_schemas import value_faults
from shared.domain.errors import FailedPrecondition, InvalidArgument, Unavailable
from shared.domain.http_requests import build_call, pick
from shared.domain.large_values import MAX_NESTING, is_nested
from shared.domain.records import to_json
from shared.domain.secrets import SecretText
from shared.domain.tool_definitions import HttpTool
from shared.domain.tools import Effect, Risk, ToolResult, ToolSpec
from shared.ports.web_client import WebAnswer, WebClient, WebRequest

_MAX_REFUSAL = 2000


def http_tool_spec(tool: HttpTool) -> ToolSpec:
    """The tool as a model sees it: nothing of where it leads, or with what credentials."""
    return ToolSpec(tool.name, tool.description, tool.effective_effect, tool.arguments, risk=Risk.REACHES_OUT)


async def call_http_tool(
    tool: HttpTool, arguments: Mapping[str, Any], secrets: Mapping[str, SecretText], web: WebClient
) -> ToolResult:
    """Send the request of a call; what the server says is the result, or the error where it refuses.

    Raises:
        DomainError: the arguments do not fit, or the address may not be reached; for the model to be told.
    """
    _check(tool, arguments)
    call = build_call(tool, arguments, secrets)
    request = WebRequest(
        call.url,
        call.method,
        call.headers,
        call.body,
        max_bytes=tool.max_response_bytes,
        seconds=tool.timeout_seconds,
    )
    try:
        answer = await web.send(request)
    except Unavailable as error:
        # For the model to work around. It is not tried again here: the request may have had its effect.
        happened = "" if tool.effective_effect is Effect.NONE else " The request may have had its effect."
        raise FailedPrecondition(f"{tool.name} got no answer: {error.message}{happened}") from error
    return _result(tool, answer)


def _check(tool: HttpTool, arguments: Mapping[str, Any]) -> None:
    faults = value_faults("", tool.arguments, dict(arguments))
    if faults:
        reasons = "; ".join(f"{fault.path.removeprefix('.') or 'they'} {fault.reason}" for fault in faults)
        raise InvalidArgument(f"The arguments do not fit: {reasons}.", faults)


def _result(tool: HttpTool, answer: WebAnswer) -> ToolResult:
    if not answer.is_success:
        return ToolResult(_refusal(tool, answer), is_error=True)
    if not answer.body:
        return ToolResult({"status": answer.status})
    text = text_of_answer(answer)
    if text is None:
        raise FailedPrecondition(f"{tool.name} answered {answer.media_type or 'something'}, which is no text.")
    is_json = answer.media_type == "application/json" or answer.media_type.endswith("+json")
    if answer.truncated and (is_json or tool.response_path is not None):
        raise FailedPrecondition(f"{tool.name} answered more than {tool.max_response_bytes:,} bytes; ask for less.")
    if not is_json and tool.response_path is None:
        return ToolResult(text + ("\n[The rest was cut off.]" if answer.truncated else ""))
    value = _decoded(tool, text)
    return ToolResult(value if tool.response_path is None else pick(value, tool.response_path))


def _decoded(tool: HttpTool, text: str) -> Any:
    try:
        value = json.loads(text, parse_constant=str, parse_float=_number)  # NaN is no JSON to anybody else
    except (ValueError, RecursionError) as error:
        raise FailedPrecondition(f"{tool.name} answered JSON that is broken.") from error
    if is_nested(value, text):
        raise FailedPrecondition(f"{tool.name} answered more than {MAX_NESTING} lists and maps within one another.")
    # Only an escape writes half of a character.
    return json.loads(whole_characters(to_json(value))) if "\\u" in text else value


def _number(text: str) -> float | str:
    """A number, or its text where it is too large to be one."""
    value = float(text)
    return value if math.isfinite(value) else text


def _refusal(tool: HttpTool, answer: WebAnswer) -> str:
    parts = [f"{tool.name} answered {answer.status}."]
    if location := answer.headers.get("location"):
        parts.append(f"It redirects to {location[:500]!a}, where the request was not sent.")
    if wait := answer.headers.get("retry-after"):
        parts.append(f"It may be asked again after {wait[:40]!a}.")
    text = text_of_answer(answer)
    if text and text.strip():
        parts.append(text.strip()[:_MAX_REFUSAL])
    return " ".join(parts)
