"""`Embedders`: the local one, and Google's through Pydantic AI, opened when a collection names them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import httpx2

from shared.adapters.pydantic_ai.connections import open_client
from shared.adapters.pydantic_ai.failures import domain_error
from shared.adapters.pydantic_ai.providers import EMBEDDING_PROVIDERS, ProviderSettings, open_embedding_model
from shared.domain.errors import ModelUnavailable
from shared.domain.knowledge import DIMENSIONS
from shared.domain.writes import Vector
from shared.ports.embedder import Embedder

if TYPE_CHECKING:
    from pydantic_ai.embeddings import EmbeddingModel
    from pydantic_ai.embeddings.result import EmbedInputType

MOST_TEXTS = {"google": 100, "google-cloud": 1}
"""In one request.

Source: https://ai.google.dev/api/embeddings#method:-models.batchembedcontents
Source: https://cloud.google.com/vertex-ai/generative-ai/docs/embeddings/get-text-embeddings
"""
_CONCURRENT_REQUESTS = 8
_TIMEOUT_SECONDS = 60.0


class ProviderEmbedders:
    """The embedders of this process: those it is given, and those of providers that can embed."""

    def __init__(self, settings: ProviderSettings, local: Sequence[Embedder]) -> None:
        """Know `local`, and ask the providers of `settings`."""
        self._settings = settings
        self._known: dict[str, Embedder] = {embedder.name: embedder for embedder in local}

    def find(self, name: str) -> Embedder | None:
        """The embedder of that name; None where no provider of that name embeds."""
        provider, _, model = name.partition(":")
        if name not in self._known and provider in EMBEDDING_PROVIDERS and model:
            self._known[name] = ProviderEmbedder(name, self._settings)
        return self._known.get(name)

    async def aclose(self) -> None:
        """Close the connections; asking again opens new ones."""
        for embedder in self._known.values():
            if isinstance(embedder, ProviderEmbedder):
                await embedder.aclose()


class ProviderEmbedder:
    """`Embedder` by a provider's model."""

    def __init__(self, name: str, settings: ProviderSettings) -> None:
        """Go by `name`, `provider:model`; the provider is opened on first use."""
        self._name = name
        self._settings = settings
        self._opening = threading.Lock()
        self._slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)
        self._model: EmbeddingModel | None = None
        self._http: httpx2.AsyncClient | None = None

    @property
    def name(self) -> str:
        """`provider:model`."""
        return self._name

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """One vector for each text, in as few requests as the provider allows."""
        most = MOST_TEXTS[self._name.partition(":")[0]]
        batches = [texts[start : start + most] for start in range(0, len(texts), most)]
        answers = await asyncio.gather(*(self._ask(batch, "document") for batch in batches))
        return [vector for answer in answers for vector in answer]

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question."""
        (vector,) = await self._ask([text], "query")
        return vector

    async def aclose(self) -> None:
        """Close the connections."""
        http, self._http, self._model = self._http, None, None
        if http is not None:
            await http.aclose()

    async def _ask(self, texts: Sequence[str], kind: EmbedInputType) -> list[Vector]:
        try:
            # Importing an SDK takes up to a second, in which others must go on.
            model = self._model or await asyncio.to_thread(self._open)
            async with self._slots, asyncio.timeout(_TIMEOUT_SECONDS):
                result = await model.embed(texts, input_type=kind)
        except TimeoutError:
            raise ModelUnavailable(f"{self._name} did not finish in time.") from None
        except Exception as error:
            raise domain_error(error, self._name) or error from error
        return [Vector(tuple(embedding)) for embedding in result.embeddings]

    def _open(self) -> EmbeddingModel:
        with self._opening:
            if self._model is None:
                provider, _, model = self._name.partition(":")
                self._http = self._http or open_client()
                self._model = open_embedding_model(provider, model, DIMENSIONS, self._settings, self._http)
            return self._model
