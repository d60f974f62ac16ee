"""Connects the engine: what executes nodes, with Pydantic AI and the tools. Only for `worker` and `chat`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from shared.adapters.cel.conditions import CelConditions
from shared.adapters.cloud_tasks.emulator import EmulatorTaskQueue
from shared.adapters.embedders.hashed_words import HashedWords
from shared.adapters.mcp_servers.clients import McpClients
from shared.adapters.pubsub.topic import PubSubFactTopic
from shared.adapters.pydantic_ai.embedders import ProviderEmbedders
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.adapters.tools.definition_toolbox import DefinitionToolbox
from shared.adapters.tools.document_reader import LocalDocumentReader
from shared.adapters.tools.toolbox import LocalToolbox
from shared.composition.core import connect_core, connect_documents, connect_queue, connect_topic
from shared.composition.knowledge import connect_library
from shared.composition.secrets import connect_vault
from shared.composition.web import connect_search, connect_web
from shared.domain.allowed_models import AllowedModels
from shared.edge.logs import logger
from shared.settings import Settings
from shared.usecases.knowledge.library import Indexer, Searcher
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.give_way import give_way

GRACE_SECONDS = 5.0
"""For model calls in flight at SIGTERM; Cloud Run gives 10 seconds for everything."""


@dataclass(frozen=True, slots=True, eq=False)
class Process:
    """What a process works with that executes nodes.

    Args:
        settings: of this process.
        engine: executes nodes.
        indexer: reads and embeds documents of knowledge.
        closing: closes what the two have opened.
    """

    settings: Settings
    engine: Engine
    indexer: Indexer
    closing: AsyncExitStack

    async def leave(self) -> None:
        """What it does when it is told to stop."""
        await stop_engine(self.engine, self.closing)


def connect_process(settings: Settings, environ: Mapping[str, str]) -> Process:
    """Connect to Google Cloud and the providers, or to what stands in for them; `environ` holds providers' variables.

    Everything is there once, and is closed at the end; but for the store, in which nodes are handed back until then.
    """
    documents, queue, topic = connect_documents(settings), connect_queue(settings), connect_topic(settings)
    web = connect_web(settings)
    models, embedders, mcp = connect_models(settings, environ), connect_embedders(environ), McpClients(web.open)
    closing = AsyncExitStack()
    for connected in (models, embedders, mcp):
        closing.push_async_callback(connected.aclose)
    for connected in (queue, topic):
        if isinstance(connected, EmulatorTaskQueue | PubSubFactTopic):  # Google's own queue keeps one for the process
            closing.push_async_callback(connected.close)
    searcher = Searcher(documents, documents, embedders)
    core = connect_core(settings, documents, queue, topic)
    built_in = LocalToolbox(documents, core.clock, connect_search(settings, web), web=web, searcher=searcher)
    engine = Engine(
        core=core,
        runner=PydanticAiRunner(models),
        toolbox=DefinitionToolbox(built_in, connect_vault(settings, documents), web, mcp),
        conditions=CelConditions(),
        report_defect=_report,
        lease_seconds=settings.lease_seconds,
    )
    library = connect_library(settings, documents, queue)
    return Process(settings, engine, Indexer(library, LocalDocumentReader(), embedders, _report), closing)


async def stop_engine(engine: Engine, closing: AsyncExitStack, grace_seconds: float = GRACE_SECONDS) -> None:
    """What a process does when it is told to stop: hand its nodes back to the queue, then close its connections."""
    try:
        await give_way(engine, grace_seconds)
    finally:
        await closing.aclose()


def connect_embedders(environ: Mapping[str, str]) -> ProviderEmbedders:
    """What makes vectors."""
    return ProviderEmbedders(ProviderSettings.from_environ(environ), [HashedWords()])


def connect_models(settings: Settings, environ: Mapping[str, str]) -> Models:
    """The models that this deployment runs; `environ` holds the providers' own variables."""
    allowed = AllowedModels(settings.models, settings.default_model)
    return Models(ProviderSettings.from_environ(environ), allowed)


def _report(error: BaseException) -> None:
    logger.error("defect in a task: %s", type(error).__name__, exc_info=error)
