"""Tavily. Source: https://docs.tavily.com/documentation/api-reference/endpoint/search."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.adapters.web_search.answers import MAX_BYTES, SECONDS, ask, hits_in
from shared.ports.web_client import WebClient, WebRequest
from shared.ports.web_search import SearchHit

BASE_URL = "https://api.tavily.com"
_PATH = "/search"
_MOST_RESULTS = 20
_QUOTA = frozenset({432, 433})  # the plan's limit, and that of pay-as-you-go


@dataclass(frozen=True, slots=True)
class TavilySearch:
    """`WebSearch` by Tavily.

    Args:
        web: sends the requests.
        key: the API key.
        base_url: another address than Tavily's own.
    """

    web: WebClient
    key: str = field(repr=False)
    base_url: str = BASE_URL

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        """As `WebSearch.search`; at most 20 results."""
        request = WebRequest(
            f"{self.base_url}{_PATH}",
            "POST",
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
            json.dumps({"query": query, "max_results": min(limit, _MOST_RESULTS), "search_depth": "basic"}).encode(),
            max_bytes=MAX_BYTES,
            seconds=SECONDS,
        )
        found = await ask(self.web, request, "Tavily", quota=_QUOTA)
        return hits_in(found, ("results",), excerpt="content")[:limit]
