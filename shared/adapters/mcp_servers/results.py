"""What an MCP tool answers, as a model gets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from shared.domain.large_values import MAX_NESTING, is_nested
from shared.domain.tool_definitions import MAX_ANSWER_BYTES
from shared.domain.tools import ToolResult

if TYPE_CHECKING:
    from mcp_types import CallToolResult

MAX_TEXT = 65_536
_CUT = "\n[The rest was cut off.]"


def result_of(answer: CallToolResult, name: str) -> ToolResult:
    """The structured answer where there is one, else its texts; what is neither is named."""
    if answer.structured_content is not None and not answer.is_error:
        return _structured(answer.structured_content, name)
    text = "\n".join(_texts(answer))
    text = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + _CUT
    if answer.is_error:
        return ToolResult(text or f"{name} failed.", is_error=True)
    return ToolResult(text)


def _structured(content: Any, name: str) -> ToolResult:
    try:
        told = json.dumps(content, ensure_ascii=False, allow_nan=False)
        size = len(told.encode())
    except (ValueError, RecursionError):
        return ToolResult(f"{name} answered something that is no JSON.", is_error=True)
    if size > MAX_ANSWER_BYTES:
        return ToolResult(f"{name} answered more than {MAX_ANSWER_BYTES:,} bytes; ask for less.", is_error=True)
    if is_nested(content, told):
        reason = f"{name} answered more than {MAX_NESTING} lists and maps within one another."
        return ToolResult(reason, is_error=True)
    return ToolResult(content)


def _texts(answer: CallToolResult) -> Iterator[str]:
    for part in answer.content:
        match part.type:
            case "text":
                yield part.text.encode("utf-8", "replace").decode()
            case "image" | "audio":
                yield f"[{part.type} of type {part.mime_type[:100]!a}, which cannot be shown here]"
            case "resource_link":
                yield f"[{part.name[:200]}: {part.uri[:2000]}]"
            case "resource":
                text = getattr(part.resource, "text", None)
                shown = text if isinstance(text, str) else "[content that is no text]"
                yield f"[{part.resource.uri[:2000]}]\n{shown.encode('utf-8', 'replace').decode()}"
