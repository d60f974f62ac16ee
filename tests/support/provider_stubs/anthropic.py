"""The Anthropic Messages API, streaming.

Source: https://docs.claude.com/en/docs/build-with-claude/streaming, https://docs.claude.com/en/api/errors
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.provider_stubs.replies import Answer, Call, Ending, Refusal

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


class Anthropic:
    """Speaks the Messages API, for the Anthropic API and for Vertex AI alike: only paths and headers differ."""

    def __init__(self, model: str) -> None:
        """Answer as `model`."""
        self._model = model
        self._ids = itertools.count(1)

    def frames(self, answer: Answer) -> Iterator[bytes]:
        """message_start, the blocks, message_delta with the reason, message_stop."""
        yield _frame("message_start", message=self._message(answer))
        yield _frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
        yield _frame("ping")
        chunks = itertools.cycle(answer.chunks) if answer.ending is Ending.NEVER else answer.chunks
        for chunk in chunks:
            yield _frame("content_block_delta", index=0, delta={"type": "text_delta", "text": chunk})
        if answer.ending is Ending.ERROR:
            yield _frame("error", error={"type": "overloaded_error", "message": "Overloaded"})
            return
        if answer.ending is not Ending.WHOLE:
            return
        yield _frame("content_block_stop", index=0)
        for index, call in enumerate(answer.calls, start=1):
            yield from self._call(index, call)
        reason = "tool_use" if answer.calls else "end_turn"
        yield _frame(
            "message_delta",
            delta={"stop_reason": reason, "stop_sequence": None},
            usage={"output_tokens": answer.output_tokens},
        )
        yield _frame("message_stop")

    def refusal(self, refusal: Refusal) -> Mapping[str, Any]:
        """The error object of every failed request."""
        kind = _ERROR_TYPES.get(refusal.status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": refusal.message}, "request_id": "req_stub"}

    def _message(self, answer: Answer) -> dict[str, Any]:
        return {
            "id": f"msg_{next(self._ids):04}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {
                "input_tokens": answer.input_tokens,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "output_tokens": 1,
            },
        }

    def _call(self, index: int, call: Call) -> Iterator[bytes]:
        block: dict[str, Any] = {
            "type": "tool_use",
            "id": f"toolu_{next(self._ids):04}",
            "name": call.name,
            "input": {},
        }
        yield _frame("content_block_start", index=index, content_block=block)
        arguments = json.dumps(call.arguments)
        for piece in ("", arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _frame("content_block_delta", index=index, delta=delta)
        yield _frame("content_block_stop", index=index)


def _frame(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()
