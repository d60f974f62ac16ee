"""Knowledge on memory adapters: a library, a worker that a test drives, and what they do counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.adapters.embedders.hashed_words import NAME, embed
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid
from shared.domain.knowledge import Collection, CollectionId, DocumentId, KnowledgeDocument
from shared.domain.markdown_headings import markdown_headings
from shared.domain.writes import Vector
from shared.ports.document_reader import DocumentReader, ReadDocument
from shared.ports.documents import Documents
from shared.ports.task_queue import IngestTask
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.get_document import get_document
from shared.usecases.knowledge.library import Indexer, Library, Searcher
from shared.usecases.knowledge.put_document import NewDocument, put_document
from shared.usecases.knowledge.search_knowledge import search_knowledge
from shared.usecases.knowledge.tend_knowledge import tend_knowledge

ANN = Uid("ann")
BOB = Uid("bob")


class PlainReader:
    """Reads Markdown, and refuses what says that it is broken."""

    async def read(self, name: str, mime_type: str, content: bytes, *, max_headings: int) -> ReadDocument:
        """The text, as far as it is text."""
        del name, mime_type
        if content.startswith(b"broken"):
            raise FailedPrecondition("The document is broken, so it cannot be read.")
        text = content.decode()
        headings = markdown_headings(text, most=max_headings)
        return ReadDocument(text, headings[0][1] if headings else None, headings)


@dataclass
class CountingEmbedder:
    """Embeds by words, counts the texts, and fails when told to.

    Attributes:
        failures: raised by the next calls, one each.
        before: called before each batch.
    """

    name: str = NAME
    embedded: list[str] = field(default_factory=list[str])
    failures: deque[Exception] = field(default_factory=deque[Exception])
    before: Callable[[], object] = lambda: None

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """One vector for each text."""
        self.before()
        if self.failures:
            raise self.failures.popleft()
        self.embedded.extend(texts)
        return [embed(text) for text in texts]

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question."""
        return embed(text)


@dataclass
class KnowledgeRig:
    """One deployment in memory."""

    clock: MemoryClock = field(default_factory=MemoryClock)
    ids: MemoryIds = field(default_factory=MemoryIds)
    queue: MemoryTaskQueue[IngestTask] = field(default_factory=MemoryTaskQueue[IngestTask])
    embedder: CountingEmbedder = field(default_factory=CountingEmbedder)
    reader: DocumentReader = field(default_factory=PlainReader)
    defects: list[BaseException] = field(default_factory=list[BaseException])
    through: Documents | None = None
    """Stands between the use cases and the store."""
    documents: Any = None

    def __post_init__(self) -> None:
        """Make the store on the rig's clock."""
        if self.documents is None:
            self.documents = MemoryDocuments(self.clock)

    @property
    def library(self) -> Library:
        """The light ports."""
        return Library(self.through or self.documents, self.queue, self.clock, self.ids, NAME)

    @property
    def indexer(self) -> Indexer:
        """The worker's ports."""
        return Indexer(self.library, self.reader, self, self.defects.append)

    @property
    def searcher(self) -> Searcher:
        """The tool's ports."""
        return Searcher(self.documents, self.documents, self)

    def find(self, name: str) -> CountingEmbedder | None:
        """The rig's embedder (`Embedders`)."""
        return self.embedder if name == self.embedder.name else None

    async def collection(self, name: str = "handbook") -> Collection:
        """A collection of Ann's."""
        return await create_collection(self.library, ANN, name)

    async def put(self, collection: Collection, name: str, content: str | bytes) -> KnowledgeDocument:
        """Bring a document as Ann."""
        raw = content if isinstance(content, bytes) else content.encode()
        return (await put_document(self.library, ANN, collection.id, NewDocument(name, raw)))[0]

    async def deliver(self, task: IngestTask) -> bool:
        """Deliver a task to the worker."""
        done = await tend_knowledge(self.indexer, task.collection_id, task.document_id)
        return done is Acknowledgement.DONE

    async def drain(self, most: int = 100) -> int:
        """Deliver every task until nothing is pending."""
        return await self.queue.drain(self.deliver, most)

    async def document(self, collection_id: CollectionId, document_id: DocumentId) -> KnowledgeDocument:
        """How a document is doing."""
        return await get_document(self.documents, ANN, collection_id, document_id)

    async def search(self, question: str, *names: str, limit: int = 5, uid: Uid = ANN) -> list[str]:
        """What is found: `document, place: text`."""
        found = await search_knowledge(self.searcher, uid, names or ("handbook",), question, limit)
        return [f"{one.document.name}, {one.passage.place}: {one.passage.text}" for one in found]

    def stored(self, prefix: str) -> list[str]:
        """The paths of what is stored below a prefix."""
        paths: list[str] = self.documents.paths
        return [path for path in paths if path.startswith(prefix)]
