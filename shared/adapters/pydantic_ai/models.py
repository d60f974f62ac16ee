"""From the model in a definition to Pydantic AI's, each provider opened once per process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import httpx2
from pydantic_ai.models import Model
from pydantic_ai.settings import ModelSettings

from shared.adapters.pydantic_ai.connections import open_client
from shared.adapters.pydantic_ai.failures import domain_error
from shared.adapters.pydantic_ai.limits import check_price
from shared.adapters.pydantic_ai.providers import ProviderSettings, open_provider
from shared.domain.allowed_models import AllowedModels
from shared.domain.definitions import AgentSpec
from shared.domain.errors import FailedPrecondition
from shared.domain.model_specs import ModelSpec


class Models:
    """The models of this process."""

    def __init__(
        self,
        settings: ProviderSettings,
        allowed: AllowedModels | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Ask the providers of `settings` for the `allowed` models, all by default; scripts pause with `sleep`."""
        self._settings = settings
        self._allowed = allowed or AllowedModels()
        self._sleep = sleep
        self._providers: dict[str, Callable[[str], Model]] = {}
        self._models: dict[tuple[str, str], Model] = {}
        self._http: httpx2.AsyncClient | None = None
        self._opening = threading.Lock()

    def choose(self, agent: AgentSpec) -> tuple[ModelSpec, ...]:
        """The models to ask, the next one where those before are down.

        Raises:
            FailedPrecondition: this deployment does not run one of them, or its price is not known and cost is limited.
        """
        chain = tuple(self._allowed.resolve(spec) for spec in agent.model.chain)
        if agent.limits.cost_usd_micros is not None:
            for spec in chain:
                check_price(spec)
        return chain

    async def get(self, spec: ModelSpec, attempt: int) -> Model:
        """The model that `spec` names, for the node's attempt number `attempt`.

        Raises:
            FailedPrecondition: its provider is not configured, or there is no such local model.
        """
        if spec.provider == "local":
            return self._local(spec, attempt)
        found = self._models.get((spec.provider, spec.model))
        if found is None:
            # Importing an SDK takes up to a second, in which heartbeats must go on.
            found = await asyncio.to_thread(self._open, spec)
        return found

    async def aclose(self) -> None:
        """Close the connections; asking again opens new ones."""
        http, self._http = self._http, None
        self._providers.clear()
        self._models.clear()
        if http is not None:
            await http.aclose()

    def _client(self) -> httpx2.AsyncClient:
        if self._http is None:
            self._http = open_client()
        return self._http

    def _local(self, spec: ModelSpec, attempt: int) -> Model:
        match spec.model:
            case "extractive":
                from shared.adapters.pydantic_ai.local_extractive import ExtractiveModel

                return ExtractiveModel()
            case "scripted":
                from shared.adapters.pydantic_ai.local_scripted import ScriptedModel

                return ScriptedModel(spec.script, attempt, self._sleep, spec.usd_micros_per_token)
            case _:
                raise FailedPrecondition(
                    f"local:{spec.model}: no such model; there are local:extractive and local:scripted."
                )

    def _open(self, spec: ModelSpec) -> Model:
        with self._opening:
            if (found := self._models.get((spec.provider, spec.model))) is not None:
                return found
            try:
                make = self._providers.get(spec.provider)
                if make is None:
                    make = self._providers[spec.provider] = open_provider(spec.provider, self._settings, self._client())
                model = make(spec.model)
            except Exception as error:
                known = domain_error(error, f"{spec.provider}:{spec.model}")
                raise known or error from error
            self._models[spec.provider, spec.model] = model
            return model


def request_settings(spec: ModelSpec, longest: int | None = None) -> ModelSettings:
    """How the model is asked, for an answer of at most `longest` tokens. No SDK retries: the engine does them.

    A local model knows no setting but that.
    """
    if spec.provider == "local":
        return ModelSettings() if longest is None else ModelSettings(max_tokens=longest)
    settings = ModelSettings(
        request_timeout=spec.request_timeout_seconds,
        max_retries=0,
        framing_announcement="when_needed",  # some models would get a preface to every system prompt
    )
    if spec.temperature is not None:
        settings["temperature"] = spec.temperature
    if spec.top_p is not None:
        settings["top_p"] = spec.top_p
    if (most := longest or spec.max_tokens) is not None:
        settings["max_tokens"] = most
    if spec.seed is not None:
        settings["seed"] = spec.seed
    if spec.stop_sequences is not None:
        settings["stop_sequences"] = list(spec.stop_sequences)
    return settings
