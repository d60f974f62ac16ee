"""Where a run of an agent stops, judged over all attempts at a node."""

from __future__ import annotations

from shared.domain.definitions import Limits
from shared.domain.errors import LimitReached
from shared.domain.usage import Usage

# Pydantic AI's own UsageLimits judge a response before it is journalled, so what it cost would be lost with it.


def check_before_request(limits: Limits, used: Usage) -> None:
    """Refuse a model request that would cross a limit.

    Raises:
        LimitReached: it would.
    """
    if used.requests >= limits.requests:
        raise LimitReached(f"The agent's limit of {limits.requests} model requests is reached.")
    tokens = used.input_tokens + used.output_tokens
    if limits.total_tokens is not None and tokens >= limits.total_tokens:
        raise LimitReached(f"The agent's limit of {limits.total_tokens} tokens is reached: {tokens} are used.")


def check_before_tools(limits: Limits, used: Usage) -> None:
    """Refuse the tool calls of a response, already counted in `used`, if they cross the limit.

    Raises:
        LimitReached: they do.
    """
    if used.tool_calls > limits.tool_calls:
        raise LimitReached(
            f"The agent's limit of {limits.tool_calls} tool calls would be crossed: {used.tool_calls} are asked for."
        )
