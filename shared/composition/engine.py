"""Connects the engine: what executes nodes, with Pydantic AI and the tools. Only for `worker` and `chat`."""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.cel.conditions import CelConditions
from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.adapters.tools.toolbox import LocalToolbox
from shared.composition.core import connect_core
from shared.domain.egress import EgressPolicy
from shared.edge.logs import logger
from shared.settings import Settings
from shared.usecases.nodes.engine import Engine


def connect_engine(settings: Settings, environ: Mapping[str, str]) -> Engine:
    """The engine; `environ` holds the providers' own variables."""
    core = connect_core(settings)
    return Engine(
        core=core,
        runner=PydanticAiRunner(Models(ProviderSettings.from_environ(environ))),
        toolbox=LocalToolbox(core.documents, core.clock, web=GuardedWebClient(EgressPolicy(settings.egress_loopback))),
        conditions=CelConditions(),
        report_defect=_report,
        lease_seconds=settings.lease_seconds,
    )


def _report(error: BaseException) -> None:
    logger.error("defect in a node: %s", type(error).__name__, exc_info=error)
