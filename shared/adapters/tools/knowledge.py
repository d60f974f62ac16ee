"""The tool `knowledge`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import FailedPrecondition
from shared.domain.tool_arguments import KnowledgeArguments, KnowledgeConfiguration
from shared.domain.tool_specs import parse_config
from shared.usecases.knowledge.library import Searcher
from shared.usecases.knowledge.search_knowledge import Found, search_knowledge


async def knowledge(arguments: KnowledgeArguments, workspace: Workspace, searcher: Searcher | None) -> dict[str, Any]:
    """The passages nearest to the question, each with what to cite."""
    config = parse_config(KnowledgeConfiguration, workspace.config)
    if searcher is None:
        raise FailedPrecondition("This deployment keeps no knowledge.")
    limit = min(arguments.limit or config.max_passages, config.max_passages)
    found = await search_knowledge(searcher, workspace.owner_uid, config.collections, arguments.query, limit)
    return {"query": arguments.query, "passages": [_shown(one) for one in found]}


def _shown(found: Found) -> dict[str, Any]:
    return {
        "collection": found.collection.name,
        "document": found.document.name,
        "place": found.passage.place,
        "heading": found.passage.heading,
        "score": round(found.score, 3),
        "text": found.passage.text,
    }
