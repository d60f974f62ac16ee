"""What the use cases of sharing work with."""

from __future__ import annotations

from dataclasses import dataclass

from shared.ports.clock import Clock
from shared.ports.directory import Directory
from shared.ports.documents import Documents


@dataclass(frozen=True, slots=True)
class Sharing:
    """The ports that sharing needs."""

    documents: Documents
    clock: Clock
    directory: Directory
