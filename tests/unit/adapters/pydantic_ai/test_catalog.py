"""The catalog of models agrees with what the libraries know."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, time
from typing import Any

import google.oauth2.credentials
import pytest
from genai_prices.data_snapshot import get_snapshot
from pydantic_ai.native_tools import WebSearchTool
from pydantic_ai.profiles.anthropic import anthropic_model_profile
from pydantic_ai.profiles.google import google_model_profile

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.domain.definition_models import retirement_of
from shared.domain.model_catalog import CATALOG, PRICES_AS_OF, ModelFacts, Price
from shared.domain.model_specs import ModelSpec

REMOTE = [facts for facts in CATALOG.values() if facts.provider != "local"]
WITHOUT_KNOWN_CONTEXT = "gemini-3.1-pro-preview"
"""The one of which genai-prices says no context size. Source: https://ai.google.dev/gemini-api/docs/models"""
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
    assert known.context_window == (None if facts.model == WITHOUT_KNOWN_CONTEXT else facts.context_tokens)


@pytest.mark.parametrize("facts", REMOTE, ids=lambda facts: facts.full_name)
def test_capabilities_are_those_of_the_library(facts: ModelFacts) -> None:
    is_claude = facts.provider.startswith("anthropic")
    profile: Any = (anthropic_model_profile if is_claude else google_model_profile)(facts.model)
    assert ("structured_output" in facts.capabilities) == profile["supports_json_schema_output"]
    assert ("thinking" in facts.capabilities) == profile["supports_thinking"]
    assert ("tools" in facts.capabilities) == profile.get("supports_tools", True)


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    """All four providers, none of which is asked."""
    credentials = google.oauth2.credentials.Credentials(token="t")
    settings = ProviderSettings("k", anthropic_api_key="k", vertex_project="demo-x", credentials=credentials)
    models = Models(settings)
    yield models
    await models.aclose()


@pytest.mark.parametrize("facts", REMOTE, ids=lambda facts: facts.full_name)
async def test_a_model_searches_by_itself_where_the_library_can_ask_it_to(models: Models, facts: ModelFacts) -> None:
    model = await models.get(ModelSpec.model_validate({"provider": facts.provider, "model": facts.model}), 1)
    can = WebSearchTool in model.profile.get("supported_native_tools", ())
    assert ("native_search" in facts.capabilities) == can


def test_images_and_documents_are_shown_to_every_model_but_the_local_ones() -> None:
    """No library knows it.

    Source: https://platform.claude.com/docs/en/build-with-claude/vision,
    https://platform.claude.com/docs/en/build-with-claude/pdf-support,
    https://ai.google.dev/gemini-api/docs/image-understanding, https://ai.google.dev/gemini-api/docs/document-processing
    """
    shown = {name: {"images", "documents"} & set(facts.capabilities) for name, facts in CATALOG.items()}
    local = {name for name, facts in CATALOG.items() if facts.provider == "local"}
    assert shown == {name: set[str]() if name in local else {"images", "documents"} for name in CATALOG}
    assert 0 < len(local) < len(CATALOG)


def test_no_model_is_listed_that_is_to_go() -> None:
    assert [facts.full_name for facts in REMOTE if retirement_of(facts.model) is not None] == []
