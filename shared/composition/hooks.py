"""Connects webhooks."""

from __future__ import annotations

from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.composition.core import connect_deliveries
from shared.composition.secrets import connect_vault
from shared.domain.egress import EgressPolicy
from shared.ports.documents import Documents
from shared.settings import Settings
from shared.usecases.webhooks.desk import Desk


def connect_desk(settings: Settings, documents: Documents) -> Desk:
    """What keeps webhooks."""
    return Desk(
        documents,
        SystemClock(),
        SystemIds(),
        connect_vault(settings, documents),
        connect_deliveries(settings),
        EgressPolicy(settings.egress_loopback),
    )
