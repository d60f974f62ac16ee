"""What the use cases of knowledge work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shared.ports.clock import Clock
from shared.ports.document_reader import DocumentReader
from shared.ports.documents import Documents
from shared.ports.embedder import Embedders
from shared.ports.id_source import Ids
from shared.ports.task_queue import IngestQueue
from shared.ports.vector_index import VectorIndex


@dataclass(frozen=True, slots=True)
class Library:
    """The ports with which knowledge is kept; light enough for every function.

    Args:
        embedder: the name of what makes the vectors of new collections.
    """

    documents: Documents
    queue: IngestQueue
    clock: Clock
    ids: Ids
    embedder: str


@dataclass(frozen=True, slots=True)
class Indexer:
    """The ports with which documents are read and embedded.

    Args:
        report_defect: told of every exception that is not a DomainError.
    """

    library: Library
    reader: DocumentReader
    embedders: Embedders
    report_defect: Callable[[BaseException], None]


@dataclass(frozen=True, slots=True)
class Searcher:
    """The ports with which knowledge is searched."""

    documents: Documents
    index: VectorIndex
    embedders: Embedders
