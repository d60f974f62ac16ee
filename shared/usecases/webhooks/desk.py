"""What the use cases of webhooks work with."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.egress import EgressPolicy
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.id_source import Ids
from shared.ports.task_queue import DeliveryQueue
from shared.ports.web_client import WebClient
from shared.usecases.secrets.vault import Vault


@dataclass(frozen=True, slots=True)
class Desk:
    """The ports with which webhooks are kept; light enough for every function.

    Args:
        vault: where their secrets are.
        egress: where they may lead.
    """

    documents: Documents
    clock: Clock
    ids: Ids
    vault: Vault
    queue: DeliveryQueue
    egress: EgressPolicy


@dataclass(frozen=True, slots=True)
class Courier:
    """The ports with which messages are sent."""

    desk: Desk
    web: WebClient
