"""Connects the library of knowledge, for every function that keeps it."""

from __future__ import annotations

from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.composition.core import connect_queue
from shared.ports.documents import Documents
from shared.ports.task_queue import IngestQueue
from shared.settings import Settings
from shared.usecases.knowledge.library import Library


def connect_library(settings: Settings, documents: Documents, queue: IngestQueue | None = None) -> Library:
    """The ports with which knowledge is kept; the queue is given that others use too."""
    return Library(documents, queue or connect_queue(settings), SystemClock(), SystemIds(), settings.embedder)
