"""Connects what reaches the web: the egress guard, and the search engine that the deployment has chosen."""

from __future__ import annotations

from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.web_search import brave, tavily
from shared.domain.egress import EgressPolicy
from shared.ports.web_client import WebClient
from shared.ports.web_search import WebSearch
from shared.settings import Settings


def connect_web(settings: Settings) -> GuardedWebClient:
    """The client for addresses that come from definitions, messages and documents."""
    return GuardedWebClient(EgressPolicy(settings.egress_loopback))


def connect_search(settings: Settings, web: WebClient) -> WebSearch | None:
    """The search engine, or None where none is chosen.

    Raises:
        ValueError: an engine is chosen that is not known, or that has no key.
    """
    if settings.search_engine is None:
        return None
    if settings.search_key is None:
        raise ValueError("set FIRELOOM_SEARCH_KEY: the search engine wants one")
    match settings.search_engine:
        case "brave":
            return brave.BraveSearch(web, settings.search_key, settings.search_url or brave.BASE_URL)
        case "tavily":
            return tavily.TavilySearch(web, settings.search_key, settings.search_url or tavily.BASE_URL)
        case other:
            raise ValueError(f"FIRELOOM_SEARCH_ENGINE is brave or tavily, not {other!r}")
