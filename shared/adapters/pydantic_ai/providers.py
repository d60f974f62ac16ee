"""The four providers, each imported only when a definition names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import httpx2
from pydantic_ai.models import Model

from shared.domain.errors import FailedPrecondition

if TYPE_CHECKING:
    from google.genai import Client
    from pydantic_ai.embeddings import EmbeddingModel
    from pydantic_ai.providers import Provider


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where the providers are and what they are asked with.

    Args:
        google_api_key: key of the Gemini API.
        google_base_url: another address of the Gemini API, such as a proxy's.
        anthropic_api_key: key of the Anthropic API.
        anthropic_base_url: another address of the Anthropic API.
        vertex_project: the Google Cloud project that pays for Vertex AI; for Gemini, None takes the credentials' own.
        vertex_location: where Gemini on Vertex AI is asked.
        vertex_base_url: another address of Vertex AI for Gemini.
        claude_region: where Claude on Vertex AI is asked.
        claude_base_url: another address of Vertex AI for Claude.
        credentials: Google credentials; None takes the application default credentials.
    """

    google_api_key: str | None = field(default=None, repr=False)
    google_base_url: str | None = None
    anthropic_api_key: str | None = field(default=None, repr=False)
    anthropic_base_url: str | None = None
    vertex_project: str | None = None
    vertex_location: str = "us-central1"
    vertex_base_url: str | None = None
    claude_region: str = "global"
    claude_base_url: str | None = None
    credentials: Any = field(default=None, repr=False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """The settings, under the names that the providers' own SDKs use."""
        return cls(
            google_api_key=environ.get("GOOGLE_API_KEY") or environ.get("GEMINI_API_KEY") or None,
            google_base_url=environ.get("GOOGLE_GEMINI_BASE_URL") or None,
            anthropic_api_key=environ.get("ANTHROPIC_API_KEY") or None,
            anthropic_base_url=environ.get("ANTHROPIC_BASE_URL") or None,
            vertex_project=environ.get("GOOGLE_CLOUD_PROJECT") or None,
            vertex_location=environ.get("GOOGLE_CLOUD_LOCATION") or "us-central1",
            vertex_base_url=environ.get("GOOGLE_VERTEX_BASE_URL") or None,
            claude_region=environ.get("CLOUD_ML_REGION") or "global",
            claude_base_url=environ.get("ANTHROPIC_VERTEX_BASE_URL") or None,
        )


def _gemini_api(settings: ProviderSettings, http: httpx2.AsyncClient) -> Provider[Client]:
    if settings.google_api_key is None:
        raise FailedPrecondition("google: no key is configured; set GOOGLE_API_KEY.")
    from pydantic_ai.providers.google import GoogleProvider

    return GoogleProvider(api_key=settings.google_api_key, base_url=settings.google_base_url, http_client=http)


def _vertex_ai(settings: ProviderSettings, http: httpx2.AsyncClient) -> Provider[Client]:
    from pydantic_ai.providers.google_cloud import GoogleCloudProvider

    return GoogleCloudProvider(
        credentials=settings.credentials,
        project=settings.vertex_project,
        location=settings.vertex_location,
        base_url=settings.vertex_base_url,
        http_client=http,
    )


_GOOGLE: Mapping[str, Callable[[ProviderSettings, httpx2.AsyncClient], Provider[Client]]] = {
    "google": _gemini_api,
    "google-cloud": _vertex_ai,
}
EMBEDDING_PROVIDERS = frozenset(_GOOGLE)
"""Whose models make vectors."""


def _google(settings: ProviderSettings, http: httpx2.AsyncClient) -> Callable[[str], Model]:
    from pydantic_ai.models.google import GoogleModel

    provider = _gemini_api(settings, http)
    return lambda name: GoogleModel(name, provider=provider)


def _google_cloud(settings: ProviderSettings, http: httpx2.AsyncClient) -> Callable[[str], Model]:
    from pydantic_ai.models.google import GoogleModel

    provider = _vertex_ai(settings, http)
    return lambda name: GoogleModel(name, provider=provider)


def _anthropic(settings: ProviderSettings, http: httpx2.AsyncClient) -> Callable[[str], Model]:
    if settings.anthropic_api_key is None:
        raise FailedPrecondition("anthropic: no key is configured; set ANTHROPIC_API_KEY.")
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    provider = AnthropicProvider(
        api_key=settings.anthropic_api_key, base_url=settings.anthropic_base_url, http_client=http
    )
    return lambda name: AnthropicModel(name, provider=provider)


def _anthropic_vertex(settings: ProviderSettings, http: httpx2.AsyncClient) -> Callable[[str], Model]:
    if settings.vertex_project is None:
        raise FailedPrecondition("anthropic-vertex: no project is configured; set GOOGLE_CLOUD_PROJECT.")
    from anthropic.lib.vertex import AsyncAnthropicVertex
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropicVertex(
        project_id=settings.vertex_project,
        region=settings.claude_region,
        credentials=settings.credentials,
        base_url=settings.claude_base_url,
        http_client=http,
        max_retries=0,
    )
    provider = AnthropicProvider(anthropic_client=client)
    return lambda name: AnthropicModel(name, provider=provider)


_MAKERS: Mapping[str, Callable[[ProviderSettings, httpx2.AsyncClient], Callable[[str], Model]]] = {
    "google": _google,
    "google-cloud": _google_cloud,
    "anthropic": _anthropic,
    "anthropic-vertex": _anthropic_vertex,
}


def open_provider(name: str, settings: ProviderSettings, http: httpx2.AsyncClient) -> Callable[[str], Model]:
    """A maker of the provider's models, which ask through `http`.

    Imports the provider's SDK, which takes up to a second, and may ask Google's metadata server: not for an event loop.

    Raises:
        FailedPrecondition: its package or its key is missing.
    """
    try:
        return _MAKERS[name](settings, http)
    except ImportError as error:
        raise FailedPrecondition(f"{name}: the provider's package is not installed in this deployment.") from error


def open_embedding_model(
    provider: str, model: str, dimensions: int, settings: ProviderSettings, http: httpx2.AsyncClient
) -> EmbeddingModel:
    """A model of one of EMBEDDING_PROVIDERS, which asks through `http` for vectors of so many dimensions.

    Raises:
        FailedPrecondition: the provider's package or its key is missing.
    """
    try:
        from pydantic_ai.embeddings import EmbeddingSettings
        from pydantic_ai.embeddings.google import GoogleEmbeddingModel

        opened = _GOOGLE[provider](settings, http)
    except ImportError as error:
        raise FailedPrecondition(f"{provider}: the provider's package is not installed in this deployment.") from error
    return GoogleEmbeddingModel(model, provider=opened, settings=EmbeddingSettings(dimensions=dimensions))
