"""Where a run of an agent stops, judged over all attempts at a node."""

from __future__ import annotations

import math

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from shared.domain.costs import check_cost
from shared.domain.definitions import Limits
from shared.domain.errors import FailedPrecondition, LimitReached
from shared.domain.model_specs import ModelSpec
from shared.domain.usage import Usage

# Pydantic AI's own UsageLimits judge a response before it is journalled, so what it cost would be lost with it.


def check_before_request(limits: Limits, used: Usage) -> None:
    """Refuse a model request that would cross a limit.

    Raises:
        LimitReached: it would.
        FailedPrecondition: cost is limited, and what a response cost is not known.
    """
    if used.requests >= limits.requests:
        raise LimitReached(f"The agent's limit of {limits.requests} model requests is reached.")
    tokens = used.input_tokens + used.output_tokens
    if limits.total_tokens is not None and tokens >= limits.total_tokens:
        raise LimitReached(f"The agent's limit of {limits.total_tokens} tokens is reached: {tokens} are used.")
    check_cost(limits.cost_usd_micros, used)


def check_before_tools(limits: Limits, used: Usage) -> None:
    """Refuse the tool calls of a response, already counted in `used`, if they cross the limit.

    Raises:
        LimitReached: they do.
    """
    if used.tool_calls > limits.tool_calls:
        raise LimitReached(
            f"The agent's limit of {limits.tool_calls} tool calls would be crossed: {used.tool_calls} are asked for."
        )


def check_price(spec: ModelSpec) -> None:
    """Refuse a model whose cost nobody could count.

    Raises:
        FailedPrecondition: its price is not known.
    """
    if price_of(spec, Usage(input_tokens=1, output_tokens=1)) is None:
        raise FailedPrecondition(f"{spec.full_name} cannot be asked under a limit of cost: its price is not known.")


def price_of(spec: ModelSpec, usage: Usage) -> int | None:
    """What a request costs, in millionths of a US dollar; None where the model's price is not known."""
    if spec.provider == "local":
        return (usage.input_tokens + usage.output_tokens) * spec.usd_micros_per_token
    maker = "anthropic" if spec.provider.startswith("anthropic") else "google"
    priced = PricedUsage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    try:
        price = calc_price(priced, spec.model, provider_id=maker)
    except LookupError:
        return None
    return math.ceil(price.total_price * 1_000_000)
