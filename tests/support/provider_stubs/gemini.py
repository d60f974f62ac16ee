"""Gemini's streamGenerateContent with alt=sse.

Source: https://ai.google.dev/api/generate-content, https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.provider_stubs.replies import Answer, Ending, Refusal

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class Gemini:
    """Speaks Gemini's protocol, for the Gemini API and for Vertex AI alike: only paths and headers differ."""

    def __init__(self, model: str) -> None:
        """Answer as `model`."""
        self._model = model
        self._ids = itertools.count(1)

    def frames(self, answer: Answer) -> Iterator[bytes]:
        """One chunk of a GenerateContentResponse per event; the last has the reason and the usage."""
        response_id = f"resp-{next(self._ids):04}"
        chunks = itertools.cycle(answer.chunks) if answer.ending is Ending.NEVER else answer.chunks
        for chunk in chunks:
            yield self._frame(response_id, answer, [{"text": chunk}])
        if answer.ending is Ending.ERROR:
            yield _data(self.refusal(Refusal(503, "The model is overloaded.")))
            return
        if answer.ending is not Ending.WHOLE:
            return
        calls = [{"functionCall": {"name": call.name, "args": dict(call.arguments)}} for call in answer.calls]
        yield self._frame(response_id, answer, calls or [{"text": ""}], reason="STOP")

    def refusal(self, refusal: Refusal) -> Mapping[str, Any]:
        """Google's error model."""
        return {
            "error": {
                "code": refusal.status,
                "message": refusal.message,
                "status": _STATUSES.get(refusal.status, "UNKNOWN"),
                "details": list(refusal.details),
            }
        }

    def _frame(self, response_id: str, answer: Answer, parts: list[dict[str, Any]], reason: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        usage: dict[str, Any] = {
            "promptTokenCount": answer.input_tokens,
            "totalTokenCount": answer.input_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
        }
        if reason is not None:
            candidate["finishReason"] = reason
            usage["candidatesTokenCount"] = answer.output_tokens
            usage["totalTokenCount"] += answer.output_tokens
        return _data(
            {
                "candidates": [candidate],
                "usageMetadata": usage,
                "modelVersion": self._model,
                "responseId": response_id,
            }
        )


def _data(fields: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps(fields)}\r\n\r\n".encode()
