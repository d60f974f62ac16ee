"""What the use cases of agents work with."""

from __future__ import annotations

from dataclasses import dataclass

from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.id_source import Ids


@dataclass(frozen=True, slots=True)
class Shelf:
    """The ports that making and changing agents needs."""

    documents: Documents
    clock: Clock
    ids: Ids
