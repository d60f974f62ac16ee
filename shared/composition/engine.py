"""Connects the engine: what executes nodes, with Pydantic AI and the tools. Only for `worker` and `chat`."""

from __future__ import annotations

from collections.abc import Mapping

from shared.adapters.cel.conditions import CelConditions
from shared.adapters.embedders.hashed_words import HashedWords
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.mcp_servers.clients import McpClients
from shared.adapters.pydantic_ai.embedders import ProviderEmbedders
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.adapters.tools.definition_toolbox import DefinitionToolbox
from shared.adapters.tools.document_reader import LocalDocumentReader
from shared.adapters.tools.toolbox import LocalToolbox
from shared.composition.core import connect_core, connect_documents
from shared.composition.knowledge import connect_library
from shared.composition.secrets import connect_vault
from shared.composition.web import connect_search, connect_web
from shared.domain.allowed_models import AllowedModels
from shared.edge.logs import logger
from shared.settings import Settings
from shared.usecases.knowledge.library import Indexer, Searcher
from shared.usecases.nodes.engine import Core, Engine


def connect_engine(
    settings: Settings, environ: Mapping[str, str], documents: FirestoreDocuments | None = None
) -> Engine:
    """The engine.

    Args:
        settings: of this process.
        environ: holds the providers' own variables.
        documents: the store, where others use the same.
    """
    documents = documents or connect_documents(settings)
    core = connect_core(settings, documents)
    searcher = Searcher(documents, documents, connect_embedders(environ))
    return Engine(
        core=core,
        runner=PydanticAiRunner(connect_models(settings, environ)),
        toolbox=connect_tools(settings, core, searcher),
        conditions=CelConditions(),
        report_defect=_report,
        lease_seconds=settings.lease_seconds,
    )


def connect_indexer(settings: Settings, environ: Mapping[str, str], documents: FirestoreDocuments) -> Indexer:
    """What reads and embeds documents of knowledge."""
    library = connect_library(settings, documents)
    return Indexer(library, LocalDocumentReader(), connect_embedders(environ), _report)


def connect_embedders(environ: Mapping[str, str]) -> ProviderEmbedders:
    """What makes vectors."""
    return ProviderEmbedders(ProviderSettings.from_environ(environ), [HashedWords()])


def connect_tools(settings: Settings, core: Core, searcher: Searcher) -> DefinitionToolbox:
    """The tools: those built in, and the means of those that definitions bring."""
    web = connect_web(settings)
    built_in = LocalToolbox(core.documents, core.clock, connect_search(settings, web), web=web, searcher=searcher)
    return DefinitionToolbox(built_in, connect_vault(settings, core.documents), web, McpClients(web.open))


def connect_models(settings: Settings, environ: Mapping[str, str]) -> Models:
    """The models that this deployment runs; `environ` holds the providers' own variables."""
    allowed = AllowedModels(settings.models, settings.default_model)
    return Models(ProviderSettings.from_environ(environ), allowed)


def _report(error: BaseException) -> None:
    logger.error("defect in a task: %s", type(error).__name__, exc_info=error)
