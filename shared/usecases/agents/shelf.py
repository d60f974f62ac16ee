"""What the use cases of agents work with."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.allowed_models import AllowedModels
from shared.domain.ids import Uid
from shared.domain.run_bounds import MOST_NODE_RUNS
from shared.ports.clock import Clock
from shared.ports.conditions import Conditions
from shared.ports.directory import Directory
from shared.ports.documents import Documents
from shared.ports.id_source import Ids


class NobodyKnown:
    """A `Directory` of nobody, where no addresses are looked up."""

    async def find_by_proved_email(self, email: str) -> Uid | None:
        """None, whatever the address."""
        del email


@dataclass(frozen=True, slots=True)
class Shelf:
    """The ports that making and changing agents needs, and the models that an agent may name.

    Args:
        conditions: tries the conditions of graphs; without it they are tried only in runs.
        most_node_runs: how many node runs a run may come to.
    """

    documents: Documents
    clock: Clock
    ids: Ids
    models: AllowedModels = field(default_factory=AllowedModels)
    directory: Directory = field(default_factory=NobodyKnown)
    conditions: Conditions | None = None
    most_node_runs: int = MOST_NODE_RUNS
