"""What the use cases of agents work with."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.allowed_models import AllowedModels
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.id_source import Ids


@dataclass(frozen=True, slots=True)
class Shelf:
    """The ports that making and changing agents needs, and the models that an agent may name."""

    documents: Documents
    clock: Clock
    ids: Ids
    models: AllowedModels = field(default_factory=AllowedModels)
