"""The catalog of models agrees with what the libraries know."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
from pydantic_ai.profiles.anthropic import anthropic_model_profile
from pydantic_ai.profiles.google import google_model_profile

from shared.domain.definition_models import retirement_of
from shared.domain.model_catalog import CATALOG, PRICES_AS_OF, ModelFacts, Price

REMOTE = [facts for facts in CATALOG.values() if facts.provider != "local"]
DAY = datetime.combine(PRICES_AS_OF, time(12), UTC)


def known_prices(price: Any) -> list[Price]:
    """The prices of genai-prices, from the ordinary one to that of the longest requests."""
    starts = sorted({0, *(tier.start for part in _parts(price) for tier in getattr(part, "tiers", ()))})
    return [_price_at(price, start) for start in starts]


def _parts(price: Any) -> tuple[Any, Any, Any]:
    return price.input_mtok, price.output_mtok, price.cache_read_mtok


def _price_at(price: Any, start: int) -> Price:
    sent, received, cached = (float(_at(part, start)) for part in _parts(price))
    return Price(sent, received, cached, start)


def _at(part: Any, start: int) -> Any:
    tiers = [tier.price for tier in getattr(part, "tiers", ()) if tier.start <= start]
    return tiers[-1] if tiers else getattr(part, "base", part)


@pytest.mark.parametrize("facts", REMOTE, ids=lambda facts: facts.full_name)
def test_prices_and_context_are_those_of_genai_prices(facts: ModelFacts) -> None:
    maker = "anthropic" if facts.provider.startswith("anthropic") else "google"
    _, known = get_snapshot().find_provider_model(facts.model, None, maker, None)
    assert list(facts.prices) == known_prices(known.get_prices(DAY))
    assert known.context_window in (None, facts.context_tokens)


@pytest.mark.parametrize("facts", REMOTE, ids=lambda facts: facts.full_name)
def test_capabilities_are_those_of_the_library(facts: ModelFacts) -> None:
    is_claude = facts.provider.startswith("anthropic")
    profile: Any = (anthropic_model_profile if is_claude else google_model_profile)(facts.model)
    assert ("structured_output" in facts.capabilities) == profile["supports_json_schema_output"]
    assert ("thinking" in facts.capabilities) == profile["supports_thinking"]
    assert ("tools" in facts.capabilities) == profile.get("supports_tools", True)


def test_no_model_is_listed_that_is_to_go() -> None:
    assert [facts.full_name for facts in REMOTE if retirement_of(facts.model) is not None] == []
