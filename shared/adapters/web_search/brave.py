"""Brave Search. Source: https://api-dashboard.search.brave.com/api-reference/web/search/get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from shared.adapters.web_search.answers import MAX_BYTES, SECONDS, ask, hits_in
from shared.ports.web_client import WebClient, WebRequest
from shared.ports.web_search import SearchHit

BASE_URL = "https://api.search.brave.com"
_PATH = "/res/v1/web/search"
_MOST_RESULTS = 20
_MOST_CHARACTERS, _MOST_WORDS = 400, 50


@dataclass(frozen=True, slots=True)
class BraveSearch:
    """`WebSearch` by Brave.

    Args:
        web: sends the requests.
        key: the subscription token.
        base_url: another address than Brave's own.
    """

    web: WebClient
    key: str = field(repr=False)
    base_url: str = BASE_URL

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        """As `WebSearch.search`; at most 20 results, and what is too long of the question is left out."""
        asked = " ".join(query.split()[:_MOST_WORDS])[:_MOST_CHARACTERS]
        parameters = {"q": asked, "count": min(limit, _MOST_RESULTS), "text_decorations": "false"}
        request = WebRequest(
            f"{self.base_url}{_PATH}?{urlencode(parameters)}",
            headers={"X-Subscription-Token": self.key, "Accept": "application/json", "Cache-Control": "no-cache"},
            max_bytes=MAX_BYTES,
            seconds=SECONDS,
            max_redirects=0,
        )
        found = await ask(self.web, request, "Brave Search")
        return hits_in(found, ("web", "results"), excerpt="description")[:limit]
