"""Which models definitions may name, as this deployment can run them."""

from __future__ import annotations

from datetime import date

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.allowed_models import AllowedModels
from shared.domain.model_catalog import CATALOG, PRICES_AS_OF, Capability, ModelFacts
from shared.edge.app import problem_responses
from shared.edge.auth import Caller


class PriceView(BaseModel):
    """What a million tokens cost, in US dollars."""

    model_config = ConfigDict(from_attributes=True)

    input: float
    output: float
    cached_input: float | None
    input_tokens_above: int = Field(description="For requests of more tokens than this.")


class ModelView(BaseModel):
    """A model that a definition may name."""

    name: str = Field(description="`provider:model`, as `model` in a definition.")
    provider: str
    model: str
    capabilities: tuple[Capability, ...] = Field(
        description="`structured_output` and `native_search` are the provider's own; others get them from Fireloom."
    )
    context_tokens: int | None = Field(description="How much it takes in; null where there is no such limit.")
    prices: list[PriceView] = Field(description="Empty where no price is known; such a model has no limit of cost.")
    configured: bool = Field(description="Whether this deployment has what it takes to ask the provider.")


class ModelList(BaseModel):
    """The models, and what `default` means here."""

    items: list[ModelView]
    default: str = Field(description="The model that `provider: default` stands for.")
    allowed: tuple[str, ...] = Field(
        description="Globs over `provider:model`. What one of them matches may be named even if it is not listed."
    )
    prices_as_of: date


def model_routes(models: AllowedModels, providers: frozenset[str]) -> APIRouter:
    """The routes, for a deployment that runs `models` of the configured `providers`."""
    router = APIRouter()

    @router.get("/models", name="list", tags=["models"], responses=problem_responses(401))
    async def find(_caller: Caller) -> ModelList:
        """List the models that this deployment runs, with what they can do and cost."""
        shown = [facts for facts in CATALOG.values() if models.allows(facts.full_name)]
        return ModelList(
            items=[_view(facts, is_configured=facts.provider in providers) for facts in shown],
            default=models.default,
            allowed=models.patterns,
            prices_as_of=PRICES_AS_OF,
        )

    return router


def _view(facts: ModelFacts, *, is_configured: bool) -> ModelView:
    return ModelView(
        name=facts.full_name,
        provider=facts.provider,
        model=facts.model,
        capabilities=facts.capabilities,
        context_tokens=facts.context_tokens,
        prices=[PriceView.model_validate(price) for price in facts.prices],
        configured=is_configured,
    )
