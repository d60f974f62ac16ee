"""Google's embeddings through the real classes, against a local server that speaks its protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import google.oauth2.credentials
import pydantic_ai.models
import pytest

from shared.adapters.embedders.hashed_words import HashedWords
from shared.adapters.pydantic_ai.embedders import MOST_TEXTS, ProviderEmbedders
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.domain.errors import DomainError, FailedPrecondition, ModelUnavailable
from shared.domain.knowledge import DIMENSIONS
from shared.domain.writes import Vector
from shared.ports.embedder import Embedder
from tests.support.provider_stubs.embeddings import EmbeddingStub, embedding_stub

pytestmark = pytest.mark.loopback
SECRET = "very-secret-key"
NAMES = ("google:gemini-embedding-001", "google-cloud:gemini-embedding-001")


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


@pytest.fixture
def stub() -> Iterator[EmbeddingStub]:
    with embedding_stub() as stub:
        yield stub


@pytest.fixture
async def embedders(stub: EmbeddingStub) -> AsyncIterator[ProviderEmbedders]:
    settings = ProviderSettings(
        google_api_key=SECRET,
        google_base_url=stub.base_url,
        vertex_project="demo-project",
        vertex_base_url=stub.base_url,
        credentials=google.oauth2.credentials.Credentials(token="t"),
    )
    embedders = ProviderEmbedders(settings, [HashedWords()])
    yield embedders
    await embedders.aclose()


def embedder(name: str, embedders: ProviderEmbedders) -> Embedder:
    found = embedders.find(name)
    assert found is not None
    return found


def length_of(vector: Vector) -> int:
    assert len(vector.values) == DIMENSIONS
    return int(vector.values[0])


@pytest.mark.parametrize("name", NAMES)
async def test_each_text_gets_its_vector_in_order_in_as_many_requests_as_are_needed(
    name: str, stub: EmbeddingStub, embedders: ProviderEmbedders
) -> None:
    texts = ["x" * n for n in range(1, 121)]

    vectors = await embedder(name, embedders).embed_documents(texts)

    assert [length_of(vector) for vector in vectors] == list(range(1, 121))
    most = MOST_TEXTS[name.partition(":")[0]]
    assert len(stub.received) == -(-len(texts) // most)


@pytest.mark.parametrize("name", NAMES)
async def test_documents_and_questions_are_told_apart_and_the_size_is_asked_for(
    name: str, stub: EmbeddingStub, embedders: ProviderEmbedders
) -> None:
    asked = embedder(name, embedders)
    await asked.embed_documents(["text"])
    assert length_of(await asked.embed_query("question")) == len("question")

    document, question = (str(body) for _, body in stub.received)
    assert "RETRIEVAL_DOCUMENT" in document
    assert "RETRIEVAL_QUERY" in question
    assert str(DIMENSIONS) in document
    assert str(DIMENSIONS) in question


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("status", "kind"), [(503, ModelUnavailable), (429, ModelUnavailable), (400, FailedPrecondition)]
)
async def test_a_refusal_is_a_domain_error_that_says_whether_to_try_again(
    name: str, stub: EmbeddingStub, embedders: ProviderEmbedders, status: int, kind: type[DomainError]
) -> None:
    stub.statuses = [status] * 3
    with pytest.raises(kind) as refused:
        await embedder(name, embedders).embed_query("question")
    assert name in refused.value.message
    assert SECRET not in refused.value.message
    assert len(stub.received) == 1


async def test_a_provider_that_is_not_configured_says_what_is_missing() -> None:
    found = ProviderEmbedders(ProviderSettings(), []).find("google:gemini-embedding-001")
    assert found is not None
    with pytest.raises(FailedPrecondition, match="set GOOGLE_API_KEY"):
        await found.embed_query("question")


@pytest.mark.parametrize("name", ["anthropic:claude", "local:other", "google:", "", "nonsense"])
def test_what_no_provider_embeds_is_not_found(name: str) -> None:
    assert ProviderEmbedders(ProviderSettings(), [HashedWords()]).find(name) is None


def test_an_embedder_is_opened_once_and_the_local_one_is_known() -> None:
    embedders = ProviderEmbedders(ProviderSettings(), [HashedWords()])
    assert embedders.find(NAMES[0]) is embedders.find(NAMES[0])
    assert isinstance(embedders.find("local:hashed-words"), HashedWords)
