"""The tool `web_search`."""

from __future__ import annotations

from typing import Any

from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import DomainError, FailedPrecondition
from shared.domain.tool_arguments import WebSearchArguments, WebSearchConfiguration
from shared.domain.tool_specs import parse_config
from shared.ports.web_search import WebSearch

_MAX_TITLE = 300
_MAX_EXCERPT = 2000


async def web_search(arguments: WebSearchArguments, workspace: Workspace, search: WebSearch | None) -> dict[str, Any]:
    """The results of a search, at most as many as the definition allows."""
    most = parse_config(WebSearchConfiguration, workspace.config).max_results
    limit = min(arguments.max_results or most, most)
    if search is None:
        raise FailedPrecondition(
            "No search engine is configured in this deployment, so the web cannot be searched. "
            "Go on without it, and say in your answer that you could not search."
        )
    try:
        hits = await search.search(arguments.query, limit)
    except DomainError as error:
        # A search engine that is down is for the model to work around, not a reason to run the node again.
        raise FailedPrecondition(f"The search failed: {error.message}") from error
    return {
        "query": arguments.query,
        "results": [
            {"title": hit.title[:_MAX_TITLE], "url": hit.url, "excerpt": hit.excerpt[:_MAX_EXCERPT]}
            for hit in hits[:limit]
        ],
    }
