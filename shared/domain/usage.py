"""What model calls consumed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Usage:
    """Counts of one or more model calls.

    Args:
        requests: model requests.
        tool_calls: executed tool calls.
        input_tokens: tokens sent.
        output_tokens: tokens received.
        cost_usd_micros: price in millionths of a US dollar; None where a model's price is not known.
    """

    requests: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd_micros: int | None = 0

    def __add__(self, other: Usage) -> Usage:
        """The sum; its cost is unknown when either is."""
        known = self.cost_usd_micros is not None and other.cost_usd_micros is not None
        return Usage(
            requests=self.requests + other.requests,
            tool_calls=self.tool_calls + other.tool_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_usd_micros=(self.cost_usd_micros or 0) + (other.cost_usd_micros or 0) if known else None,
        )


NO_USAGE = Usage()
