"""The models that agents are known to work with: what they can do, how much they take in, and what they cost.

A definition may name any model of its provider, also one that is not here: the provider knows what it has.

Prices are genai-prices' for the day `PRICES_AS_OF`, kept here because importing them takes 0.2 s and 26 MB; tests
compare them. What a run costs is counted by genai-prices itself, when it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, TypeAlias

Capability: TypeAlias = Literal["tools", "images", "documents", "structured_output", "native_search", "thinking"]

PRICES_AS_OF = date(2026, 11, 21)
_ALL: tuple[Capability, ...] = ("tools", "images", "documents", "structured_output", "native_search", "thinking")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens, in `input_tokens_above` and longer requests where there is such a limit."""

    input: float
    output: float
    cached_input: float | None = None
    input_tokens_above: int = 0


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """A model of a provider.

    Args:
        capabilities: what it can do; `structured_output` is the provider's own keeping to a schema.
        context_tokens: how much it takes in; None where there is no such limit.
        prices: the ordinary price first, then those of longer requests; empty where no price is known.
    """

    provider: str
    model: str
    capabilities: tuple[Capability, ...]
    context_tokens: int | None
    prices: tuple[Price, ...]

    @property
    def full_name(self) -> str:
        """`provider:model`, as definitions name it."""
        return f"{self.provider}:{self.model}"


def _claude(model: str, *prices: Price, context: int = 1_000_000) -> ModelFacts:
    return ModelFacts("anthropic", model, _ALL, context, prices)


def _gemini(model: str, *prices: Price, context: int = 1_000_000) -> ModelFacts:
    return ModelFacts("google", model, _ALL, context, prices)


_CLAUDE = (
    _claude("claude-fable-5-2", Price(8, 40, 0.2)),
    _claude("claude-opus-5-5", Price(4, 20, 0.2)),
    _claude("claude-opus-4-8", Price(5, 25, 0.5)),
    _claude("claude-sonnet-5-5", Price(2, 10, 0.1)),
    _claude("claude-sonnet-4-6", Price(3, 15, 0.3)),
    _claude("claude-haiku-5-5", Price(0.1, 0.5, 0.01), Price(0.5, 2.5, 0.05, 100_000)),
)
_GEMINI = (
    _gemini("gemini-4-argon", Price(2, 10, 0.1), context=1_048_576),
    _gemini("gemini-3.8-flash", Price(0.75, 3.75, 0.075)),
    _gemini("gemini-3.5-flash-lite", Price(0.3, 2.5, 0.03)),
    _gemini("gemini-3.1-pro-preview", Price(2, 12, 0.2), Price(4, 18, 0.4, 200_000), context=1_048_576),
    _gemini("gemini-3.1-flash-lite", Price(0.25, 1.5, 0.025)),
    _gemini("gemini-2.5-flash-lite", Price(0.1, 0.4, 0.01)),
)


def _all() -> Iterator[ModelFacts]:
    yield from _CLAUDE
    yield _claude("claude-haiku-4-5", Price(1, 5, 0.1), context=200_000)  # on Vertex AI it has a date in its name
    yield from (replace(facts, provider="anthropic-vertex") for facts in _CLAUDE)
    yield from _GEMINI
    yield from (replace(facts, provider="google-cloud") for facts in _GEMINI)
    yield ModelFacts("local", "extractive", ("tools",), None, (Price(0, 0),))
    yield ModelFacts("local", "scripted", ("tools",), None, (Price(0, 0),))


CATALOG: dict[str, ModelFacts] = {facts.full_name: facts for facts in _all()}
"""By full name."""
