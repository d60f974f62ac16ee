"""Connects the library of knowledge, for every function that keeps it."""

from __future__ import annotations

from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.composition.core import connect_queue
from shared.ports.documents import Documents
from shared.settings import Settings
from shared.usecases.knowledge.library import Library


def connect_library(settings: Settings, documents: Documents) -> Library:
    """The ports with which knowledge is kept."""
    return Library(documents, connect_queue(settings), SystemClock(), SystemIds(), settings.embedder)
