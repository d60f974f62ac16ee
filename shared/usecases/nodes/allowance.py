"""What a node and all its delegates may consume together."""

from __future__ import annotations

from shared.domain.costs import check_cost
from shared.domain.definitions import Limits
from shared.domain.errors import LimitReached
from shared.domain.usage import NO_USAGE, Usage


class Allowance:
    """The limits of an agent, and what it and those it asked have consumed, over all attempts."""

    def __init__(self, limits: Limits | None = None, used: Usage = NO_USAGE) -> None:
        """Begin with what earlier attempts consumed; without limits everything is allowed."""
        self._limits = limits
        self._used = used
        self._asking: set[object] = set()
        self._calls = self._used.tool_calls

    def ask(self, who: object) -> None:
        """Count a model request of somebody's who has none at work, before it is made."""
        self._asking.add(who)

    def drop(self, who: object) -> None:
        """Count no more the request of somebody to whom no response will come."""
        self._asking.discard(who)

    def spend(self, who: object, usage: Usage) -> None:
        """Count a model response in place of the request."""
        self.drop(who)
        self._used += usage

    def call(self, count: int) -> None:
        """Count the tool calls of a response, which is recorded, before they are made.

        Raises:
            LimitReached: not all of them may be made, so none is.
        """
        calls = self._calls + count
        if self._limits is not None and count and calls > (most := self._limits.tool_calls):
            raise LimitReached(f"the limit of {most} tool calls would be crossed, delegates included: {calls}")
        self._calls = calls

    def check(self) -> None:
        """Refuse another model request that would cross a limit, those that are at work counted.

        What a response consumed counts once it is there: the last ones may cross a limit of tokens or cost.

        Raises:
            LimitReached: it would.
            FailedPrecondition: cost is limited, and what a response cost is not known.
        """
        limits, used = self._limits, self._used
        if limits is None:
            return
        if used.requests + len(self._asking) >= limits.requests:
            raise LimitReached(f"the limit of {limits.requests} model requests is reached, delegates included")
        tokens = used.input_tokens + used.output_tokens
        if limits.total_tokens is not None and tokens >= limits.total_tokens:
            raise LimitReached(f"the limit of {limits.total_tokens} tokens is reached, delegates included: {tokens}")
        check_cost(limits.cost_usd_micros, used)
