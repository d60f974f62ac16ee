"""What a model request may consume at most: known before it is made, so that it can be set aside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from shared.adapters.pydantic_ai.limits import price_of
from shared.domain.model_specs import ModelSpec
from shared.domain.tools import ToolSpec
from shared.domain.usage import Usage
from shared.ports.agent_runner import Forecast

BYTES_PER_TOKEN = 3
"""English has about four characters in a token; less is assumed, because too little must not be set aside."""
FILE_TOKENS = 2_000
"""What a picture or another file is taken for."""
PART_TOKENS = 8
"""What frames each part of a message."""
SCHEMA_TOKENS = 100
"""What tells a model that takes no schema to answer in JSON that fits one."""
MOST_OUTPUT_TOKENS = 8_192
"""How long an answer may be, if the definition does not say and there is a budget."""
LEAST_OUTPUT_TOKENS = 256
"""A budget that leaves less than this for an answer is used up, if the definition does not say."""
_SAMPLE = 1_000_000


def forecast(
    spec: ModelSpec,
    messages: Iterable[ModelMessage],
    *,
    instructions: Iterable[str] = (),
    tools: Iterable[ToolSpec] = (),
    output_schema: Mapping[str, Any] | None = None,
) -> Forecast:
    """The most that asking the model with these messages consumes.

    The input is estimated; how long the answer is, is enforced. What a provider's own search finds is not known
    before: it is counted when the response tells its usage.

    Args:
        spec: the model.
        messages: the conversation so far, with the request. Their own `instructions` are left out: a provider is sent
            those of the request alone.
        instructions: what the request tells the model beside the conversation.
        tools: what it may call.
        output_schema: what its answer fits.
    """
    tokens = sum(map(_tokens, instructions)) + sum(map(_tool_tokens, tools))
    tokens += sum(_part_tokens(part) for message in messages for part in message.parts)
    if output_schema is not None:
        tokens += SCHEMA_TOKENS + _tokens(json.dumps(output_schema, ensure_ascii=False))
    most = spec.max_tokens or MOST_OUTPUT_TOKENS
    # A price can depend on how much is sent; that of one token alone would be rounded up.
    sent = price_of(spec, Usage(input_tokens=tokens))
    both = price_of(spec, Usage(input_tokens=tokens, output_tokens=_SAMPLE))
    return Forecast(
        input_tokens=tokens,
        input_cost_usd_micros=sent,
        output_tokens=most,
        least_output_tokens=spec.max_tokens or LEAST_OUTPUT_TOKENS,
        output_usd_micros_per_token=0.0 if sent is None or both is None else (both - sent) / _SAMPLE,
    )


def _part_tokens(part: object) -> int:
    match part:
        case UserPromptPart(content=str(text)) | TextPart(content=text) | ThinkingPart(content=text):
            return _tokens(text)
        case UserPromptPart(content=pieces):
            return sum(_tokens(piece) if isinstance(piece, str) else FILE_TOKENS for piece in pieces)
        case ToolReturnPart():
            return _tokens(part.model_response_str()) + FILE_TOKENS * len(part.files)
        case ToolCallPart():
            return _tokens(part.args_as_json_str())
        case _:
            return _tokens(str(getattr(part, "content", "")))


def _tool_tokens(tool: ToolSpec) -> int:
    return _tokens(tool.name + tool.description + json.dumps(tool.arguments_schema, ensure_ascii=False))


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "surrogatepass")) // BYTES_PER_TOKEN) + PART_TOKENS
